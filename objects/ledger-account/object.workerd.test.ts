import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { afterEach, describe, expect, test, vi } from "vitest";
import { chainHash, type EventBody, GENESIS_HASH } from "../../schema/events.ts";
import { MAX_MINOR } from "../../schema/money.ts";
import { PROJECTOR } from "../../schema/read-model.ts";
import { reject } from "../../schema/rejections.ts";
import type { AccountAnswer, AccountRpc, EntryRecord } from "../../schema/rpc/account.ts";
import { Growth } from "../kit/growth.ts";
import { SEAL_TIMER } from "../kit/sealer.ts";
import { credit, debit, opOn, said } from "./bench.fixture.ts";
import { type LedgerAccount, MAX_OPS } from "./object.ts";

const { ACCOUNTS, LOGS, READ_MODEL } = untypedEnv as unknown as {
  ACCOUNTS: DurableObjectNamespace<LedgerAccount>;
  LOGS: R2Bucket;
  READ_MODEL: D1Database;
};

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

/** Counts commits that append: each writes the one row of `actor_state` once. */
const countCommits = (name: string) =>
  inside(name, ({ storage: { sql } }) => {
    sql.exec("CREATE TABLE commits (n INTEGER)");
    sql.exec(
      "CREATE TRIGGER commits_made AFTER UPDATE OF seq ON actor_state BEGIN INSERT INTO commits VALUES (1); END",
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
    expect(said(await post(bank, "trf_3", debit(1n)))).toBe("amount_out_of_range");
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
    await inside(wallet, ({ storage: { sql } }) =>
      sql.exec("UPDATE events SET body = replace(body, '10.00', '90.00') WHERE seq = 3").toArray(),
    );
    await refuses(wallet, 3);
    expect(await at(wallet).verifyLog(0, GENESIS_HASH, 100)).toMatchObject({ upto: 2, failure: { seq: 3 } });
  });

  test("so is an event whose hashes were forged anew, because its figures do not follow", async () => {
    const wallet = await withLog();
    await inside(wallet, ({ storage: { sql } }) => {
      let hash = GENESIS_HASH;
      for (const row of sql
        .exec<{ seq: number; body: string }>("SELECT seq, body FROM events ORDER BY seq")
        .toArray()) {
        const event = JSON.parse(row.body) as EventBody;
        const body = row.seq === 3 ? JSON.stringify(event).replace('"amount":"10.00"', '"amount":"90.00"') : row.body;
        hash = chainHash(hash, body);
        sql.exec("UPDATE events SET body = ?, hash = ? WHERE seq = ?", body, hash, row.seq);
      }
      sql.exec("UPDATE actor_state SET hash = ?", hash);
    });
    await refuses(wallet, 3);
  });

  test("so is a log cut short", async () => {
    const wallet = await withLog();
    await inside(wallet, ({ storage: { sql } }) => sql.exec("DELETE FROM events WHERE seq = 4").toArray());
    await refuses(wallet, 4);
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

  test("entries are the same, page by page, when the log's beginning is sealed", async () => {
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
    await inside(wallet, ({ storage: { sql } }) => sql.exec("UPDATE actor_state SET sent_upto = seq").toArray());
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
    expect(
      await inside(wallet, ({ storage: { sql } }) => sql.exec("SELECT min(seq) AS seq FROM events").one()),
    ).toEqual({
      seq: 501,
    });
    for (const limit of [200, 61]) expect(await readAll(limit)).toEqual(before);
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
