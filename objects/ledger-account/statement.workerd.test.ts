import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { describe, expect, test } from "vitest";
import type { AccountOp, AccountRpc, StatementRecord } from "../../schema/rpc/account.ts";
import { verifyStatement } from "../../tools/verify-statement.ts";
import { storedEvents } from "../kit/testing/stored.ts";
import { credit, debit, opOn } from "./bench.fixture.ts";
import { type LedgerAccount, MAX_OPS } from "./object.ts";
import { MAX_STATEMENT_BYTES, MAX_STATEMENT_EVENTS } from "./statement.ts";

const { ACCOUNTS } = untypedEnv as unknown as { ACCOUNTS: DurableObjectNamespace<LedgerAccount> };

let made = 0;
/** A wallet nobody used before. */
const newWallet = () => `wallet:statement-test-${++made}:EUR`;
const at = (name: string) => ACCOUNTS.getByName(name) as unknown as AccountRpc;
const inside = <R>(name: string, work: (ctx: DurableObjectState) => R): Promise<R> =>
  runInDurableObject<LedgerAccount, R>(ACCOUNTS.getByName(name), (_, ctx) => work(ctx));
const evict = (name: string) => evictDurableObject(ACCOUNTS.getByName(name));

/** Posts `count` credits of a cent: as many events, and one for the opening. */
const fill = async (name: string, count: number, prefix = "trf"): Promise<void> => {
  for (let from = 0; from < count; from += MAX_OPS) {
    const ops: AccountOp[] = [];
    for (let index = from; index < Math.min(count, from + MAX_OPS); index++) {
      ops.push(opOn(name, "post", `${prefix}_${index}`, credit(1n)));
    }
    const answers = await at(name).applyOps(ops);
    if (!answers.every(({ ok }) => ok)) throw new Error("a credit was refused");
  }
};
const between = async (name: string, from_seq: number, to_seq: number): Promise<StatementRecord> => {
  const read = await at(name).statement({ by: "seq", from_seq, to_seq });
  if (!read.ok) throw new Error(read.rejection.detail);
  return read.value;
};

describe("a statement of an account's own log", () => {
  test("is the same to the byte after an eviction and after more was posted, and proves itself", async () => {
    const wallet = newWallet();
    await fill(wallet, 5);
    const claim = "2026-01-01T00:00:00.000Z";
    await at(wallet).applyOps([opOn(wallet, "post", "trf_back", debit(2n), { effective_at: claim })]);
    const first = JSON.stringify(await between(wallet, 2, 7));
    expect(verifyStatement(Buffer.from(first))).toMatchObject({ ok: true, entries: 6 });
    expect(JSON.parse(first)).toMatchObject({
      closing: { amount: "0.03" },
      events: { 5: { event: { effective_at: claim } } },
    });
    await fill(wallet, 3, "more");
    await evict(wallet);
    expect(JSON.stringify(await between(wallet, 2, 7))).toBe(first);
  });

  test("covers 5,000 events and not one more", async () => {
    const wallet = newWallet();
    await fill(wallet, MAX_STATEMENT_EVENTS);
    const most = await between(wallet, 1, MAX_STATEMENT_EVENTS);
    expect([most.events.length, most.closing.amount]).toEqual([MAX_STATEMENT_EVENTS, "49.99"]);
    const whole = await at(wallet).statement({ by: "time", from: null, to: null });
    expect(whole).toMatchObject({ ok: false, rejection: { code: "limit_exceeded" } });
    expect(await between(wallet, MAX_STATEMENT_EVENTS + 1, MAX_STATEMENT_EVENTS + 1)).toMatchObject({
      opening: most.closing,
      hash_before: most.hash_after,
      closing: { amount: "50.00" },
    });
  });

  test("holds 8 MiB of events and not one byte more", async () => {
    const wallet = newWallet();
    await fill(wallet, 1);
    /** Makes both events together as long as this; what they say no longer matters to the limit. */
    const stretch = (bytes: number) =>
      inside(wallet, ({ storage: { sql } }) => {
        const length = storedEvents(sql).reduce((sum, { body }) => sum + body.length, 0);
        // Rows hold at most 2 MB, so five more rows share what is missing.
        const rows = 5;
        for (let row = 0; row < rows; row++) {
          const share = Math.floor((bytes - length) / rows) + (row === 0 ? (bytes - length) % rows : 0);
          const frame = `{"data":{},"note":""}`;
          sql.exec(
            "INSERT OR REPLACE INTO events (seq, body, hash) VALUES (?, ?, '')",
            3 + row,
            frame.replace('""', `"${"x".repeat(share - frame.length)}"`),
          );
        }
      });
    await stretch(MAX_STATEMENT_BYTES);
    expect((await at(wallet).statement({ by: "seq", from_seq: 1, to_seq: 7 })).ok).toBe(true);
    await inside(wallet, ({ storage: { sql } }) =>
      sql.exec(`UPDATE events SET body = replace(body, '"x', '"xx') WHERE seq = 7`).toArray(),
    );
    expect(await at(wallet).statement({ by: "seq", from_seq: 1, to_seq: 7 })).toMatchObject({
      ok: false,
      rejection: { code: "limit_exceeded" },
    });
    // The relay would go on trying to send them.
    await inside(wallet, ({ storage: { sql } }) => sql.exec("DELETE FROM events WHERE seq > 2").toArray());
  });
});

describe("snapshots", () => {
  const snapshots = (name: string) =>
    inside(name, ({ storage: { sql } }) =>
      sql
        .exec<{ seq: number }>("SELECT DISTINCT seq FROM snapshots ORDER BY seq")
        .toArray()
        .map(({ seq }) => seq),
    );
  const everything = async (name: string) => ({
    record: await at(name).describe(),
    head: (await at(name).head()).hash,
    statement: await between(name, 1, (await at(name).head()).seq),
    past: await at(name).balanceAt({ seq: 300 }),
    cut: await at(name).cut(0, ["trf_1", "trf_none"]),
  });

  test("are two, and an account from which all were deleted is the same account, and goes on", async () => {
    const wallet = newWallet();
    await fill(wallet, 3 * MAX_OPS);
    await at(wallet).applyOps([opOn(wallet, "reserve", "trf_held", debit(7n))]);
    const before = await everything(wallet);
    expect(await snapshots(wallet)).toHaveLength(2);
    for (const remaining of [1, 0]) {
      await inside(wallet, ({ storage: { sql } }) =>
        sql
          .exec(
            "DELETE FROM snapshots WHERE seq NOT IN (SELECT DISTINCT seq FROM snapshots ORDER BY seq LIMIT ?)",
            remaining,
          )
          .toArray(),
      );
      await evict(wallet);
      expect(await snapshots(wallet)).toHaveLength(remaining);
      expect(await everything(wallet)).toEqual(before);
    }
    const [answer] = await at(wallet).applyOps([opOn(wallet, "post", "trf_held", debit(7n))]);
    expect(answer).toMatchObject({ ok: true, balance: "7.61", seq: 3 * MAX_OPS + 3 });
    await fill(wallet, MAX_OPS, "after");
    expect(await snapshots(wallet)).toHaveLength(1);
  });
});
