import type { LogRow } from "../../schema/events.ts";

/** An event as it is stored: `body` is the text that is hashed, `hash` the chain's hash after it. */
export type StoredEvent = Pick<LogRow, "seq" | "hash"> & { body: string };

/**
 * A row of the log: the events of one commit, or as many of them as fit. `seq` is the last one's; `body` and `hash` have a line an event. A
 * canonical text holds no line break, and so a row of one event is the event itself.
 */
export type StoredRow = StoredEvent;

/** A row holds at most so many events and, where it holds more than one, so many characters: the platform takes 2 MB a row. */
export const MAX_ROW_EVENTS = 64;
export const MAX_ROW_CHARS = 100_000;

/** The rows of these events, in order: whole commits as a rule. */
export const packRows = (events: readonly StoredEvent[]): StoredRow[] => {
  const rows: StoredRow[] = [];
  let held = 0;
  for (const { seq, body, hash } of events) {
    const last = rows.at(-1);
    if (last === undefined || held === MAX_ROW_EVENTS || last.body.length + body.length >= MAX_ROW_CHARS) {
      rows.push({ seq, body, hash });
      held = 1;
    } else {
      rows[rows.length - 1] = { seq, body: `${last.body}\n${body}`, hash: `${last.hash}\n${hash}` };
      held++;
    }
  }
  return rows;
};

/** The events of a row, in order. Where it was tampered with and a line is missing, so is that event's text: it cannot be verified. */
export const unpackRow = ({ seq, body, hash }: StoredRow): StoredEvent[] => {
  const bodies = body.split("\n");
  const hashes = hash.split("\n");
  const count = Math.max(bodies.length, hashes.length);
  return Array.from({ length: count }, (_, at) => ({
    seq: seq - count + 1 + at,
    body: bodies[at] ?? "",
    hash: hashes[at] ?? "",
  }));
};
