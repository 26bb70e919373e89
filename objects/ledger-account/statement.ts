import { GENESIS_HASH, type LogRow, upcast } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { EntryRecord, StatementRange, StatementRecord } from "../../schema/rpc/account.ts";
import type { EventLog } from "../kit/event-log.ts";
import type { PhysicalAccount } from "./account.ts";
import { entriesOf } from "./entries.ts";
import { lastSeqAt, onNormalSide, pastTheEnd, postedAfter } from "./past.ts";

/** What one statement covers at most: events, and bytes of their bodies. Longer ones are made of several, each going on from the last. */
export const MAX_STATEMENT_EVENTS = 5_000;
export const MAX_STATEMENT_BYTES = 8 * 1024 * 1024;
const PAGE = 500;

type Span = { from_seq: number; to_seq: number };

/**
 * The statement of a range of one account's log. Moments are resolved to seqs here, by `recorded_at`, once: what is answered
 * follows from those seqs alone, so the same seqs answer the same bytes for ever.
 */
export const readStatement = (
  log: EventLog,
  sql: SqlStorage,
  account: PhysicalAccount,
  range: StatementRange,
): Result<StatementRecord> => {
  const head = log.head().seq;
  const { from_seq, to_seq } = resolve(log, sql, range, head);
  if (to_seq > head) return pastTheEnd("/query/to_seq", head);
  if (from_seq > head + 1) return pastTheEnd("/query/from_seq", head);
  const tooMuch = overLimit(sql, { from_seq, to_seq });
  if (tooMuch !== null) return reject("limit_exceeded", tooMuch);
  const events = readAll(log, { from_seq, to_seq });
  if (events.length !== to_seq - from_seq + 1) {
    return reject(
      "upstream_unavailable",
      `the log of ${account.name} cannot be read after seq ${from_seq - 1 + events.length}`,
    );
  }
  const balance = (seq: number) =>
    fromMinor(onNormalSide(postedAfter(sql, account.currency, seq), account), account.currency);
  return accept({
    account: account.name,
    normal_side: account.normalSide,
    from_seq,
    to_seq,
    opening: balance(from_seq - 1),
    closing: balance(to_seq),
    hash_before: log.hashAt(from_seq - 1) ?? GENESIS_HASH,
    hash_after: log.hashAt(to_seq) ?? GENESIS_HASH,
    entries: events.flatMap((row) => entriesIn(account, row)),
    events,
  });
};

/** Half-open in time, both ends included in seqs; a range without an event ends one before it begins. */
const resolve = (log: EventLog, sql: SqlStorage, range: StatementRange, head: number): Span => {
  if (range.by === "seq") return { from_seq: range.from_seq, to_seq: range.to_seq };
  const before = range.from === null ? 0 : lastSeqAt(log, sql, range.from, true);
  const last = range.to === null ? head : lastSeqAt(log, sql, range.to, true);
  return { from_seq: before + 1, to_seq: Math.max(before, last) };
};

const overLimit = (sql: SqlStorage, { from_seq, to_seq }: Span): string | null => {
  const count = to_seq - from_seq + 1;
  const asked = `events ${from_seq} to ${to_seq}`;
  const advice = "ask for parts by from_seq and to_seq: each opens as the one before it closes";
  if (count > MAX_STATEMENT_EVENTS) {
    return `a statement covers at most ${MAX_STATEMENT_EVENTS} events, and these are ${asked}: ${advice}`;
  }
  const { bytes } = sql
    .exec<{ bytes: number | null }>(
      "SELECT sum(length(CAST(body AS BLOB))) AS bytes FROM events WHERE seq BETWEEN ? AND ?",
      from_seq,
      to_seq,
    )
    .one();
  if ((bytes ?? 0) <= MAX_STATEMENT_BYTES) return null;
  return `a statement holds at most ${MAX_STATEMENT_BYTES} bytes of events, and ${asked} have ${bytes}: ${advice}`;
};

const readAll = (log: EventLog, { from_seq, to_seq }: Span): LogRow[] => {
  const rows: LogRow[] = [];
  for (let after = from_seq - 1; after < to_seq; ) {
    const page = log.read(after, Math.min(PAGE, to_seq - after));
    if (page.length === 0) break;
    rows.push(...page);
    after += page.length;
  }
  return rows;
};

const entriesIn = ({ name }: PhysicalAccount, { seq, event, hash }: LogRow): EntryRecord[] => {
  const lifted = upcast(event);
  return lifted.type === "transfer.posted" ? entriesOf(name, seq, hash, lifted) : [];
};
