import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import type pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { deposit, gift, type Order } from "../../tests/support/ledger.ts";
import { makeCharge, readCharge, resume } from "./charges.ts";
import { balanceOf, postOrder, trialBalance } from "./ledger.ts";
import type { Postgres } from "./postgres.ts";
import { postgresFolder } from "./programs.ts";
import { database } from "./target.ts";

const programs = postgresFolder();

/** On a machine without PostgreSQL there is no baseline to test. */
describe.skipIf(programs === null)("the baseline, on a database of its own", () => {
  let cluster: Postgres;
  let pool: pg.Pool;
  let provider: Server;
  /** What the provider answers next; captured when there is nothing here. */
  const answers: number[] = [];
  const asked: string[] = [];
  let at: { url: string; apiKey: string };

  beforeAll(async () => {
    cluster = await database(programs ?? "");
    pool = cluster.pool(16);
    provider = createServer(async (request, response) => {
      asked.push(String(request.headers["idempotency-key"]));
      const { instrument } = JSON.parse(await text(request)) as { instrument: string };
      const status = answers.shift() ?? 201;
      const payment = { id: "pay_1", status: instrument === "tok_declined" ? "failed" : "captured" };
      response.writeHead(status, { "content-type": "application/json" });
      response.end(JSON.stringify(status === 201 ? payment : { error: { code: "server_error" } }));
    });
    await new Promise<void>((listening) => provider.listen(0, "127.0.0.1", listening));
    at = { url: `http://127.0.0.1:${(provider.address() as AddressInfo).port}`, apiKey: "key" };
    await pool.query("INSERT INTO members (pod, person, role) VALUES ('pod_1', 'ada', 'owner')");
  }, 60_000);
  afterAll(async () => {
    provider?.close();
    await pool?.end();
    await cluster?.[Symbol.asyncDispose]();
  });

  const post = (order: Order) => postOrder(pool, order);

  test("posts a transfer once, however often it is sent at once, and another body under its id never", async () => {
    const order = deposit("ada", "10.00");
    expect(await Promise.all(Array.from({ length: 8 }, () => post(order)))).toEqual(Array(8).fill(null));
    expect(await post({ ...deposit("ada", "11.00"), id: order.id })).toBe("idempotency_mismatch");
    expect(await balanceOf(pool, "wallet:ada:EUR")).toEqual({ debits: 0n, credits: 1_000n });
  });

  test("never lets a wallet below zero, whoever races for its last cent", async () => {
    const gifts = Array.from({ length: 12 }, () => gift("ada", "ben", "1.00"));
    const refusals = await Promise.all(gifts.map(post));
    expect(refusals.filter((refusal) => refusal === null)).toHaveLength(10);
    expect(refusals.filter((refusal) => refusal === "insufficient_funds")).toHaveLength(2);
    const refused = gifts[refusals.indexOf("insufficient_funds")] as Order;
    await post(deposit("ada", "1.00"));
    expect(await post(refused)).toBe("insufficient_funds");
  });

  test("transfers there and back at once wait for each other in one order, and none is lost", async () => {
    await post(deposit("ben", "50.00"));
    const pairs = Array.from({ length: 20 }, () => [gift("ada", "ben", "0.01"), gift("ben", "ada", "0.01")]).flat();
    expect(await Promise.all(pairs.map(post))).toEqual(Array(40).fill(null));
    expect((await trialBalance(pool)).balanced).toBe(true);
  });

  test("captures a charge once a key, and books it", async () => {
    const order = {
      person: "ada",
      key: "k1",
      pod: "pod_1",
      amount: { amount: "10.00", currency: "EUR" },
      instrument: "tok_ok",
    };
    const first = await makeCharge(pool, at, order);
    const again = await makeCharge(pool, at, order);
    expect([first.charge?.status, again.charge?.id]).toEqual(["succeeded", first.charge?.id]);
    expect((await makeCharge(pool, at, { ...order, instrument: "tok_other" })).refusal).toBe("idempotency_mismatch");
    expect((await makeCharge(pool, at, { ...order, key: "k2", person: "eve" })).refusal).toBe("not_found");
    expect(asked).toHaveLength(1);
    expect(await balanceOf(pool, "pod:pod_1:EUR")).toEqual({ debits: 0n, credits: 985n });
    expect(await balanceOf(pool, "fee:EUR")).toEqual({ debits: 0n, credits: 15n });
  });

  test("takes a charge up again whose answer was lost, under the same key, and books it once", async () => {
    answers.push(500);
    const order = {
      person: "ada",
      key: "k3",
      pod: "pod_1",
      amount: { amount: "10.00", currency: "EUR" },
      instrument: "tok_ok",
    };
    const { charge } = await makeCharge(pool, at, order);
    expect(charge?.status).toBe("processing");
    expect(await resume(pool, at)).toBe(0);
    await pool.query("UPDATE sagas SET next_at = now() WHERE step <> 'done'");
    expect(await Promise.all([resume(pool, at), resume(pool, at)]).then((taken) => taken.sort())).toEqual([0, 1]);
    expect((await readCharge(pool, charge?.id ?? ""))?.status).toBe("succeeded");
    expect(asked.filter((key) => key === charge?.id)).toHaveLength(2);
    expect(await balanceOf(pool, "pod:pod_1:EUR")).toEqual({ debits: 0n, credits: 1_970n });
    expect((await trialBalance(pool)).balanced).toBe(true);
  });

  test("books a new pod's charges that all come at once, captured or declined, while open ones are looked for", async () => {
    const people = ["ada", "ben", "cem", "dan"];
    await pool.query("INSERT INTO members (pod, person, role) SELECT 'pod_2', unnest($1::text[]), 'member'", [people]);
    const before = await balanceOf(pool, "psp:sandbox:EUR");
    const charging = Array.from({ length: 64 }, (_, index) =>
      makeCharge(pool, at, {
        person: people[index % people.length] ?? "",
        key: `at once ${index}`,
        pod: "pod_2",
        amount: { amount: "2.00", currency: "EUR" },
        instrument: index % 8 === 7 ? "tok_declined" : "tok_ok",
      }),
    );
    const [made] = await Promise.all([Promise.all(charging), resume(pool, at), resume(pool, at)]);
    const ended = Object.groupBy(made, ({ charge }) => charge?.status ?? "unknown");
    expect([ended.succeeded?.length, ended.failed?.length]).toEqual([56, 8]);
    const after = await balanceOf(pool, "psp:sandbox:EUR");
    expect((after?.debits ?? 0n) - (before?.debits ?? 0n)).toBe(56n * 200n);
    expect(await balanceOf(pool, "pod:pod_2:EUR")).toEqual({ debits: 0n, credits: 56n * 197n });
    expect((await trialBalance(pool)).balanced).toBe(true);
  });
});
