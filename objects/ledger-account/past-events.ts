import type { LogRow } from "../../schema/events.ts";
import { reject } from "../../schema/rejections.ts";
import type { History } from "../kit/history.ts";
import { ClosedDoor } from "../kit/stub.ts";

/** Events read at a time, at first and at most: what is looked for is nearly always near. */
const FIRST = 16;
const PAGE = 500;

/** The newest event up to `seq` that is looked for, from the log and from what of it is sealed; null where there is none. */
export const newestUpTo = async (
  history: History,
  seq: number,
  isIt: (row: LogRow) => boolean,
): Promise<LogRow | null> => {
  let size = FIRST;
  for (let to = seq; to > 0; size = Math.min(PAGE, 2 * size)) {
    const after = Math.max(0, to - size);
    const rows = await readUpTo(history, after, to);
    const found = rows.findLast(isIt);
    if (found !== undefined) return found;
    to = after;
  }
  return null;
};

/**
 * Events after `after` up to `to`, an event there is; at most 500 of them. Throws where the log cannot be read: what is made of
 * fewer events would be wrong.
 */
export const readUpTo = async (history: History, after: number, to: number): Promise<LogRow[]> => {
  const wanted = Math.max(0, Math.min(PAGE, to - after));
  const rows = wanted === 0 ? [] : await history.read(after, wanted);
  if (rows.length === wanted) return rows;
  throw new ClosedDoor(
    reject("upstream_unavailable", `the log cannot be read after seq ${after + rows.length}`).rejection,
  );
};
