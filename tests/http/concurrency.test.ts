import { afterAll, beforeAll, expect, test } from "vitest";
import { checkAll, faultsIn, readAll } from "../support/checker.ts";
import { api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Charge, charge, type Money, must, openPod, operator } from "../support/story.ts";

const MEMBERS = Array.from({ length: 20 }, (_, index) => `member-${index + 1}`);
const CHARGES = 200;
/** A cent apart, so that no two charges can stand in for each other in a sum. */
const amountOf = (index: number): string => `10.${String(index % 100).padStart(2, "0")}`;
/** Now and then a card says no, or its provider stumbles, in the middle of all the others. */
const AMONG: Readonly<Record<number, string>> = {
  3: "tok_declined",
  7: "tok_5xx_twice",
  11: "tok_duplicate_webhook",
  17: "tok_async",
};
const instrumentOf = (index: number): string => AMONG[index % 20] ?? "tok_ok";

let server: Server;
beforeAll(async () => {
  server = await startServer();
});
afterAll(() => server?.[Symbol.asyncDispose]());

const cents = (amounts: readonly (Money | undefined | null)[]): bigint =>
  amounts.reduce((sum, money) => sum + BigInt(money?.amount.replace(".", "") ?? 0), 0n);

test("two hundred charges at once on one pod all end, and every cent is in the pool, the entries and the books", async () => {
  const [pod, admin] = [await openPod(server, { members: MEMBERS }), await operator(server)];
  const sandbox = api(server.sandboxUrl);
  const answers = await Promise.all(
    Array.from({ length: CHARGES }, (_, index) => {
      const payer = pod.as(MEMBERS[index % MEMBERS.length] ?? "");
      const order = { amount: amountOf(index), from: instrumentOf(index), key: `charge-${index}`, wait: 30 };
      return charge(payer, pod, order);
    }),
  );
  const ended = await Promise.all(
    answers.map((answer) => {
      const { id } = must(answer, 201, 202);
      return poll(
        async () => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200),
        ({ status }) => status !== "processing",
        30_000,
      );
    }),
  );
  expect(ended.map(({ status }) => status)).toEqual(
    Array.from({ length: CHARGES }, (_, index) => (instrumentOf(index) === "tok_declined" ? "failed" : "succeeded")),
  );
  expect(ended.map(({ payer }) => payer)).toEqual(
    Array.from({ length: CHARGES }, (_, index) => MEMBERS[index % MEMBERS.length]),
  );

  const ids = ended.map(({ id }) => id);
  expect(new Set(ids).size).toBe(CHARGES);
  const report = await checkAll({ reader: pod.owner, operator: admin, sandbox }, pod.id, ids);
  expect(faultsIn(report.verdicts)).toEqual([]);

  // The same once more, in plain sums.
  const succeeded = ended.filter(({ status }) => status === "succeeded");
  const { balances } = must(await pod.owner.get<{ balances: { posted: string }[] }>(`/v1/pods/${pod.id}`), 200);
  const entries = await readAll<{ credit: Money | null }>(pod.owner, `/v1/pods/${pod.id}/entries`);
  const books = must(
    await sandbox.get<{ data: { status: string; amount: Money }[] }>(`/books?pod=${pod.id}`),
    200,
  ).data.filter(({ status }) => status === "captured");
  const pool = BigInt(balances[0]?.posted.replace(".", "") ?? 0);
  expect(pool).toBe(cents(succeeded.map(({ settled }) => settled)));
  expect(pool).toBe(cents(entries.map(({ credit }) => credit)));
  expect(cents(books.map(({ amount }) => amount))).toBe(cents(succeeded.map(({ amount }) => amount)));
}, 120_000);

test("a freeze among thirty charges: each was paid whole or never was, and the pool is those that were paid", async () => {
  const pod = await openPod(server, { owner: "freezer" });
  const charges = Array.from({ length: 30 }, (_, index) =>
    charge(pod.owner, pod, { amount: "3.00", from: "tok_ok", key: `freeze-${index}`, wait: 30 }),
  );
  await Promise.race(charges);
  must(await pod.owner.post(`/v1/pods/${pod.id}/freeze`, {}), 200);
  const answers = await Promise.all(charges);
  const paid = answers.filter(({ status }) => status === 201);
  expect(paid.length).toBeGreaterThan(0);
  expect(paid.map(({ body }) => body.status)).toEqual(paid.map(() => "succeeded"));
  const refused = answers.filter(({ status }) => status !== 201);
  expect(refused.map(({ status, body }) => [status, (body as unknown as { code: string }).code])).toEqual(
    refused.map(() => [422, "pod_not_active"]),
  );
  const ids = paid.map(({ body }) => body.id);
  const witness = { reader: pod.owner, operator: await operator(server), sandbox: api(server.sandboxUrl) };
  const report = await checkAll(witness, pod.id, ids);
  expect(faultsIn(report.verdicts)).toEqual([]);
});
