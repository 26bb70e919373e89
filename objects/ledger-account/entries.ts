import { type EventBody, upcast } from "../../schema/events.ts";
import type { EntryRecord, TransferEvent } from "../../schema/rpc/account.ts";

/** Entries in one page; the legs of one transfer stay together. */
export const MAX_ENTRIES = 200;

type Row = { seq: number; body: string; hash: string };

/**
 * Entries with seq > after, oldest first, read from the log itself: whole events until the next would not fit, the first in any
 * case, so that a reader who goes on from the last seq misses none.
 */
export const readEntries = (sql: SqlStorage, account: string, after: number, limit: number): EntryRecord[] => {
  const bounded = Math.max(1, Math.min(MAX_ENTRIES, Math.trunc(limit)));
  const rows = sql
    .exec<Row>(
      "SELECT seq, body, hash FROM events WHERE seq > ? AND body ->> '$.type' = 'transfer.posted' ORDER BY seq LIMIT ?",
      Math.max(0, Math.trunc(after)),
      bounded,
    )
    .toArray();
  const entries: EntryRecord[] = [];
  for (const { seq, body, hash } of rows) {
    const event = upcast(JSON.parse(body) as EventBody);
    const legs = entriesOf(account, seq, hash, event);
    if (entries.length > 0 && entries.length + legs.length > bounded) break;
    entries.push(...legs);
  }
  return entries;
};

/** The entries that a posting comes to, one a leg. */
export const entriesOf = (account: string, seq: number, hash: string, event: EventBody): EntryRecord[] => {
  const { transfer, pod, charge, legs } = event.data as unknown as TransferEvent;
  return legs.map(({ index, direction, amount, balance }) => ({
    id: `${account}/${seq}.${index}`,
    account,
    seq,
    type: event.type,
    debit: direction === "debit" ? amount : null,
    credit: direction === "credit" ? amount : null,
    balance,
    ...(pod === null ? {} : { pod }),
    transfer,
    ...(charge === null ? {} : { charge }),
    recorded_at: event.recorded_at,
    effective_at: event.effective_at,
    hash,
  }));
};
