import type { LogRow } from "../../schema/events.ts";
import { type Bounds, groupsOf } from "../../schema/groups.ts";

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

/** Events in order, in groups whose texts are so many, and joined by line breaks so long, at most; one that is longer stands alone. */
export const inGroups = (events: readonly StoredEvent[], most: Bounds): StoredEvent[][] =>
  groupsOf(events, ({ body }) => body.length, most);

/** The texts of these events, a line each. */
export const linesOf = (events: readonly StoredEvent[]): string => events.map(({ body }) => body).join("\n");

/** The rows of these events, in order: whole commits as a rule. */
export const packRows = (events: readonly StoredEvent[]): StoredRow[] =>
  inGroups(events, { count: MAX_ROW_EVENTS, size: MAX_ROW_CHARS }).map((group) => ({
    seq: group.at(-1)?.seq ?? 0,
    body: linesOf(group),
    hash: group.map(({ hash }) => hash).join("\n"),
  }));

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
