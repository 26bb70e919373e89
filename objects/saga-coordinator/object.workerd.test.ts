import { env, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { SYSTEM } from "../../schema/events.ts";
import { createIdSource, encodeShard, routeTransfer, SHARDS } from "../../schema/ids.ts";
import { fromMinor } from "../../schema/money.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { CoordinatorRpc, CreateTransfer, TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { shardName } from "../../schema/streams.ts";
import { freshRuntime } from "../../tests/support/fresh-runtime.ts";
import { refusalIn } from "../kit/stub.ts";
import { rewriteEvent, storedEvents } from "../kit/testing/stored.ts";
import type { SagaCoordinator } from "./object.ts";
import { ReportTable } from "./report-table.ts";

// What other files made would be verified too, and what is broken here is theirs as well.
beforeAll(freshRuntime);
afterAll(freshRuntime);

const COORDINATORS = (env as unknown as { COORDINATORS: DurableObjectNamespace<SagaCoordinator> }).COORDINATORS;
const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));

/** Stubs are made anew for every call, as callers do: one that failed once stays dead. */
const stubOf = (shard: number) => COORDINATORS.getByName(shardName(shard));
const shardAt = (shard: number) => stubOf(shard) as unknown as CoordinatorRpc;
const metaOf = (correlation: string) => ({ principal: SYSTEM, correlation, causation: null });

/** An id that its hash sends to this shard. */
const transferIn = (shard: number): string => {
  for (;;) {
    const id = ids.next("trf", Date.now());
    if (routeTransfer(id) === shard) return id;
  }
};

/** From the bank into a wallet: nobody may refuse it. */
const deposit = (id: string, user: string, minor = 1_000n): CreateTransfer => ({
  id,
  legs: [
    { account: "bank:sandbox:EUR", direction: "debit", amount: fromMinor(minor, "EUR") },
    { account: `wallet:${user}:EUR`, direction: "credit", amount: fromMinor(minor, "EUR") },
  ],
  reason: null,
  metadata: {},
});
const spend = (id: string, from: string, to: string, minor: bigint): CreateTransfer => ({
  id,
  legs: [
    { account: `wallet:${from}:EUR`, direction: "debit", amount: fromMinor(minor, "EUR") },
    { account: `wallet:${to}:EUR`, direction: "credit", amount: fromMinor(minor, "EUR") },
  ],
  reason: "gift",
  metadata: { reason: "gift" },
});
const make = (shard: number, command: CreateTransfer, request = "request-1"): Promise<TransferAnswer> =>
  shardAt(shard).createTransfer(command, 10_000, metaOf(request));
const moved = (answer: TransferAnswer, account: string): string | null =>
  answer.kind === "resource"
    ? (answer.transfer.balances.find((balance) => balance.account === account)?.balance.amount ?? null)
    : null;

const rows = <T>(shard: number, sql: string): Promise<T[]> =>
  runInDurableObject(stubOf(shard), (_, state) => state.storage.sql.exec(sql).toArray() as T[]);

/** Kills the object: whatever is only in memory is gone. */
const crash = async (shard: number): Promise<void> => {
  try {
    await runInDurableObject(stubOf(shard), (_, state) => state.abort("a crash of the tests"));
  } catch {
    // The call into the aborted object fails, as it should.
  }
};

const keyOf = (key: string, request = "{}"): CommandKey => ({ subject: "alice", command: "pod.create", key, request });

describe("an id is claimed", () => {
  test("once a key: whoever comes later, after an eviction too, gets the first one's", async () => {
    expect(await shardAt(1).claimId(keyOf("claim"), "pod_a")).toEqual({
      ok: true,
      value: { id: "pod_a", claimed_before: false },
    });
    await evictDurableObject(stubOf(1));
    expect(await shardAt(1).claimId(keyOf("claim"), "pod_b")).toEqual({
      ok: true,
      value: { id: "pod_a", claimed_before: true },
    });
  });

  test("not for another command under the key", async () => {
    await shardAt(1).claimId(keyOf("other", '{"name":"a"}'), "pod_a");
    const second = await shardAt(1).claimId(keyOf("other", '{"name":"b"}'), "pod_b");
    expect(second).toMatchObject({ ok: false, rejection: { code: "idempotency_mismatch", field: "/name" } });
  });

  test("and a pod's stream is named in the directory by then, with a key and without", async () => {
    await shardAt(1).claimId(keyOf("pod"), "pod_named", "pod");
    await shardAt(1).claimId(keyOf("pod"), "pod_late", "pod");
    await shardAt(1).claimId({ ...keyOf(""), key: null }, "pod_keyless", "pod");
    await evictDurableObject(stubOf(1));
    const { streams } = await shardAt(1).directory(null);
    const pods = streams.filter((stream) => stream.startsWith("pod/"));
    expect(pods).toEqual(["pod/pod_keyless", "pod/pod_named"]);
  });

  test("without a key by nobody", async () => {
    expect(await shardAt(1).claimId({ ...keyOf(""), key: null }, "pod_c")).toMatchObject({
      value: { claimed_before: false },
    });
  });
});

describe("a directory", () => {
  test("names each stream once, 500 a call and not one more, and is read page by page", async () => {
    // Few names, many times over: whatever is named here is verified further down.
    const names = Array.from({ length: 500 }, (_, n) => `risk/named-${n % 3}`);
    await shardAt(0).nameStreams(names);
    await shardAt(0).nameStreams(names.slice(0, 3));
    const first = await shardAt(0).directory(null, 2);
    expect(first).toEqual({ streams: ["risk/named-0", "risk/named-1"], next: "risk/named-1" });
    expect(await shardAt(0).directory("risk/named-1")).toEqual({ streams: ["risk/named-2"], next: null });
    const refused = await shardAt(0)
      .nameStreams([...names, "risk/one-more"])
      .then(
        () => null,
        (error: Error) => error.message,
      );
    expect(refused).toContain("at most 500");
  });
});

describe("a transfer", () => {
  test("moves money once, and is answered the same after an eviction", async () => {
    const command = deposit(transferIn(2), "evicted");
    const first = await make(2, command);
    expect(moved(first, "wallet:evicted:EUR")).toBe("10.00");
    await evictDurableObject(stubOf(2));
    expect(await make(2, command, "request-2")).toEqual({ ...first, replayed: true });
  });

  test("sent many times at once moves money once", async () => {
    const command = deposit(transferIn(3), "crowded");
    const answers = await Promise.all(Array.from({ length: 20 }, (_, at) => make(3, command, `request-${at}`)));
    expect(answers.filter(({ kind }) => kind === "resource").length).toBeGreaterThan(0);
    for (const answer of answers) {
      if (answer.kind === "problem") expect(answer.rejection.code).toBe("idempotency_in_progress");
    }
    expect(moved(await make(3, command), "wallet:crowded:EUR")).toBe("10.00");
  });

  test("that an account refuses is refused for ever, and moves nothing", async () => {
    await make(4, deposit(transferIn(4), "poor", 500n));
    const command = spend(transferIn(4), "poor", "rich", 501n);
    const first = await make(4, command);
    expect(first).toMatchObject({
      kind: "problem",
      rejection: { code: "insufficient_funds", available: { amount: "5.00" } },
    });
    await make(4, deposit(transferIn(4), "poor", 500n));
    expect(await make(4, command, "request-2")).toEqual({ ...first, replayed: true });
    expect(moved(await make(4, spend(transferIn(4), "poor", "rich", 1_000n)), "wallet:poor:EUR")).toBe("0.00");
  });

  test("whose shard dies under it is taken up by whoever comes next, and moves money once", async () => {
    const command = deposit(transferIn(5), "survivor");
    const lost = make(5, command).catch(() => null);
    await crash(5);
    await lost;
    const answer = await make(5, command, "request-2");
    expect(moved(answer, "wallet:survivor:EUR")).toBe("10.00");
    expect(await rows(5, "SELECT count(*) AS n FROM sagas WHERE status <> 'completed'")).toEqual([{ n: 0 }]);
    expect(await rows(5, "SELECT count(*) AS timers FROM timers WHERE kind = 'saga'")).toEqual([{ timers: 0 }]);
  });

  test("many of them at once are all made", async () => {
    const commands = Array.from({ length: 40 }, () => deposit(transferIn(6), "many", 100n));
    const answers = await Promise.all(commands.map((command) => make(6, command)));
    expect(answers.map(({ kind }) => kind)).toEqual(commands.map(() => "resource"));
    expect(moved(await make(6, deposit(transferIn(6), "many", 100n)), "wallet:many:EUR")).toBe("41.00");
  });
});

describe("a shard", () => {
  test("has a chain that verifies, and rows that are the fold of it", async () => {
    await make(7, deposit(transferIn(7), "chained"));
    const head = await shardAt(7).head();
    expect(await shardAt(7).verifyLog(0, "0".repeat(64), 1_000)).toMatchObject({
      upto: head.seq,
      hash: head.hash,
      failure: null,
    });
    const [row] = await rows<{ id: string; doc: string }>(7, "SELECT id, doc FROM sagas");
    expect(await shardAt(7).saga(row?.id ?? "")).toEqual(JSON.parse(row?.doc ?? ""));
  });

  test("answers nothing for ids that are not its charges", async () => {
    await make(7, deposit(transferIn(7), "chained"));
    const [row] = await rows<{ id: string }>(7, "SELECT id FROM sagas WHERE kind = 'ledger_transfer'");
    const disguised = (row?.id ?? "").replace("sag_", "chg_");
    expect(await shardAt(7).charge(disguised)).toBeNull();
    expect(await shardAt(7).cancelCharge(disguised, { ...keyOf(""), key: null }, metaOf("r"))).toMatchObject({
      ok: false,
      rejection: { code: "not_found" },
    });
    expect(await shardAt(7).saga("sag_nobody")).toBeNull();
    const item = {
      provider: "sandbox",
      event: "evt",
      type: "payment.captured",
      reference: `chg_01ARZ3NDEKTSV4RRFFQ69G5FAV${encodeShard(7)}`,
      state: "captured" as const,
      amount: null,
      provider_ref: null,
      decline_reason: null,
      payload: "{}",
    };
    expect(await shardAt(7).inbox(item)).toBe("unroutable");
  });
});

describe("the house's books", () => {
  test("balance in a cut, and in the next one after more was moved", async () => {
    await make(2, deposit(transferIn(2), "cut"));
    const first = await shardAt(0).trialBalance(true);
    expect(first).toMatchObject({ balanced: true, cut: { shards: SHARDS } });
    expect(Object.keys(first.cut.accounts)).toContain("wallet:cut:EUR");
    await make(2, spend(transferIn(2), "cut", "else", 300n));
    const second = await shardAt(0).trialBalance(true);
    expect(second.balanced).toBe(true);
    expect(second.cut.epoch).toBe(first.cut.epoch + 1);
    expect(second.currencies).toMatchObject([{ currency: "EUR", difference: "0.00", in_transit: "0.00" }]);
  });

  test("are kept whole however many accounts there are", async () => {
    const heads = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, index) => [`wallet:u${index}:EUR`, { seq: index, hash: "a".repeat(64) }]),
      );
    const kept = await runInDurableObject(stubOf(6), (_, { storage: { sql } }) => {
      const table = new ReportTable(sql);
      table.write("cut", "cut", heads(1));
      return [40_000, 3, 0].map((count) => {
        table.write("vrf_long", "verify", heads(count));
        const [row] = sql.exec<{ most: number }>("SELECT max(octet_length(doc)) AS most FROM reports").toArray();
        expect(row?.most).toBeLessThan(2_000_000);
        return table.read<ReturnType<typeof heads>>("vrf_long");
      });
    });
    expect(kept).toEqual([heads(40_000), heads(3), heads(0)]);
    expect(await rows(6, "SELECT id FROM reports ORDER BY id")).toEqual([{ id: "cut" }, { id: "vrf_long" }]);
  });

  test("are asked for together by callers who meet", async () => {
    const [one, other] = await Promise.all([shardAt(0).trialBalance(true), shardAt(0).trialBalance(true)]);
    expect(one.cut.epoch).toBe(other.cut.epoch);
  });
});

describe("a verification that broke off", () => {
  test("is gone on with where it had got to, and counts nothing twice", async () => {
    const whole = await shardAt(0).startVerify(20_000);
    expect(whole).toMatchObject({ done: true, ok: true });
    const half = {
      report: {
        ...whole,
        id: "vrf_half",
        done: false,
        checked: { actors: 2, events: 10 },
        progress: { done: 2, total: 99 },
      },
      after: "saga/shard-5",
    };
    await runInDurableObject(stubOf(0), (_, { storage: { sql } }) => {
      new ReportTable(sql).write("vrf_half", "verify", half);
      sql.exec("INSERT INTO timers (kind, key, due_at) VALUES ('verify', 'vrf_half', 0)");
    });
    await evictDurableObject(stubOf(0));
    await shardAt(0).runDueTimers();
    const report = await vi.waitFor(async () => {
      const found = await shardAt(0).verifyReport("vrf_half");
      expect(found?.done).toBe(true);
      return found;
    }, 10_000);
    expect(report).toMatchObject({ ok: true, checked: { actors: 4 }, progress: { done: 4, total: 4 } });
    expect(await rows(0, "SELECT key FROM timers WHERE kind = 'verify'")).toEqual([]);
  });
});

/** Last: from here on a shard is broken, and no cut can be taken. */
describe("a shard that was tampered with", () => {
  let broken = 0;

  test("names the event, and takes no command more", async () => {
    await make(3, deposit(transferIn(3), "tampered"));
    broken = await runInDurableObject(stubOf(3), (_, { storage: { sql } }) => {
      const seq = storedEvents(sql).find(({ body }) => body.includes("saga.began"))?.seq ?? 0;
      rewriteEvent(sql, seq, (body) => body.replaceAll("10.00", "90.00"));
      return seq;
    });
    await evictDurableObject(stubOf(3));
    expect(await shardAt(3).verifyLog(0, "0".repeat(64), 1_000)).toMatchObject({ failure: { seq: broken } });
    const refused = await make(3, deposit(transferIn(3), "tampered"));
    expect(refused).toMatchObject({ kind: "problem", rejection: { code: "upstream_unavailable" } });
  });

  test("is named when every actor is verified", async () => {
    const report = await shardAt(0).startVerify(20_000);
    expect(report).toMatchObject({
      done: true,
      ok: false,
      failures: [{ stream: `saga/${shardName(3)}`, seq: broken }],
    });
    expect(await shardAt(0).verifyReport(report.id)).toEqual(report);
    expect(await shardAt(0).verifyReport("vrf_nobody")).toBeNull();
  });

  test("is named where a trial balance was asked for", async () => {
    const refusal = await shardAt(0)
      .trialBalance(true)
      .then(() => null, refusalIn);
    expect(refusal).toEqual({
      code: "upstream_unavailable",
      detail: `the log of saga/${shardName(3)} fails verification at seq ${broken}`,
    });
  });

  test("verifies all the same, where it is the one that leads verifications, and names itself", async () => {
    await runInDurableObject(stubOf(0), (_, { storage: { sql } }) =>
      rewriteEvent(sql, 1, (body) => body.replaceAll("cut.moved", "cut.maved")),
    );
    await evictDurableObject(stubOf(0));
    const report = await shardAt(0).startVerify(20_000);
    expect(report.failures).toEqual([
      { stream: `saga/${shardName(0)}`, seq: 1, reason: "hash does not follow" },
      { stream: `saga/${shardName(3)}`, seq: broken, reason: "hash does not follow" },
    ]);
    expect(await shardAt(0).verifyReport(report.id)).toEqual(report);
  });
});
