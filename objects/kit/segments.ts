import { createHash } from "node:crypto";
import { chainHash, type EventBody, type LogRow } from "../../schema/events.ts";
import { packRows, type StoredEvent, type StoredRow, unpackRow } from "./log-rows.ts";
import type { Migration } from "./migrations.ts";

/** Where a log does not add up: the first seq that does not fit, and why. */
export type Fault = { seq: number; reason: string };

/**
 * Made by the kit in every actor: what is sealed is no actor's own business. `marks` is the first eight hex digits of each
 * event's hash, one after another: `sha256` and the chain prove a segment, the marks tell which event of it was changed.
 */
export const SEGMENTS: Migration = {
  id: "kit_segments",
  sql: `CREATE TABLE segments (
    from_seq INTEGER PRIMARY KEY,
    to_seq INTEGER NOT NULL,
    hash_before TEXT NOT NULL,
    hash_after TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    marks TEXT NOT NULL
  )`,
};

const MARK = 8;

/** A sealed stretch of a log: events `from` to `to`, both included. */
export type Segment = {
  from: number;
  to: number;
  hashBefore: string;
  hashAfter: string;
  /** Of the segment's text, hex. */
  sha256: string;
  marks: string;
};

/** The segment of these events, at least one, and its text: a body a line. `hashBefore`: the chain's hash before the first. */
export const sealSegment = (hashBefore: string, events: readonly StoredEvent[]): { segment: Segment; text: string } => {
  const [first] = events;
  const last = events.at(-1);
  if (first === undefined || last === undefined) throw new Error("a segment holds at least one event");
  const text = events.map(({ body }) => `${body}\n`).join("");
  const marks = events.map(({ hash }) => hash.slice(0, MARK)).join("");
  const segment = { from: first.seq, to: last.seq, hashBefore, hashAfter: last.hash, sha256: sha256(text), marks };
  return { segment, text };
};

/**
 * The events in a segment's text, as far as they are those that were sealed: the same rows a log answers. `failure` names the
 * first that is not, whatever was flipped, left out, put in or moved.
 */
export const openSegment = (
  segment: Segment,
  stream: string,
  text: string | null,
): { rows: LogRow[]; failure: Fault | null } => {
  const rows: LogRow[] = [];
  const { from, to } = segment;
  const broken = (seq: number, reason: string) => ({ rows, failure: { seq, reason: `sealed: ${reason}` } });
  if (text === null) return broken(from, "the segment is missing");
  const bodies = text.split("\n");
  let hash = segment.hashBefore;
  for (let seq = from; seq <= to; seq++) {
    const at = seq - from;
    const body = bodies[at] ?? "";
    if (body === "") return broken(seq, "missing event");
    const prev_hash = hash;
    hash = chainHash(prev_hash, body);
    if (!hash.startsWith(segment.marks.slice(at * MARK, at * MARK + MARK))) return broken(seq, "hash does not follow");
    const event = parseBody(body);
    const reason = event === null ? "body is no JSON" : misplaced(event, stream, seq);
    if (event === null || reason !== null) return broken(seq, reason ?? "");
    rows.push({ seq, event, prev_hash, hash });
  }
  if (hash !== segment.hashAfter || sha256(text) !== segment.sha256) {
    rows.pop();
    return broken(to, "the segment is not what was sealed");
  }
  return { rows, failure: null };
};

/** Why a body does not belong at a place; null when it does. */
export const misplaced = (body: EventBody, stream: string, seq: number): string | null => {
  if (body.stream !== stream) return "event of another stream";
  return body.seq === String(seq) ? null : "body names another seq";
};

/** Null for a body that is no JSON: verification names its seq, and the rest of the log must still be readable. */
export const parseBody = (body: string): EventBody | null => {
  try {
    return JSON.parse(body) as EventBody;
  } catch {
    return null;
  }
};

const sha256 = (text: string): string => createHash("sha256").update(text, "utf8").digest("hex");

type Row = {
  from_seq: number;
  to_seq: number;
  hash_before: string;
  hash_after: string;
  sha256: string;
  marks: string;
};

const COLUMNS = "from_seq, to_seq, hash_before, hash_after, sha256, marks";

/** Which stretches of a log are sealed: a prefix, without a gap. It keeps nothing in memory. */
export class Segments {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The newest segment, or null. */
  last(): Segment | null {
    return this.#one("ORDER BY from_seq DESC LIMIT 1");
  }

  /** The segment that holds an event, or null: it is in the log itself, or nowhere. */
  holding(seq: number): Segment | null {
    const segment = this.#one("WHERE from_seq <= ? ORDER BY from_seq DESC LIMIT 1", seq);
    return segment !== null && segment.to >= seq ? segment : null;
  }

  /** The chain's hash after the event, where a segment ends with it; null elsewhere. */
  hashAfter(seq: number): string | null {
    const segment = this.holding(seq);
    return segment?.to === seq ? segment.hashAfter : null;
  }

  /** Notes a segment and drops its rows from the log. Call it inside a transaction. */
  commit(segment: Segment): void {
    this.#sql.exec(
      `INSERT INTO segments (${COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)`,
      segment.from,
      segment.to,
      segment.hashBefore,
      segment.hashAfter,
      segment.sha256,
      segment.marks,
    );
    this.#sql.exec("DELETE FROM events WHERE seq BETWEEN ? AND ?", segment.from, segment.to);
    this.#trim(segment.to);
  }

  /** A row that begins before the segment's end holds what is after it from now on. */
  #trim(upto: number): void {
    const [row] = this.#sql
      .exec<StoredRow>("SELECT seq, body, hash FROM events WHERE seq > ? ORDER BY seq LIMIT 1", upto)
      .toArray();
    if (row === undefined) return;
    const events = unpackRow(row);
    const rest = events.filter(({ seq }) => seq > upto);
    if (rest.length === events.length) return;
    for (const { seq, body, hash } of packRows(rest)) {
      this.#sql.exec("UPDATE events SET body = ?, hash = ? WHERE seq = ?", body, hash, seq);
    }
  }

  #one(where: string, ...values: number[]): Segment | null {
    const [row] = this.#sql.exec<Row>(`SELECT ${COLUMNS} FROM segments ${where}`, ...values).toArray();
    if (row === undefined) return null;
    return {
      from: row.from_seq,
      to: row.to_seq,
      hashBefore: row.hash_before,
      hashAfter: row.hash_after,
      sha256: row.sha256,
      marks: row.marks,
    };
  }
}
