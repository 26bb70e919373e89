import { entriesOf } from "../../schema/entries.ts";
import { type EventBody, upcast } from "../../schema/events.ts";
import type { EntryRecord } from "../../schema/rpc/account.ts";
import type { History } from "../kit/history.ts";

/** Entries in one page; the legs of one transfer stay together. */
export const MAX_ENTRIES = 200;

type Posted = { seq: number; event: EventBody; hash: string };
/** Events looked through at a time for those that posted. */
const PAGE = 500;

const bounded = (limit: number): number => Math.max(1, Math.min(MAX_ENTRIES, Math.trunc(limit)));

/**
 * Entries with seq > after, oldest first, read from the log itself, whatever of it lies in the archive: whole events until the next would
 * not fit, the first in any case, so that a reader who goes on from the last seq misses none.
 */
export const readEntries = async (
  history: History,
  account: string,
  after: number,
  limit: number,
): Promise<EntryRecord[]> => {
  const posted: Posted[] = [];
  let at = Math.max(0, Math.trunc(after));
  while (posted.length < bounded(limit)) {
    const rows = await history.read(at, PAGE);
    posted.push(...rows.filter(({ event }) => event.type === "transfer.posted"));
    if (rows.length < PAGE) break;
    at += rows.length;
  }
  return pageOf(account, posted, bounded(limit));
};

const pageOf = (account: string, posted: readonly Posted[], limit: number): EntryRecord[] => {
  const entries: EntryRecord[] = [];
  for (const { seq, event, hash } of posted) {
    const legs = entriesOf(account, seq, hash, upcast(event));
    if (entries.length > 0 && entries.length + legs.length > limit) break;
    entries.push(...legs);
  }
  return entries;
};
