import { entriesOf } from "../../schema/entries.ts";
import { GENESIS_HASH, type LogRow, upcast } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { EntryRecord, StatementRange, StatementRecord } from "../../schema/rpc/account.ts";
import type { History } from "../kit/history.ts";
import type { PhysicalAccount } from "./account.ts";
import { lastSeqAt, onNormalSide, pastTheEnd, postedAfter } from "./past.ts";
import { readUpTo } from "./past-events.ts";

/** What one statement covers at most: events, and bytes of their bodies. Longer ones are made of several, each going on from the last. */
export const MAX_STATEMENT_EVENTS = 5_000;
export const MAX_STATEMENT_BYTES = 8 * 1024 * 1024;
const PAGE = 500;

type Span = { from_seq: number; to_seq: number };

/**
 * The statement of a range of one account's log, whose last event was `head` when it was asked. Moments are resolved to seqs
 * here, by `recorded_at`, once: what is answered follows from those seqs alone, so the same seqs answer the same bytes for ever,
 * sealed or not.
 */
export const readStatement = async (
  history: History,
  head: number,
  account: PhysicalAccount,
  range: StatementRange,
): Promise<Result<StatementRecord>> => {
  const { from_seq, to_seq } = await resolve(history, range, head);
  if (to_seq > head) return pastTheEnd("/query/to_seq", head);
  if (from_seq > head + 1) return pastTheEnd("/query/from_seq", head);
  const read = await readAll(history, { from_seq, to_seq });
  if (!read.ok) return read;
  const events = read.value;
  const balance = async (seq: number) =>
    fromMinor(onNormalSide(await postedAfter(history, account.currency, seq), account), account.currency);
  const hash_before = (await history.hashAt(from_seq - 1)) ?? GENESIS_HASH;
  return accept({
    account: account.name,
    normal_side: account.normalSide,
    from_seq,
    to_seq,
    opening: await balance(from_seq - 1),
    closing: await balance(to_seq),
    hash_before,
    hash_after: events.at(-1)?.hash ?? hash_before,
    entries: events.flatMap((row) => entriesIn(account, row)),
    events,
  });
};

/** Half-open in time, both ends included in seqs; a range without an event ends one before it begins. */
const resolve = async (history: History, range: StatementRange, head: number): Promise<Span> => {
  if (range.by === "seq") return { from_seq: range.from_seq, to_seq: range.to_seq };
  const before = range.from === null ? 0 : await lastSeqAt(history, head, range.from, true);
  const last = range.to === null ? head : await lastSeqAt(history, head, range.to, true);
  return { from_seq: before + 1, to_seq: Math.max(before, last) };
};

/** Every event of the range. Refuses more than a statement covers, with as little read as shows it. */
const readAll = async (history: History, { from_seq, to_seq }: Span): Promise<Result<LogRow[]>> => {
  const asked = `events ${from_seq} to ${to_seq}`;
  const advice = "ask for parts by from_seq and to_seq: each opens as the one before it closes";
  if (to_seq - from_seq + 1 > MAX_STATEMENT_EVENTS) {
    return reject(
      "limit_exceeded",
      `a statement covers at most ${MAX_STATEMENT_EVENTS} events, and these are ${asked}: ${advice}`,
    );
  }
  const rows: LogRow[] = [];
  let bytes = 0;
  for (let after = from_seq - 1; after < to_seq; after += PAGE) {
    const page = await readUpTo(history, after, Math.min(to_seq, after + PAGE));
    for (const { event } of page) bytes += Buffer.byteLength(JSON.stringify(event));
    if (bytes > MAX_STATEMENT_BYTES) {
      return reject(
        "limit_exceeded",
        `a statement holds at most ${MAX_STATEMENT_BYTES} bytes of events, and ${asked} have more: ${advice}`,
      );
    }
    rows.push(...page);
  }
  return accept(rows);
};

const entriesIn = ({ name }: PhysicalAccount, { seq, event, hash }: LogRow): EntryRecord[] => {
  const lifted = upcast(event);
  return lifted.type === "transfer.posted" ? entriesOf(name, seq, hash, lifted) : [];
};
