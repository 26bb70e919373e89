import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import canonicalize from "canonicalize";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ROOT } from "../../tools/settings.ts";
import { verifyStatement } from "../../tools/verify-statement.ts";
import type { Api } from "../support/client.ts";
import {
  accountPath,
  credit,
  debit,
  deposit,
  gift,
  newTransfer,
  type Order,
  type Problem,
  post,
  type Statement,
} from "../support/ledger.ts";
import { type Server, startServer, token } from "../support/server.ts";
import { charge, eur, type Money, must, openPod, operator, person } from "../support/story.ts";

type Past = {
  account: string;
  as_of: string;
  at: string | null;
  balance: Money;
  seq: number | null;
  recorded_at: string | null;
  hash: string | null;
  stripes?: { id: string; seq: number; hash: string; balance: Money }[];
};

let server: Server;
let admin: Api;
let scratch: string;
beforeAll(async () => {
  scratch = mkdtempSync(join(tmpdir(), "statements-"));
  server = await startServer();
  admin = await operator(server);
});
afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
  for (const left of [scratch, server?.stateDir]) rmSync(left ?? "", { recursive: true, force: true });
});

const posted = async (order: Order) => must(await post(admin, order), 201);
const statement = async (account: string, query = ""): Promise<Statement> =>
  must(await admin.get<Statement>(accountPath(account, `/statement${query}`)), 200);
/** The bytes as they came, for whoever verifies them. */
const bytesOf = async (account: string, query = ""): Promise<string> => {
  const bearer = await token(server.stateDir, "operator", { scope: "admin" });
  const headers = { authorization: `Bearer ${bearer}` };
  return (await fetch(`${server.url}${accountPath(account, `/statement${query}`)}`, { headers })).text();
};
const past = async (account: string, query: string): Promise<Past> =>
  must(await admin.get<Past>(accountPath(account, `/balance?${query}`)), 200);
const cents = (money: Money | null): bigint => BigInt(money?.amount.replace(".", "") ?? 0);
const ago = (days: number): string => new Date(Date.now() - days * 86_400_000).toISOString();

describe("a statement", () => {
  test("proves itself to a stranger who has nothing but the file", async () => {
    await posted(deposit("alma", "100.00"));
    for (const amount of ["1.00", "2.00", "3.00"]) await posted(gift("alma", "bodo", amount));
    const text = await bytesOf("wallet:alma:EUR");
    const file = join(scratch, "alma.json");
    const run = (content: string) => {
      writeFileSync(file, content);
      const { status, stdout } = spawnSync("npm", ["run", "-s", "verify-statement", file], {
        cwd: ROOT,
        encoding: "utf8",
      });
      return { status, stdout };
    };
    const { hash_after, to_seq } = JSON.parse(text) as Statement;
    expect(run(text)).toEqual({
      status: 0,
      stdout: `ok: wallet:alma:EUR, seq 1 to ${to_seq}, 4 entries, hash_after ${hash_after}\n`,
    });
    // The gift of two euros becomes one of one, in its entry alone.
    const entry = text.indexOf('"entries"');
    const forged = text.slice(0, entry) + text.slice(entry).replace('"amount":"2.00"', '"amount":"1.00"');
    expect(run(forged)).toEqual({
      status: 1,
      stdout: "not valid: seq 4: the entry does not follow from the event\n",
    });
  });

  test("opens where the one before it closes, however a log is cut, and sums up what happened", async () => {
    await posted(deposit("cora", "50.00"));
    for (let at = 1; at <= 6; at++) await posted(gift("cora", "dirk", `${at}.00`));
    const whole = await statement("wallet:cora:EUR");
    expect([whole.opening, whole.closing]).toEqual([eur("0.00"), eur("29.00")]);
    for (let cut = 0; cut <= whole.to_seq; cut++) {
      const [before, after] = await Promise.all([
        statement("wallet:cora:EUR", `?from_seq=1&to_seq=${cut}`),
        statement("wallet:cora:EUR", `?from_seq=${cut + 1}&to_seq=${whole.to_seq}`),
      ]);
      expect([after.opening, after.hash_before]).toEqual([before.closing, before.hash_after]);
      expect([...before.entries, ...after.entries]).toEqual(whole.entries);
      for (const part of [before, after]) {
        expect(verifyStatement(Buffer.from(JSON.stringify(part)))).toMatchObject({ ok: true });
        const moved = part.entries.reduce((sum, entry) => sum + cents(entry.credit) - cents(entry.debit), 0n);
        expect(cents(part.opening) + moved).toBe(cents(part.closing));
      }
    }
  });

  test("by days is pinned to seqs, half-open, and is the same to the byte whatever comes later", async () => {
    const first = await posted(deposit("elsa", "10.00"));
    const second = await posted(deposit("elsa", "20.00"));
    const by = `?from=${first.recorded_at}&to=${second.recorded_at}`;
    const pinned = await statement("wallet:elsa:EUR", by);
    expect(pinned.entries.map(({ transfer }) => transfer)).toEqual(
      first.recorded_at === second.recorded_at ? [] : [first.id],
    );
    const seqs = `?from_seq=${pinned.from_seq}&to_seq=${pinned.to_seq}`;
    const text = await bytesOf("wallet:elsa:EUR", seqs);
    expect(text).toBe(JSON.stringify(pinned));
    await posted(deposit("elsa", "5.00", ago(30)));
    expect(await bytesOf("wallet:elsa:EUR", seqs)).toBe(text);
    expect(await bytesOf("wallet:elsa:EUR", by)).toBe(text);
    const later = await statement("wallet:elsa:EUR", "?from=2999-01-01");
    expect([later.from_seq, later.entries, later.opening, later.closing]).toEqual([
      later.to_seq + 1,
      [],
      eur("35.00"),
      eur("35.00"),
    ]);
  });

  test("is of one stripe where an account has several", async () => {
    await posted(deposit("fred", "1.00"));
    const logical = await admin.get<Problem>(accountPath("bank:sandbox:EUR", "/statement"));
    expect([logical.status, logical.body.errors?.[0]?.pointer]).toEqual([400, "/path/id"]);
    const stripes = await Promise.all([0, 1, 2, 3].map((stripe) => statement(`bank:sandbox:EUR#${stripe}`)));
    for (const each of stripes) expect(verifyStatement(Buffer.from(JSON.stringify(each)))).toMatchObject({ ok: true });
  });

  test("of a pod is for its members, and shows no operator by name", async () => {
    const pod = await openPod(server, { owner: "gina", members: ["hugo"], currencies: ["EUR", "USD"] });
    const path = `/v1/pods/${pod.id}/statement?currency=EUR`;
    const before = must(await pod.as("hugo").get<Statement>(path), 200);
    expect([before.from_seq, before.to_seq, before.closing]).toEqual([1, 0, eur("0.00")]);
    must(await charge(pod.as("hugo"), pod, { amount: "100.00", from: "tok_ok", key: "in" }), 201);
    await posted({
      id: newTransfer(),
      legs: [debit(`pod:${pod.id}:EUR`, "8.50"), credit("fee:EUR", "8.50")],
      metadata: { reason: "correction" },
    });
    const seen = must(await pod.as("hugo").get<Statement>(path), 200);
    expect([seen.opening, seen.closing, seen.entries.length]).toEqual([eur("0.00"), eur("90.00"), 2]);
    expect(verifyStatement(Buffer.from(JSON.stringify(seen)))).toMatchObject({ ok: true });
    const principals = seen.events.map(
      ({ event }) => (event as unknown as { principal: { user: string } }).principal.user,
    );
    expect(new Set(principals)).toEqual(new Set(["hugo", "operator"]));
    const stranger = await (await person(server, "mallory")).get<Problem>(path);
    expect([stranger.status, stranger.body.code]).toEqual([404, "not_found"]);
  });
});

describe("an export", () => {
  test("is the whole log, a row a line, and hashes to the head it names", async () => {
    // More than one page of the log.
    const transfers = Array.from({ length: 600 }, () => deposit("iris", "1.00"));
    const { results } = must(
      await admin.post<{ results: { status: number }[] }>("/v1/ledger/batches", { transfers }),
      200,
    );
    expect(results.filter(({ status }) => status > 202)).toEqual([]);
    await posted(gift("iris", "joerg", "1.00"));
    const { headers, body, status } = await admin.get<string>(accountPath("wallet:iris:EUR", "/export"));
    expect([status, headers.get("content-type")]).toEqual([200, "application/jsonl"]);
    let before = "0".repeat(64);
    expect(Number(headers.get("x-log-seq"))).toBeGreaterThan(500);
    const rows = String(body)
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as Statement["events"][number]);
    for (const [at, row] of rows.entries()) {
      const digest = createHash("sha256")
        .update(Buffer.from(before, "hex"))
        .update(canonicalize(row.event) ?? "");
      expect([row.seq, row.prev_hash, row.hash]).toEqual([at + 1, before, digest.digest("hex")]);
      before = row.hash;
    }
    expect([String(rows.length), before]).toEqual([headers.get("x-log-seq"), headers.get("x-log-head")]);
  });
});

describe("a balance as of", () => {
  test("a seq is what it was after that event, for ever", async () => {
    await posted(deposit("kurt", "10.00"));
    await posted(gift("kurt", "lisa", "4.00"));
    const { events, entries } = await statement("wallet:kurt:EUR");
    expect((await past("wallet:kurt:EUR", "seq=0")).balance).toEqual(eur("0.00"));
    for (const { seq, balance, hash } of entries) {
      expect(await past("wallet:kurt:EUR", `seq=${seq}`)).toMatchObject({
        account: "wallet:kurt:EUR",
        as_of: "seq",
        balance,
        seq,
        hash,
        recorded_at: events[seq - 1]?.event.recorded_at,
      });
    }
  });

  test("a moment counts what claims to be from before it, whenever that was recorded", async () => {
    const now = await posted(deposit("mona", "10.00"));
    const before = await past("wallet:mona:EUR", `at=${ago(20)}`);
    expect([before.as_of, before.balance]).toEqual(["effective_at", eur("0.00")]);
    const claim = ago(30);
    const back = await posted(deposit("mona", "3.00", claim));
    expect(back.effective_at).toBe(claim);
    expect((await past("wallet:mona:EUR", `at=${ago(20)}`)).balance).toEqual(eur("3.00"));
    expect((await past("wallet:mona:EUR", `at=${ago(40)}`)).balance).toEqual(eur("0.00"));
    expect((await past("wallet:mona:EUR", `at=${now.recorded_at}`)).balance).toEqual(eur("13.00"));
    const { entries, events } = await statement("wallet:mona:EUR");
    const entry = entries.at(-1);
    expect(entry?.effective_at).toBe(back.effective_at);
    // The transfer is recorded when the last of its accounts is.
    expect([entry?.recorded_at, now.recorded_at, back.recorded_at].sort()).toEqual([
      now.recorded_at,
      entry?.recorded_at,
      back.recorded_at,
    ]);
    expect(events.at(-1)?.event).toMatchObject({ effective_at: back.effective_at });
  });

  test("of a striped account is the sum of its stripes", async () => {
    const name = "loss:USD";
    for (let at = 0; at < 6; at++) {
      await posted({
        id: newTransfer(),
        legs: [debit(name, "1.00", "USD"), credit("suspense:USD", "1.00", "USD")],
        effective_at: ago(50),
      });
    }
    const whole = await past(name, `at=${ago(40)}`);
    expect([whole.balance.amount, whole.seq, whole.stripes?.length]).toEqual(["6.00", null, 4]);
    expect(whole.stripes?.reduce((sum, { balance }) => sum + cents(balance), 0n)).toBe(600n);
    expect((await past(name, `at=${ago(60)}`)).balance.amount).toBe("0.00");
  });
});

/** Last: what is closed stays closed. */
describe("a closed period", () => {
  const close = (until: string) =>
    admin.post<{ until: string; in_flight: number } & Problem>("/v1/ledger/periods/close", { until });

  test("takes nothing more that claims to be from it, in any shard, and is never opened again", async () => {
    const [long, until, since] = [ago(100), ago(90), ago(80)];
    await posted(deposit("nora", "1.00", long));
    expect(must(await close(until), 200)).toEqual({ until, in_flight: 0 });
    const early = await Promise.all(Array.from({ length: 40 }, () => post(admin, deposit("nora", "1.00", long))));
    expect(new Set(early.map(({ status, body }) => `${status} ${body.code}`))).toEqual(new Set(["409 conflict"]));
    await posted(deposit("nora", "1.00", until));
    await posted(deposit("nora", "1.00", since));
    expect((await past("wallet:nora:EUR", `at=${ago(95)}`)).balance).toEqual(eur("1.00"));
    expect([(await close(ago(95))).status, (await close(until)).status]).toEqual([409, 200]);
    expect(must(await close(ago(85)), 200).in_flight).toBe(0);
    expect((await post(admin, deposit("nora", "1.00", until))).body.code).toBe("conflict");
  });

  test("still is after a restart", async () => {
    await server.kill();
    server = await startServer({ stateDir: server.stateDir });
    admin = await operator(server);
    expect((await post(admin, deposit("nora", "1.00", ago(100)))).body.code).toBe("conflict");
    const { body } = await admin.get<{ until: string } & Problem>(accountPath("wallet:nora:EUR"));
    expect(body).toMatchObject({ credits_posted: "3.00" });
  });
});
