import { GENESIS_HASH, type LogRow, upcast } from "../../schema/events.ts";
import { figureOf, formatMinor, fromMinor, toMinor } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { BalanceRecord, Counters, TransferEvent } from "../../schema/rpc/account.ts";
import type { History } from "../kit/history.ts";
import type { PhysicalAccount } from "./account.ts";
import { type Totals, totalsOf } from "./counters.ts";
import { newestUpTo, readUpTo } from "./past-events.ts";

/** Postings that claim another moment than their own, heeded for one answer. */
const MAX_CLAIMED = 10_000;
/** A claim lies at most this far ahead of its recording, the doors' and the account's clocks apart. Milliseconds. */
const CLAIM_AHEAD_MS = 10 * 60_000;
const PAGE = 500;

/** Posted totals of an account at some point, minor units. */
type Posted = Totals;

/** Where a seq is asked for that the log has not reached: it would say something else tomorrow. */
export const pastTheEnd = (pointer: string, head: number) =>
  reject("invalid_request", "the request is not valid", {
    errors: [{ pointer, detail: `must not be past the account's last event, which is ${head}` }],
  });

const movesMoney = ({ event }: LogRow): boolean => event.data.counters !== undefined;

/** The counters after event `seq`: those of the newest event up to it that moved money. Zeros before the first. */
export const postedAfter = async (history: History, currency: string, seq: number): Promise<Posted> => {
  const row = await newestUpTo(history, seq, movesMoney);
  if (row === null) return { debit: 0n, credit: 0n };
  const { counters } = upcast(row.event).data as unknown as { counters: Counters };
  const minor = (figure: string): bigint => figureOf(figure, currency);
  return { debit: minor(counters.debits_posted), credit: minor(counters.credits_posted) };
};

/**
 * The last seq up to `head` recorded at or before a moment (or strictly before it); 0 when there is none. `recorded_at` never
 * decreases.
 */
export const lastSeqAt = async (history: History, head: number, moment: string, strictly: boolean): Promise<number> => {
  let [low, high] = [0, head];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    const at = (await history.at(middle))?.event.recorded_at ?? "";
    if (strictly ? at < moment : at <= moment) low = middle;
    else high = middle - 1;
  }
  return low;
};

/** The balance on the normal side. */
export const onNormalSide = ({ debit, credit }: Posted, { normalSide }: PhysicalAccount): bigint =>
  normalSide === "debit" ? debit - credit : credit - debit;

/** `head`: the account's last event when it was asked. Refuses a seq past it. */
export const balanceAtSeq = async (
  history: History,
  head: number,
  account: PhysicalAccount,
  seq: number,
): Promise<Result<BalanceRecord>> => {
  if (seq > head) return pastTheEnd("/query/seq", head);
  return accept(await record(history, account, await postedAfter(history, account.currency, seq), seq, null));
};

/**
 * The sum of what claims a moment up to `at`, as far as it is known now: what was recorded by then, less what claims a later
 * moment, and what was recorded since and claims an earlier one.
 */
export const balanceAtMoment = async (
  history: History,
  head: number,
  account: PhysicalAccount,
  at: string,
): Promise<Result<BalanceRecord>> => {
  const recorded = await lastSeqAt(history, head, at, false);
  const certain = await lastSeqAt(history, head, new Date(Date.parse(at) - CLAIM_AHEAD_MS).toISOString(), true);
  let { debit, credit } = await postedAfter(history, account.currency, recorded);
  let claimed = 0;
  for (let after = certain; after < head; after += PAGE) {
    for (const { seq, event } of await readUpTo(history, after, Math.min(head, after + PAGE))) {
      if (event.type !== "transfer.posted") continue;
      const [counted, counts] = [seq <= recorded, event.effective_at <= at];
      if (counted === counts) continue;
      claimed++;
      const moved = totalsOf(legsOf(event));
      const sign = counted ? -1n : 1n;
      debit += sign * moved.debit;
      credit += sign * moved.credit;
    }
    if (claimed > MAX_CLAIMED) {
      return reject("limit_exceeded", `more than ${MAX_CLAIMED} postings claim another time than their own since then`);
    }
  }
  return accept(await record(history, account, { debit, credit }, head, at));
};

const legsOf = (event: LogRow["event"]) => {
  const { legs } = upcast(event).data as unknown as TransferEvent;
  return legs.map(({ direction, amount }) => ({ direction, amount: toMinor(amount) }));
};

const record = async (
  history: History,
  account: PhysicalAccount,
  posted: Posted,
  seq: number,
  at: string | null,
): Promise<BalanceRecord> => {
  const row = await history.at(seq);
  return {
    account: account.name,
    as_of: at === null ? "seq" : "effective_at",
    at,
    balance: fromMinor(onNormalSide(posted, account), account.currency),
    debits_posted: formatMinor(posted.debit, account.currency),
    credits_posted: formatMinor(posted.credit, account.currency),
    seq,
    recorded_at: row?.event.recorded_at ?? null,
    hash: row?.hash ?? GENESIS_HASH,
  };
};
