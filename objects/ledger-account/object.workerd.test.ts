import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { chainHash, GENESIS_HASH } from "../../schema/events.ts";
import { MAX_MINOR } from "../../schema/money.ts";
import { monitorId } from "../../schema/monitors.ts";
import { PROJECTOR } from "../../schema/read-model.ts";
import { reject } from "../../schema/rejections.ts";
import type { AccountAnswer, AccountCommand, AccountRpc, EntryRecord } from "../../schema/rpc/account.ts";
import { Growth } from "../kit/growth.ts";
import { SEAL_TIMER } from "../kit/sealer.ts";
import { noteAllSent, rewriteEvent, rewriteEvents, storedEvents } from "../kit/testing/stored.ts";
import { AGED_PER_TURN, AGING_TIMER, HOLD_AGES_MS } from "./aging.ts";
import { credit, debit, opOn, partOf, said } from "./bench.fixture.ts";
import { type LedgerAccount, MAX_OPS } from "./object.ts";

const { ACCOUNTS, LOGS, READ_MODEL } = untypedEnv as unknown as {
  ACCOUNTS: DurableObjectNamespace<LedgerAccount>;
  LOGS: R2Bucket;
  READ_MODEL: D1Database;
};

/** Other files share this isolate and its clock, so time passes here for the length of a test. */
const realNow = Date.now.bind(Date);
let passed = 0;
const passTime = (ms: number): void => {
  passed += ms;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + passed);
};
afterEach(() => {
  passed = 0;
  vi.restoreAllMocks();
});

let made = 0;
/** A wallet nobody used before. */
const newWallet = () => `wallet:object-test-${++made}:EUR`;
/** By its contract: the runtime's own type of a stub is too deep for the compiler. */
const at = (name: string) => ACCOUNTS.getByName(name) as unknown as AccountRpc;
const evict = (name: string) => evictDurableObject(ACCOUNTS.getByName(name));
const inside = <R>(
  name: string,
  work: (ctx: DurableObjectState, account: LedgerAccount) => R | Promise<R>,
): Promise<R> => runInDurableObject<LedgerAccount, R>(ACCOUNTS.getByName(name), (account, ctx) => work(ctx, account));

/** What a call was rejected with; fails when it was not. */
const failure = async (call: () => unknown): Promise<Error> => {
  try {
    await call();
  } catch (error) {
    return error as Error;
  }
  throw new Error("it did not fail");
};

const one = async (answers: Promise<AccountAnswer[]>): Promise<AccountAnswer> => {
  const [answer] = await answers;
  if (answer === undefined) throw new Error("no answer");
  return answer;
};
const post = (name: string, transfer: string, parts: Parameters<typeof opOn>[3], tag = 0) =>
  one(at(name).applyOps([opOn(name, "post", transfer, parts, { tag })]));
const reserve = (name: string, transfer: string, parts: Parameters<typeof opOn>[3]) =>
  one(at(name).applyOps([opOn(name, "reserve", transfer, parts)]));

/** Counts commits that append: each writes one row of `events` that says what its fold came to. */
const countCommits = (name: string) =>
  inside(name, ({ storage: { sql } }) => {
    sql.exec("CREATE TABLE commits (n INTEGER)");
    sql.exec(
      "CREATE TRIGGER commits_made AFTER INSERT ON events WHEN NEW.summary IS NOT NULL BEGIN INSERT INTO commits VALUES (1); END",
    );
  });
const commits = (name: string) =>
  inside(name, ({ storage: { sql } }) => sql.exec<{ n: number }>("SELECT count(*) AS n FROM commits").one().n);

const everything = async (name: string) => ({
  record: await at(name).describe(),
  head: (await at(name).head()).hash,
  log: await at(name).verifyLog(0, GENESIS_HASH, 1_000),
});

describe("an account", () => {
  test("holds, posts and voids, and shows each entry with the balance after it", async () => {
    const wallet = newWallet();
    expect(await at(wallet).describe()).toBeNull();
    expect(await post(wallet, "trf_in", credit(10_000n))).toMatchObject({ ok: true, seq: 2, balance: "100.00" });
    expect(await reserve(wallet, "trf_out", debit(3_000n))).toMatchObject({
      ok: true,
      state: "reserved",
      balance: "100.00",
    });
    expect(await at(wallet).describe()).toMatchObject({ posted: "100.00", pending: "30.00", available: "70.00" });
    expect(await post(wallet, "trf_out", debit(3_000n))).toMatchObject({ ok: true, state: "posted", balance: "70.00" });
    expect(await reserve(wallet, "trf_back", debit(7_000n))).toMatchObject({ ok: true, state: "reserved" });
    expect(said(await one(at(wallet).applyOps([opOn(wallet, "void", "trf_back", debit(7_000n))])))).toBe("voided");

    const record = await at(wallet).describe();
    expect(record).toMatchObject({ posted: "70.00", pending: "0.00", available: "70.00", holds: [], seq: 6 });
    const entries = await at(wallet).entries(0, 200);
    const log = await at(wallet).eventsSince(0, 500);
    expect(entries.map(({ id, debit, credit, balance, hash }) => ({ id, debit, credit, balance, hash }))).toEqual([
      {
        id: `${wallet}/2.0`,
        debit: null,
        credit: { amount: "100.00", currency: "EUR" },
        balance: { amount: "100.00", currency: "EUR" },
        hash: log[1]?.hash,
      },
      {
        id: `${wallet}/4.0`,
        debit: { amount: "30.00", currency: "EUR" },
        credit: null,
        balance: { amount: "70.00", currency: "EUR" },
        hash: log[3]?.hash,
      },
    ]);
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({
      upto: 6,
      hash: record?.head_hash,
      failure: null,
    });
  });

  test("keeps amounts beyond 2^53 exact to the last unit", async () => {
    const bank = "bank:object-test:JPY#0";
    expect(await post(bank, "trf_1", debit(MAX_MINOR - 1n))).toMatchObject({ balance: String(MAX_MINOR - 1n) });
    expect(await post(bank, "trf_2", debit(1n))).toMatchObject({ balance: String(MAX_MINOR) });
    await evict(bank);
    expect(await at(bank).describe()).toMatchObject({ debits_posted: String(MAX_MINOR) });
    expect(await post(bank, "trf_3", debit(MAX_MINOR))).toMatchObject({ balance: String(2n * MAX_MINOR) });
    await evict(bank);
    expect(await at(bank).describe()).toMatchObject({ debits_posted: String(2n * MAX_MINOR) });
    expect(await at(bank).balanceAt({ seq: 4 })).toMatchObject({
      ok: true,
      value: { debits_posted: String(2n * MAX_MINOR) },
    });
  });

  test.each(["wallet:ana", "psp:sandbox:EUR", "pod:nobody:EUR"])("has a physical name, not %s", async (name) => {
    expect((await failure(() => at(name).describe())).message).toContain("not a physical account");
  });
});

describe("a transfer takes effect once", () => {
  test("a retried post has the same answer, whatever came between", async () => {
    const wallet = newWallet();
    const first = await post(wallet, "trf_1", credit(500n));
    await post(wallet, "trf_2", credit(500n));
    expect(await post(wallet, "trf_1", credit(500n))).toEqual(first);
    expect(await at(wallet).describe()).toMatchObject({ posted: "10.00", seq: 3 });
  });

  test("twenty retries at the same moment move money once", async () => {
    const wallet = newWallet();
    const answers = await Promise.all(Array.from({ length: 20 }, () => post(wallet, "trf_1", credit(500n))));
    expect(new Set(answers.map((answer) => JSON.stringify(answer))).size).toBe(1);
    expect(await at(wallet).describe()).toMatchObject({ posted: "5.00", seq: 2 });
  });

  test("a part of a hold is posted once however often it is asked for, and the rest is there again", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    await reserve(wallet, "trf_out", debit(700n));
    const part = partOf(opOn(wallet, "post", "trf_out", debit(700n)), { 0: 450n });
    const first = await one(at(wallet).applyOps([part]));
    expect(first).toMatchObject({ ok: true, state: "posted", balance: "5.50" });
    const before = await everything(wallet);
    await evict(wallet);
    expect(await one(at(wallet).applyOps([part]))).toEqual(first);
    expect(said(await post(wallet, "trf_out", debit(700n)))).toBe("idempotency_mismatch");
    expect(await everything(wallet)).toEqual(before);
    expect(before.record).toMatchObject({ posted: "5.50", available: "5.50", holds: [] });
  });

  test("a no is kept when the money has come and the object has slept", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1n));
    const no = await post(wallet, "trf_out", debit(2n));
    expect(said(no)).toBe("insufficient_funds");
    await post(wallet, "trf_rich", credit(100n));
    await evict(wallet);
    expect(await post(wallet, "trf_out", debit(2n))).toEqual(no);
    expect(await at(wallet).describe()).toMatchObject({ posted: "1.01", seq: 3 });
  });

  test("the same id with another body is refused, before and after", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_1", credit(500n));
    const other = opOn(wallet, "post", "trf_1", credit(500n), { body: "other" });
    expect(await one(at(wallet).applyOps([other]))).toMatchObject({
      final: true,
      rejection: { code: "idempotency_mismatch", field: "/legs" },
    });
  });
});

describe("a group commit", () => {
  test("holds every operation of a call", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_open", credit(1n));
    await countCommits(wallet);
    const ops = Array.from({ length: 20 }, (_, n) => opOn(wallet, "post", `trf_${n}`, credit(100n)));
    const answers = await at(wallet).applyOps(ops);
    expect(answers.map((answer) => answer.ok && answer.balance).slice(0, 3)).toEqual(["1.01", "2.01", "3.01"]);
    expect(await commits(wallet)).toBe(1);
    expect(await at(wallet).describe()).toMatchObject({ posted: "20.01", seq: 22 });
  });

  test("holds calls that arrive together", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_open", credit(1n));
    await countCommits(wallet);
    await Promise.all(Array.from({ length: 20 }, (_, n) => post(wallet, `trf_${n}`, credit(100n))));
    expect(await at(wallet).describe()).toMatchObject({ posted: "20.01", seq: 22 });
    expect(await commits(wallet)).toBeLessThan(10);
  });

  test("two debits that each fit alone are not both taken", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    const ops = ["trf_a", "trf_b", "trf_c"].map((id) => opOn(wallet, "post", id, debit(400n)));
    expect((await at(wallet).applyOps(ops)).map(said)).toEqual(["posted", "posted", "insufficient_funds"]);
  });

  test("takes 256 operations in a call and not one more", async () => {
    const wallet = newWallet();
    const ops = Array.from({ length: MAX_OPS + 1 }, (_, n) => opOn(wallet, "post", `trf_${n}`, credit(1n)));
    expect((await failure(() => at(wallet).applyOps(ops))).message).toContain("257 operations");
    expect(await at(wallet).describe()).toBeNull();
    expect((await at(wallet).applyOps(ops.slice(1))).every(({ ok }) => ok)).toBe(true);
    expect(await at(wallet).describe()).toMatchObject({ posted: "2.56", seq: MAX_OPS + 1 });
  });

  test("an operation that fails is undone alone, and has said nothing", async () => {
    const wallet = newWallet();
    const bug = opOn(wallet, "post", "trf_bug", credit(1n), { tag: -1 });
    const ops = [opOn(wallet, "post", "trf_1", credit(1n)), bug, opOn(wallet, "post", "trf_2", credit(1n))];
    const answers = await at(wallet).applyOps(ops);
    expect(answers.map(said)).toEqual(["posted", "internal", "posted"]);
    expect(answers[1]).toMatchObject({ ok: false, final: false });
    expect(said(await post(wallet, "trf_bug", credit(1n)))).toBe("posted");
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({ upto: 4, failure: null });
  });
});

describe("an object that stops", () => {
  test("wakes with the same state, holds and answers", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(5_000n), 4);
    const held = await reserve(wallet, "trf_held", debit(2_000n));
    const before = await everything(wallet);
    await evict(wallet);
    expect(await everything(wallet)).toEqual(before);
    expect(await reserve(wallet, "trf_held", debit(2_000n))).toEqual(held);
    expect(await at(wallet).cut(3, [])).toMatchObject({ credits: "0.00" });
    expect(said(await post(wallet, "trf_held", debit(2_000n), 4))).toBe("posted");
  });

  test("before its commit has written nothing, and the retry posts once", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1n));
    const before = await everything(wallet);
    await failure(() =>
      inside(wallet, (ctx, account) => {
        void account.applyOps([opOn(wallet, "post", "trf_1", credit(500n))]).catch(() => undefined);
        ctx.abort("crash before the commit");
      }),
    );
    expect(await everything(wallet)).toEqual(before);
    expect(await post(wallet, "trf_1", credit(500n))).toMatchObject({ balance: "5.01", seq: 3 });
  });

  test("after its commit, before the answer, has posted once", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1n));
    await failure(() =>
      inside(wallet, async (ctx, account) => {
        await account.applyOps([opOn(wallet, "post", "trf_1", credit(500n))]);
        await ctx.storage.sync();
        ctx.abort("crash before the answer");
      }),
    );
    expect(await post(wallet, "trf_1", credit(500n))).toMatchObject({ balance: "5.01", seq: 3 });
    expect(await at(wallet).describe()).toMatchObject({ posted: "5.01", seq: 3 });
  });

  test("wakes the same from a snapshot and without one", async () => {
    const wallet = newWallet();
    for (let round = 0; round < 3; round++) {
      const ops = Array.from({ length: 200 }, (_, n) => opOn(wallet, "post", `trf_${round}_${n}`, credit(1n)));
      await at(wallet).applyOps(ops);
    }
    await reserve(wallet, "trf_held", debit(10n));
    const before = await everything(wallet);
    expect(before.record).toMatchObject({ posted: "6.00", pending: "0.10", seq: 602 });
    await evict(wallet);
    expect(await everything(wallet)).toEqual(before);
    const dropped = await inside(wallet, ({ storage: { sql } }) => sql.exec("DELETE FROM snapshots").rowsWritten);
    expect(dropped).toBeGreaterThan(1);
    await evict(wallet);
    expect(await everything(wallet)).toEqual(before);
  });
});

describe("an account that is nearly full", () => {
  afterEach(() => vi.restoreAllMocks());
  const fill = () => {
    const { rejection } = reject("overloaded", "nearly full", { retry_after: 60 });
    vi.spyOn(Growth.prototype, "nearlyFull", "get").mockReturnValue(rejection);
  };

  test("holds nothing new, but posts, and ends what it holds", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    for (const id of ["trf_posted", "trf_voided"]) await reserve(wallet, id, debit(100n));
    fill();
    expect(await reserve(wallet, "trf_new", debit(100n))).toMatchObject({
      ok: false,
      final: false,
      rejection: { code: "overloaded", retry_after: 60 },
    });
    // What was said before is said again.
    expect(await reserve(wallet, "trf_posted", debit(100n))).toMatchObject({ ok: true, state: "reserved" });
    expect(await post(wallet, "trf_posted", debit(100n))).toMatchObject({ ok: true, state: "posted" });
    expect(said(await one(at(wallet).applyOps([opOn(wallet, "void", "trf_voided", debit(100n))])))).toBe("voided");
    expect(await post(wallet, "trf_direct", credit(100n))).toMatchObject({ ok: true, state: "posted" });
    vi.restoreAllMocks();
    // Its no was not final: once there is room, the same hold is made.
    expect(await reserve(wallet, "trf_new", debit(100n))).toMatchObject({ ok: true, state: "reserved" });
  });
});

describe("a log that was tampered with", () => {
  const withLog = async () => {
    const wallet = newWallet();
    for (const id of ["trf_1", "trf_2", "trf_3"]) await post(wallet, id, credit(1_000n));
    return wallet;
  };
  const refuses = async (wallet: string, seq: number) => {
    await evict(wallet);
    const answer = await post(wallet, "trf_new", credit(1n));
    expect(answer).toMatchObject({ ok: false, final: false, rejection: { code: "upstream_unavailable" } });
    expect(!answer.ok && answer.rejection.detail).toContain(`seq ${seq}`);
    expect((await failure(() => at(wallet).describe())).message).toContain("fails verification");
    expect((await failure(() => at(wallet).cut(0, []))).message).toContain("fails verification");
  };

  test("a flipped amount is named, and nothing is written after it", async () => {
    const wallet = await withLog();
    await inside(wallet, ({ storage: { sql } }) => rewriteEvent(sql, 3, (body) => body.replaceAll("10.00", "90.00")));
    await refuses(wallet, 3);
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({ upto: 2, failure: { seq: 3 } });
  });

  test("so is an event whose hashes were forged anew, because its figures do not follow", async () => {
    const wallet = await withLog();
    await inside(wallet, ({ storage: { sql } }) => {
      let hash = GENESIS_HASH;
      rewriteEvents(sql, ({ seq, body }) => {
        const told = seq === 3 ? body.replace('"amount":"10.00"', '"amount":"90.00"') : body;
        hash = chainHash(hash, told);
        return { seq, body: told, hash };
      });
    });
    await refuses(wallet, 3);
  });

  test("so is a log cut short", async () => {
    const wallet = await withLog();
    await inside(wallet, ({ storage: { sql } }) => {
      noteAllSent(sql);
      sql.exec("DELETE FROM events WHERE seq = 4");
    });
    await refuses(wallet, 4);
  });
});

const meta = (request: string) => ({
  principal: { user: "olga", client_id: "tests" },
  correlation: request,
  causation: null,
});
const command = (
  name: string,
  given: AccountCommand,
  options: { key?: string; open?: boolean; request?: string } = {},
) => {
  const { key = null, open = false, request = "req" } = options;
  const scope = { subject: "olga", command: given.type, key, request: JSON.stringify(given) };
  return at(name).command(given, open, scope, meta(request));
};
const freeze: AccountCommand = { type: "freeze", reason: "a court order" };
const watch = (name: string, above: string): AccountCommand => ({
  type: "add_monitor",
  monitor: monitorId(`mon_01ARZ3NDEKTSV4RRFFQ69G5F${String(++made).padStart(2, "0")}`, name),
  bound: "above",
  threshold: { amount: above, currency: "EUR" },
  reason: null,
});
const types = async (name: string) => (await at(name).eventsSince(0, 500)).map(({ event }) => event.type);

describe("an operator's command", () => {
  test("is an event with who gave it and why, and survives the object", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(100n));
    expect(await command(wallet, freeze)).toMatchObject({
      ok: true,
      value: { replayed: false, value: { type: "account", account: { status: "frozen" }, blockers: [] } },
    });
    await command(wallet, { type: "change_limits", floor: "-500", cap: "900", reason: null });
    await command(wallet, watch(wallet, "0.50"));
    const before = { ...(await everything(wallet)), monitors: await at(wallet).monitors() };
    expect(before.monitors).toMatchObject([{ account: wallet, above: { amount: "0.50" }, state: "triggered" }]);
    await evict(wallet);
    expect({ ...(await everything(wallet)), monitors: await at(wallet).monitors() }).toEqual(before);
    expect(await at(wallet).terms()).toEqual({ status: "frozen", capped: true });
    const log = await at(wallet).eventsSince(2, 1);
    expect(log[0]?.event).toMatchObject({
      type: "account.frozen",
      principal: { user: "olga" },
      data: { account: wallet, reason: "a court order" },
    });
  });

  test("under one key is done once and answered the same, a refusal too; another under it is a mismatch", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(100n));
    const first = await command(wallet, freeze, { key: "k1" });
    const no = await command(wallet, freeze, { key: "k2", request: "req-first" });
    expect(no).toMatchObject({ ok: false, rejection: { code: "conflict" }, replayed: false, request_id: "req-first" });
    await command(wallet, { type: "unfreeze", reason: "lifted" });
    await evict(wallet);
    expect(await command(wallet, freeze, { key: "k1" })).toEqual({
      ok: true,
      value: { replayed: true, value: first.ok ? first.value.value : null },
    });
    expect(await command(wallet, freeze, { key: "k2", request: "req-second" })).toEqual({ ...no, replayed: true });
    expect(await command(wallet, { type: "freeze", reason: "other" }, { key: "k1" })).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/reason" },
    });
    expect(await types(wallet)).toEqual(["account.opened", "transfer.posted", "account.frozen", "account.unfrozen"]);
  });

  test("that finds no account is not kept: the key may be used again", async () => {
    const wallet = newWallet();
    expect(await command(wallet, freeze, { key: "k" })).toMatchObject({ rejection: { code: "not_found" } });
    await post(wallet, "trf_in", credit(1n));
    expect(await command(wallet, freeze, { key: "k" })).toMatchObject({ ok: true, value: { replayed: false } });
  });

  test("finds the door of a broken log shut", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1n));
    await inside(wallet, ({ storage: { sql } }) => sql.exec("UPDATE events SET hash = 'x' WHERE seq = 2").toArray());
    await evict(wallet);
    expect(await command(wallet, freeze)).toMatchObject({ ok: false, rejection: { code: "upstream_unavailable" } });
  });
});

describe("what follows from a posting", () => {
  test("is in its commit, and told once though a batch crosses again and again", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_open", credit(1n));
    await command(wallet, watch(wallet, "1.00"));
    await countCommits(wallet);
    const parts = [credit(100n), debit(1n), debit(1n), credit(1n), debit(100n), credit(5n)];
    await at(wallet).applyOps(parts.map((part, n) => opOn(wallet, "post", `trf_${n}`, part)));
    expect(await commits(wallet)).toBe(1);
    // 0.01, then 1.01 (over), 1.00 (not any more), 0.99, 1.00, 0.00, 0.05.
    expect((await types(wallet)).slice(3)).toEqual([
      "transfer.posted",
      "monitor.triggered",
      "transfer.posted",
      "monitor.resolved",
      "transfer.posted",
      "transfer.posted",
      "transfer.posted",
      "transfer.posted",
    ]);
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({ failure: null });
  });

  test("does not happen when the commit does not", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(5n));
    await command(wallet, { type: "close", reason: "left" });
    const before = await everything(wallet);
    await failure(() =>
      inside(wallet, (ctx, account) => {
        void account.applyOps([opOn(wallet, "post", "trf_1", credit(1n))]).catch(() => undefined);
        ctx.abort("crash before the commit");
      }),
    );
    expect(await everything(wallet)).toEqual(before);
  });

  test("is not part of the posting's own answer", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_open", credit(1n));
    await command(wallet, watch(wallet, "1.00"));
    expect(await post(wallet, "trf_over", credit(100n))).toMatchObject({ seq: 4, balance: "1.01" });
    expect((await at(wallet).describe())?.seq).toBe(5);
  });
});

describe("an old hold", () => {
  const told = async (name: string) => (await types(name)).filter((type) => type === "hold.aged").length;
  const gauges = (log: { mock: { calls: unknown[][] } }, account: string) =>
    log.mock.calls
      .map(([line]) => String(line))
      .filter((line) => line.includes("account.old_holds") && line.includes(account))
      .map((line) => (JSON.parse(line) as { value: number }).value);

  test("is told of once, shows on a gauge that falls again, and is ended by its saga alone", async () => {
    const log = vi.spyOn(console, "log");
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    await reserve(wallet, "trf_old", debit(100n));
    passTime(HOLD_AGES_MS / 2);
    await reserve(wallet, "trf_young", debit(100n));
    await at(wallet).runDueTimers();
    expect([await told(wallet), gauges(log, wallet)]).toEqual([0, []]);
    passTime(HOLD_AGES_MS / 2);
    await at(wallet).runDueTimers();
    await at(wallet).runDueTimers();
    const explained = await at(wallet).explain(0, 10);
    expect(explained?.holds.map(({ transfer, aged }) => [transfer, aged])).toEqual([
      ["trf_old", true],
      ["trf_young", false],
    ]);
    await evict(wallet);
    passTime(HOLD_AGES_MS);
    await at(wallet).runDueTimers();
    expect([await told(wallet), await at(wallet).describe()]).toMatchObject([2, { pending: "2.00" }]);
    expect(said(await post(wallet, "trf_old", debit(100n)))).toBe("posted");
    expect(said(await one(at(wallet).applyOps([opOn(wallet, "void", "trf_young", debit(100n))])))).toBe("voided");
    expect(gauges(log, wallet)).toEqual([1, 2, 1, 0]);
    passTime(HOLD_AGES_MS);
    await at(wallet).runDueTimers();
    const timers = await inside(wallet, ({ storage: { sql } }) =>
      sql.exec("SELECT due_at FROM timers WHERE kind = ?", AGING_TIMER).toArray(),
    );
    expect(timers).toEqual([]);
  });

  test("is one of many: a commit tells of 256, the next of the rest", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    for (const from of [0, MAX_OPS]) {
      const count = from === 0 ? MAX_OPS : AGED_PER_TURN + 1 - MAX_OPS;
      const ops = Array.from({ length: count }, (_, n) => opOn(wallet, "reserve", `trf_${from + n}`, debit(1n)));
      await at(wallet).applyOps(ops);
    }
    passTime(HOLD_AGES_MS);
    await at(wallet).runDueTimers();
    const aged = async () => (await at(wallet).explain(0, 1))?.holds.filter((hold) => hold.aged).length;
    expect(await aged()).toBe(AGED_PER_TURN);
    await at(wallet).runDueTimers();
    expect(await aged()).toBe(AGED_PER_TURN + 1);
  });
});

describe("a store of the time before operators' commands", () => {
  test("wakes with its holds watched, and takes a command under a key", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_in", credit(1_000n));
    await reserve(wallet, "trf_held", debit(100n));
    const before = await everything(wallet);
    await inside(wallet, ({ storage: { sql } }) => {
      sql.exec("DROP TABLE commands");
      sql.exec("DELETE FROM _migrations WHERE id = '0001_commands'");
      sql.exec("DELETE FROM timers WHERE kind = ?", AGING_TIMER);
    });
    await evict(wallet);
    expect(await everything(wallet)).toEqual(before);
    expect(await command(wallet, freeze, { key: "k" })).toMatchObject({ ok: true });
    passTime(HOLD_AGES_MS);
    await at(wallet).runDueTimers();
    expect((await at(wallet).explain(0, 10))?.holds).toMatchObject([{ transfer: "trf_held", aged: true }]);
  });
});

describe("a store of the time before parts of holds", () => {
  test("wakes with what was said, and a part of its hold is posted once", async () => {
    const wallet = newWallet();
    const funded = await post(wallet, "trf_in", credit(1_000n));
    await reserve(wallet, "trf_held", debit(700n));
    await reserve(wallet, "trf_out", debit(100n));
    const out = await post(wallet, "trf_out", debit(100n));
    const before = await everything(wallet);
    await inside(wallet, ({ storage: { sql } }) => {
      sql.exec("ALTER TABLE transfers DROP COLUMN posts");
      sql.exec("DELETE FROM _migrations WHERE id = '0002_posted_parts'");
    });
    await evict(wallet);
    expect(await everything(wallet)).toEqual(before);
    expect(await post(wallet, "trf_in", credit(1_000n))).toEqual(funded);
    expect(await post(wallet, "trf_out", debit(100n))).toEqual(out);
    const part = partOf(opOn(wallet, "post", "trf_held", debit(700n)), { 0: 450n });
    const first = await one(at(wallet).applyOps([part]));
    expect(first).toMatchObject({ state: "posted", balance: "4.50" });
    await evict(wallet);
    expect(await one(at(wallet).applyOps([part]))).toEqual(first);
    expect(await at(wallet).describe()).toMatchObject({ posted: "4.50", available: "4.50", holds: [] });
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({ failure: null });
  });
});

describe("an explanation", () => {
  test("opens each page where the one before it closed, and keeps the legs of a posting together", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_1", [...credit(100n), ...credit(20n)]);
    await command(wallet, { type: "change_limits", cap: "1000", reason: "a rule" });
    await reserve(wallet, "trf_held", debit(30n));
    await post(wallet, "trf_2", debit(50n));
    const pages = [];
    for (let after: number | null = 0; after !== null; after = pages.at(-1)?.next ?? null) {
      const page = await at(wallet).explain(after, 2);
      if (page === null) throw new Error("no account");
      pages.push(page);
    }
    expect(
      pages.map(({ page, lines }) => [page, lines.map(({ seq, balance }) => `${seq}: ${balance.amount}`)]),
    ).toEqual([
      [{ after: 0, to: 1, opening: "0.00", closing: "0.00" }, ["1: 0.00"]],
      [{ after: 1, to: 2, opening: "0.00", closing: "1.20" }, ["2: 1.00", "2: 1.20"]],
      [{ after: 2, to: 5, opening: "1.20", closing: "0.70" }, ["3: 1.20", "5: 0.70"]],
    ]);
    expect(pages[0]).toMatchObject({
      balance: "0.70",
      available: { amount: "0.40", posted: "0.70", pending: "0.30", floor: "0.00" },
      headroom: { amount: "9.30", cap: "10.00", posted: "0.70", pending_in: "0.00" },
      holds: [{ transfer: "trf_held", saga: "sag_trf_held", aged: false }],
    });
    expect(pages[2]?.lines[0]).toMatchObject({
      type: "account.limits_changed",
      reason: "a rule",
      by: "olga",
      cap: "10.00",
    });
  });

  test("of an account that was never opened is none, and a page holds at most two hundred lines", async () => {
    const wallet = newWallet();
    expect(await at(wallet).explain(0, 10)).toBeNull();
    await at(wallet).applyOps(Array.from({ length: 201 }, (_, n) => opOn(wallet, "post", `trf_${n}`, credit(1n))));
    const page = await at(wallet).explain(0, 1_000);
    expect([page?.lines.length, page?.next, page?.page.closing]).toEqual([200, 200, "1.99"]);
  });
});

describe("reading", () => {
  test("pages of entries keep the legs of a transfer together and leave none out", async () => {
    const wallet = newWallet();
    const three = [...credit(1n), ...credit(2n), ...credit(3n)];
    for (const id of ["trf_1", "trf_2", "trf_3"]) {
      await post(wallet, id, three);
      await reserve(wallet, `${id}_held`, debit(1n));
    }
    const seqs = async (after: number, limit: number) => (await at(wallet).entries(after, limit)).map(({ seq }) => seq);
    expect(await seqs(0, 200)).toEqual([2, 2, 2, 4, 4, 4, 6, 6, 6]);
    expect(await seqs(0, 7)).toEqual([2, 2, 2, 4, 4, 4]);
    expect(await seqs(0, 1)).toEqual([2, 2, 2]);
    expect(await seqs(4, 5)).toEqual([6, 6, 6]);
    expect(await seqs(6, 200)).toEqual([]);
  });

  test("at most two hundred entries come at once", async () => {
    const wallet = newWallet();
    const ops = Array.from({ length: 201 }, (_, n) => opOn(wallet, "post", `trf_${n}`, credit(1n)));
    await at(wallet).applyOps(ops);
    expect(await at(wallet).entries(0, 1_000)).toHaveLength(200);
    expect(await at(wallet).entries(201, 1_000)).toHaveLength(1);
  });

  test("entries, statements and past balances are the same when the log's beginning is sealed", async () => {
    const wallet = newWallet();
    for (let call = 0; call < 3; call++) {
      await at(wallet).applyOps(
        Array.from({ length: MAX_OPS }, (_, n) => opOn(wallet, "post", `trf_${call}_${n}`, credit(1n))),
      );
    }
    const readAll = async (limit: number): Promise<EntryRecord[]> => {
      const all: EntryRecord[] = [];
      for (;;) {
        const page = await at(wallet).entries(all.at(-1)?.seq ?? 0, limit);
        if (page.length === 0) return all;
        all.push(...page);
      }
    };
    const before = await readAll(200);
    expect(before).toHaveLength(3 * MAX_OPS);
    const past = async () => ({
      statements: await Promise.all(
        [
          [1, 769],
          [300, 600],
          [501, 501],
          [500, 499],
        ].map(([from_seq = 0, to_seq = 0]) => at(wallet).statement({ by: "seq", from_seq, to_seq })),
      ),
      balances: await Promise.all([0, 250, 500, 501].map((seq) => at(wallet).balanceAt({ seq }))),
      moments: await Promise.all(
        [before[400], before[600]].map((entry) => at(wallet).balanceAt({ at: entry?.recorded_at ?? "" })),
      ),
    });
    const then = await past();
    expect(then.balances).toMatchObject(
      ["0.00", "2.49", "4.99", "5.00"].map((amount) => ({ value: { balance: { amount } } })),
    );
    await inside(wallet, ({ storage: { sql } }) => noteAllSent(sql));
    await evict(wallet);
    await READ_MODEL.prepare("INSERT OR REPLACE INTO checkpoints VALUES (?, ?, 769, '', '')")
      .bind(`account/${wallet}`, PROJECTOR)
      .run();
    // A month is over for this account alone: its clock is everybody's.
    vi.spyOn(Growth.prototype, "ageMs", "get").mockReturnValue(0);
    await inside(wallet, ({ storage: { sql } }) =>
      sql.exec("UPDATE timers SET due_at = 0 WHERE kind = ?", SEAL_TIMER).toArray(),
    );
    await at(wallet).runDueTimers();
    vi.restoreAllMocks();
    expect((await LOGS.list({ prefix: `log/account/${wallet}/` })).objects.map(({ key }) => key)).toEqual([
      `log/account/${wallet}/1-500.jsonl`,
    ]);
    expect(await inside(wallet, ({ storage: { sql } }) => storedEvents(sql)[0]?.seq)).toBe(501);
    for (const limit of [200, 61]) expect(await readAll(limit)).toEqual(before);
    expect(await past()).toEqual(then);
    expect((await everything(wallet)).log).toMatchObject({ upto: 500, failure: null });
  });

  test("a cut tells what is posted among thousands of listed transfers", async () => {
    const wallet = newWallet();
    await post(wallet, "trf_1500", credit(5n), 0);
    await post(wallet, "trf_2499", credit(7n), 1);
    await reserve(wallet, "trf_3", credit(1n));
    const listed = Array.from({ length: 2_500 }, (_, n) => `trf_${n}`);
    const { seq, hash } = await at(wallet).head();
    expect(await at(wallet).cut(0, listed)).toEqual({
      account: wallet,
      debits: "0.00",
      credits: "0.05",
      seq,
      hash,
      applied: ["trf_1500", "trf_2499"],
    });
  });
});
