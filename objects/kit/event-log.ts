import {
  canonicalJson,
  chainHash,
  currentVersion,
  type EventBody,
  GENESIS_HASH,
  type JsonObject,
  type LogRow,
  MAX_EVENT_DATA_BYTES,
  type Meta,
} from "../../schema/events.ts";
import type { Clock, IdSource } from "../../schema/ids.ts";
import type { LogVerdict } from "../../schema/rpc/actor.ts";
import { isoTime } from "./clock.ts";
import { packRows, type StoredEvent, type StoredRow, unpackRow } from "./log-rows.ts";
import { misplaced, parseBody, Segments } from "./segments.ts";

/** Where a log ends: seq 0 and 64 zeros before its first event. */
export type Head = { seq: number; hash: string; recordedAt: string };

/** The head, and what the commit that wrote it said the fold had come to; null where no commit has said so. */
export type LogEnd = { head: Head; summary: string | null };

export const EMPTY_HEAD: Head = { seq: 0, hash: GENESIS_HASH, recordedAt: "" };

export type EventMeta = Pick<Meta, "principal" | "correlation" | "causation"> & { effectiveAt?: string };

/** When an event after `head` is recorded, epoch milliseconds: a log's times never decrease, whatever the clock does. */
export const recordingTime = ({ recordedAt }: Pick<Head, "recordedAt">, now: number): number =>
  Math.max(now, Date.parse(recordedAt) || 0);

const utf8 = new TextEncoder();

/** A row holds up to 100 kB. */
const ROWS_A_READ = 32;

/** Events read, and events verified, in one call. */
export const MAX_READ = 500;
export const MAX_VERIFY = 1_000;

/**
 * An actor's log: gap-free from seq 1, `recorded_at` never decreasing, each event chained to the one before it. It keeps no
 * state of its own: `next` takes the head and answers the one after it, so that a rolled-back savepoint leaves nothing in memory,
 * and a commit writes all its events at once, in one row.
 *
 * All of it is synchronous, so that it has a place in a turn. What is sealed is therefore not in here, only where it ends:
 * `History` reads through to it.
 */
export class EventLog {
  readonly stream: string;
  readonly segments: Segments;
  readonly #sql: SqlStorage;
  readonly #clock: Clock;
  readonly #ids: IdSource;

  constructor(sql: SqlStorage, stream: string, clock: Clock, ids: IdSource) {
    this.#sql = sql;
    this.stream = stream;
    this.#clock = clock;
    this.#ids = ids;
    this.segments = new Segments(sql);
  }

  /** The last seq that is sealed; 0: none is. */
  get sealedUpto(): number {
    return this.segments.last()?.to ?? 0;
  }

  /** The event after `head`, not yet written. Throws when the data is above 32 KiB: a bug in the caller. */
  next(
    head: Head,
    type: string,
    data: JsonObject,
    meta: EventMeta,
  ): { head: Head; event: EventBody; stored: StoredEvent } {
    const now = this.#clock.now();
    const recordedAt = isoTime(recordingTime(head, now));
    const seq = head.seq + 1;
    const event: EventBody = {
      stream: this.stream,
      seq: String(seq),
      id: this.#ids.next("evt", now),
      type,
      version: currentVersion(type),
      recorded_at: recordedAt,
      effective_at: meta.effectiveAt ?? recordedAt,
      correlation: meta.correlation,
      causation: meta.causation,
      principal: meta.principal,
      data,
    };
    const body = canonicalJson(event);
    if (body.length > MAX_EVENT_DATA_BYTES / 4 && utf8.encode(canonicalJson(data)).length > MAX_EVENT_DATA_BYTES) {
      throw new Error(`event ${type} is above ${MAX_EVENT_DATA_BYTES} bytes`);
    }
    const hash = chainHash(head.hash, body);
    return { head: { seq, hash, recordedAt }, event, stored: { seq, body, hash } };
  }

  /** Writes a commit's events, at least one, and what its fold comes to after the last. Call it inside its transaction. */
  write(events: readonly StoredEvent[], summary: string): void {
    const rows = packRows(events);
    for (const [at, { seq, body, hash }] of rows.entries()) {
      const said = at === rows.length - 1 ? summary : null;
      this.#sql.exec("INSERT INTO events (seq, body, hash, summary) VALUES (?, ?, ?, ?)", seq, body, hash, said);
    }
  }

  /** The newest event's place, read from the log itself. */
  head(): Head {
    return this.end().head;
  }

  /** The same, and what was said of it. */
  end(): LogEnd {
    const [row] = this.#sql
      .exec<StoredRow & { summary: string | null }>(
        "SELECT seq, body, hash, summary FROM events ORDER BY seq DESC LIMIT 1",
      )
      .toArray();
    if (row === undefined) {
      const sealed = this.segments.last();
      const head = sealed === null ? EMPTY_HEAD : { seq: sealed.to, hash: sealed.hashAfter, recordedAt: "" };
      return { head, summary: null };
    }
    const { seq, body, hash } = unpackRow(row).at(-1) ?? row;
    return { head: { seq, hash, recordedAt: parseBody(body)?.recorded_at ?? "" }, summary: row.summary };
  }

  /** Events with seq > after, oldest first and without a gap, at most `limit` (1–500). Ends before a row that is no event. */
  read(after: number, limit: number): LogRow[] {
    const { prevHash: before, events } = this.chained(after, limit);
    let prevHash = before;
    const rows: LogRow[] = [];
    for (const { seq, body, hash } of events) {
      const event = parseBody(body);
      if (event === null) break;
      rows.push({ seq, event, prev_hash: prevHash, hash });
      prevHash = hash;
    }
    return rows;
  }

  /** The same as they are stored, with the chain's hash before the first. Ends before an event whose text is missing. */
  chained(after: number, limit: number): { prevHash: string; events: StoredEvent[] } {
    const from = Math.max(0, Math.trunc(after));
    const prevHash = this.hashAt(from);
    if (prevHash === null) return { prevHash: GENESIS_HASH, events: [] };
    const events: StoredEvent[] = [];
    for (const event of this.#events(from, bounded(limit, MAX_READ))) {
      if (event.body === "" || event.seq !== from + events.length + 1) break;
      events.push(event);
    }
    return { prevHash, events };
  }

  /** The hash after event `seq` (genesis for 0); null when there is no such event, or it is inside a sealed segment. */
  hashAt(seq: number): string | null {
    if (seq === 0) return GENESIS_HASH;
    const [row] = this.#rows(seq - 1, 1);
    if (row?.seq === seq) return unpackRow(row).at(-1)?.hash ?? null;
    // What is sealed is not asked of the row after it, into which anything may have been put.
    if (this.segments.holding(seq) !== null) return this.segments.hashAfter(seq);
    return row === undefined ? null : (unpackRow(row).find((event) => event.seq === seq)?.hash ?? null);
  }

  /** Events as they are stored, with seq > after, oldest first, at most `limit`. */
  stored(after: number, limit: number): StoredEvent[] {
    return [...this.#events(after, limit)];
  }

  /**
   * Recomputes the chain over (after, after + limit] from the stored bytes, starting from a hash the caller carries: flipping,
   * deleting, inserting or reordering stored events is named by the first seq that does not fit. `limit` 1–1,000.
   */
  verify(after: number, prevHash: string, limit: number): LogVerdict {
    const head = this.head().seq;
    let hash = prevHash;
    let upto = after;
    const verdict = (failure: LogVerdict["failure"]): LogVerdict => ({
      stream: this.stream,
      upto,
      hash,
      head,
      failure,
    });
    if (after > head) return verdict({ seq: head + 1, reason: "log was cut short" });
    const stray = this.#stray(after);
    if (stray !== null) return verdict({ seq: stray, reason: "event beside the log" });
    for (const row of this.#events(after, bounded(limit, MAX_VERIFY))) {
      if (row.seq !== upto + 1) return verdict({ seq: upto + 1, reason: "missing event" });
      const reason = this.#fault(row, hash);
      if (reason !== null) return verdict({ seq: row.seq, reason });
      hash = row.hash;
      upto = row.seq;
    }
    return verdict(null);
  }

  #fault(row: StoredEvent, prevHash: string): string | null {
    if (chainHash(prevHash, row.body) !== row.hash) return "hash does not follow";
    const body = parseBody(row.body);
    return body === null ? "body is no JSON" : misplaced(body, this.stream, row.seq);
  }

  /**
   * An event before the first, or where all is sealed; else the first one of the row that holds what is after `after`, where the row has
   * others before it. No page of the log would ever show either.
   */
  #stray(after: number): number | null {
    const sealed = this.sealedUpto;
    const [places] = this.#sql
      .exec<{ first: number | null; before: number | null }>(
        "SELECT (SELECT min(seq) FROM events) AS first, (SELECT max(seq) FROM events WHERE seq <= ?) AS before",
        after,
      )
      .toArray();
    const first = places?.first ?? null;
    if (first !== null && first <= sealed) return first;
    const [row] = this.#rows(after, 1);
    const begins = Math.max(places?.before ?? 0, sealed) + 1;
    const beginsAt = row === undefined ? begins : (unpackRow(row)[0]?.seq ?? begins);
    return beginsAt < begins ? begins : null;
  }

  #rows(after: number, limit: number): StoredRow[] {
    return this.#sql
      .exec<StoredRow>("SELECT seq, body, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limit)
      .toArray();
  }

  /** Rows are read to their end before the first event is given out: the platform keeps one cursor a statement. */
  *#events(after: number, limit: number): Generator<StoredEvent> {
    let last = after;
    for (let left = limit; left > 0; ) {
      const most = Math.min(left, ROWS_A_READ);
      const rows = this.#rows(last, most);
      for (const event of rows.flatMap(unpackRow)) {
        // A row may begin before what is asked for, and end after it.
        if (event.seq <= after || left === 0) continue;
        yield event;
        left--;
      }
      last = rows.at(-1)?.seq ?? last;
      if (rows.length < most) return;
    }
  }
}

export const bounded = (limit: number, most: number): number => Math.max(1, Math.min(most, Math.trunc(limit) || 1));
