import { type EventBody, GENESIS_HASH, upcast } from "../../schema/events.ts";
import { formatMinor, fromMinor, toMinor } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { BalanceRecord, Counters, TransferEvent } from "../../schema/rpc/account.ts";
import type { EventLog } from "../kit/event-log.ts";
import type { PhysicalAccount } from "./account.ts";
import { type Totals, totalsOf } from "./counters.ts";

/** Postings that claim another moment than their own, looked at for one answer. */
const MAX_CLAIMED = 10_000;
/** A claim lies at most this far ahead of its recording, the doors' and the account's clocks apart. Milliseconds. */
const CLAIM_AHEAD_MS = 10 * 60_000;

/** Posted totals of an account at some point, minor units. */
type Posted = Totals;

/** Where a seq is asked for that the log has not reached: it would say something else tomorrow. */
export const pastTheEnd = (pointer: string, head: number) =>
  reject("invalid_request", "the request is not valid", {
    errors: [{ pointer, detail: `must not be past the account's last event, which is ${head}` }],
  });

/** The counters after event `seq`: those of the newest event up to it that moved money. Zeros before the first. */
export const postedAfter = (sql: SqlStorage, currency: string, seq: number): Posted => {
  const [row] = sql
    .exec<{ body: string }>(
      "SELECT body FROM events WHERE seq <= ? AND body ->> '$.data.counters' IS NOT NULL ORDER BY seq DESC LIMIT 1",
      seq,
    )
    .toArray();
  if (row === undefined) return { debit: 0n, credit: 0n };
  const { counters } = upcast(JSON.parse(row.body) as EventBody).data as unknown as { counters: Counters };
  const minor = (amount: string): bigint => toMinor({ amount, currency });
  return { debit: minor(counters.debits_posted), credit: minor(counters.credits_posted) };
};

/** The last seq recorded at or before a moment (or strictly before it); 0 when there is none. `recorded_at` never decreases. */
export const lastSeqAt = (log: EventLog, sql: SqlStorage, moment: string, strictly: boolean): number => {
  let [low, high] = [0, log.head().seq];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const at = recordedAt(sql, middle) ?? "";
    if (strictly ? at < moment : at <= moment) low = middle;
    else high = middle - 1;
  }
  return low;
};

const recordedAt = (sql: SqlStorage, seq: number): string | null => {
  const [row] = sql
    .exec<{ at: string | null }>("SELECT body ->> '$.recorded_at' AS at FROM events WHERE seq = ?", seq)
    .toArray();
  return row?.at ?? null;
};

/** The balance on the normal side. */
export const onNormalSide = ({ debit, credit }: Posted, { normalSide }: PhysicalAccount): bigint =>
  normalSide === "debit" ? debit - credit : credit - debit;

export const balanceAtSeq = (
  log: EventLog,
  sql: SqlStorage,
  account: PhysicalAccount,
  seq: number,
): Result<BalanceRecord> => {
  const head = log.head().seq;
  if (seq > head) return pastTheEnd("/query/seq", head);
  return accept(record(log, sql, account, postedAfter(sql, account.currency, seq), seq, null));
};

/**
 * The sum of what claims a moment up to `at`, as far as it is known now: what was recorded by then, less what claims a later
 * moment, and what was recorded since and claims an earlier one. Only postings whose claim is not their recording are read.
 */
export const balanceAtMoment = (
  log: EventLog,
  sql: SqlStorage,
  account: PhysicalAccount,
  at: string,
): Result<BalanceRecord> => {
  const head = log.head().seq;
  const recorded = lastSeqAt(log, sql, at, false);
  const certain = lastSeqAt(log, sql, new Date(Date.parse(at) - CLAIM_AHEAD_MS).toISOString(), true);
  const rows = sql
    .exec<{ seq: number; body: string }>(
      `SELECT seq, body FROM events WHERE seq > ?1 AND body ->> '$.type' = 'transfer.posted'
       AND ((seq <= ?2 AND body ->> '$.effective_at' > ?3) OR (seq > ?2 AND body ->> '$.effective_at' <= ?3))
       ORDER BY seq LIMIT ?4`,
      certain,
      recorded,
      at,
      MAX_CLAIMED + 1,
    )
    .toArray();
  if (rows.length > MAX_CLAIMED) {
    return reject("limit_exceeded", `more than ${MAX_CLAIMED} postings claim another time than their own since then`);
  }
  let { debit, credit } = postedAfter(sql, account.currency, recorded);
  for (const { seq, body } of rows) {
    const moved = totalsOf(legsOf(body));
    const sign = seq <= recorded ? -1n : 1n;
    debit += sign * moved.debit;
    credit += sign * moved.credit;
  }
  return accept(record(log, sql, account, { debit, credit }, head, at));
};

const legsOf = (body: string) => {
  const { legs } = upcast(JSON.parse(body) as EventBody).data as unknown as TransferEvent;
  return legs.map(({ direction, amount }) => ({ direction, amount: toMinor(amount) }));
};

const record = (
  log: EventLog,
  sql: SqlStorage,
  account: PhysicalAccount,
  posted: Posted,
  seq: number,
  at: string | null,
): BalanceRecord => ({
  account: account.name,
  as_of: at === null ? "seq" : "effective_at",
  at,
  balance: fromMinor(onNormalSide(posted, account), account.currency),
  debits_posted: formatMinor(posted.debit, account.currency),
  credits_posted: formatMinor(posted.credit, account.currency),
  seq,
  recorded_at: recordedAt(sql, seq),
  hash: log.hashAt(seq) ?? GENESIS_HASH,
});
