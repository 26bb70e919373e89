import { type LogRow, MAX_EVENT_DATA_BYTES } from "../../schema/events.ts";
import type { Checkpoint } from "./runs.ts";

/** Bounds of what one D1 batch projects; they keep its statements far below 50 and its parameters below 2 MB each. */
export const MAX_PACK_EVENTS = 256;
export const MAX_PACK_CHARS = 2_000_000;
/** So few events cannot be too heavy for one batch, whatever is in them: they are not weighed. */
const LIGHT_EVENTS = Math.floor(MAX_PACK_CHARS / MAX_EVENT_DATA_BYTES);

/** The part of one stream that goes into one batch: rows that follow `from`. */
export type Unit<S> = { stream: S; from: Checkpoint; rows: LogRow[] };

/**
 * Packs streams into batches of bounded size, in order: a batch is one commit, so few and full is cheap. A stream longer than
 * what is left of a batch goes on in the next.
 */
export const packUnits = <S>(
  work: readonly { stream: S; from: Checkpoint; rows: readonly LogRow[] }[],
): Unit<S>[][] => {
  const packs: Unit<S>[][] = [];
  const light = work.reduce((sum, { rows }) => sum + rows.length, 0) <= LIGHT_EVENTS;
  let events = Number.POSITIVE_INFINITY;
  let chars = 0;
  for (const { stream, from, rows } of work) {
    let unit: Unit<S> | null = null;
    let at = from;
    for (const row of rows) {
      const size = light ? 0 : JSON.stringify(row.event.data).length;
      if (events >= MAX_PACK_EVENTS || chars + size > MAX_PACK_CHARS) {
        packs.push([]);
        events = 0;
        chars = 0;
        unit = null;
      }
      if (unit === null) {
        unit = { stream, from: at, rows: [] };
        packs.at(-1)?.push(unit);
      }
      unit.rows.push(row);
      events++;
      chars += size;
      at = { seq: row.seq, hash: row.hash };
    }
  }
  return packs;
};
