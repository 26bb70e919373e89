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

/** Where a log ends: seq 0 and 64 zeros before its first event. */
export type Head = { seq: number; hash: string; recordedAt: string };

export const EMPTY_HEAD: Head = { seq: 0, hash: GENESIS_HASH, recordedAt: "" };

export type EventMeta = Pick<Meta, "principal" | "correlation" | "causation"> & { effectiveAt?: string };

const utf8 = new TextEncoder();

/** Events read, and events verified, in one call. */
const MAX_READ = 500;
const MAX_VERIFY = 1_000;

type Row = { seq: number; body: string; hash: string };

/**
 * An actor's log: gap-free from seq 1, `recorded_at` never decreasing, each event chained to the one before it. It keeps no
 * state of its own: `append` takes the head and answers the next one, so that a rolled-back savepoint leaves nothing in memory.
 */
export class EventLog {
  readonly stream: string;
  readonly #sql: SqlStorage;
  readonly #clock: Clock;
  readonly #ids: IdSource;

  constructor(sql: SqlStorage, stream: string, clock: Clock, ids: IdSource) {
    this.#sql = sql;
    this.stream = stream;
    this.#clock = clock;
    this.#ids = ids;
  }

  /** Writes one event after `head`. Call it inside a transaction. Throws when the data is above 32 KiB: a bug in the caller. */
  append(head: Head, type: string, data: JsonObject, meta: EventMeta): { head: Head; event: EventBody; row: LogRow } {
    const now = this.#clock.now();
    const recordedAt = isoTime(Math.max(now, Date.parse(head.recordedAt) || 0));
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
    this.#sql.exec("INSERT INTO events (seq, body, hash) VALUES (?, ?, ?)", seq, body, hash);
    return {
      head: { seq, hash, recordedAt },
      event,
      row: { seq, event, prev_hash: head.hash, hash },
    };
  }

  /** The newest event's place, read from the log itself. */
  head(): Head {
    const [row] = this.#sql.exec<Row>("SELECT seq, body, hash FROM events ORDER BY seq DESC LIMIT 1").toArray();
    if (row === undefined) return EMPTY_HEAD;
    return { seq: row.seq, hash: row.hash, recordedAt: parseBody(row.body)?.recorded_at ?? "" };
  }

  /** Events with seq > after, oldest first and without a gap, at most `limit` (1–500). Ends before a row that is no event. */
  read(after: number, limit: number): LogRow[] {
    const from = Math.max(0, Math.trunc(after));
    let prevHash = this.hashAt(from);
    if (prevHash === null) return [];
    const rows: LogRow[] = [];
    for (const row of this.#rows(from, bounded(limit, MAX_READ))) {
      const event = parseBody(row.body);
      if (event === null || row.seq !== from + rows.length + 1) break;
      rows.push({ seq: row.seq, event, prev_hash: prevHash, hash: row.hash });
      prevHash = row.hash;
    }
    return rows;
  }

  /** The hash after event `seq` (genesis for 0); null when there is no such event. */
  hashAt(seq: number): string | null {
    if (seq === 0) return GENESIS_HASH;
    const [row] = this.#sql.exec<{ hash: string }>("SELECT hash FROM events WHERE seq = ?", seq).toArray();
    return row?.hash ?? null;
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
    for (const row of this.#rows(after, bounded(limit, MAX_VERIFY))) {
      if (row.seq !== upto + 1) return verdict({ seq: upto + 1, reason: "missing event" });
      const reason = this.#fault(row, hash);
      if (reason !== null) return verdict({ seq: row.seq, reason });
      hash = row.hash;
      upto = row.seq;
    }
    return verdict(null);
  }

  #fault(row: Row, prevHash: string): string | null {
    if (chainHash(prevHash, row.body) !== row.hash) return "hash does not follow";
    const body = parseBody(row.body);
    if (body === null) return "body is no JSON";
    if (body.stream !== this.stream) return "event of another stream";
    if (body.seq !== String(row.seq)) return "body names another seq";
    return null;
  }

  #rows(after: number, limit: number): SqlStorageCursor<Row> {
    return this.#sql.exec<Row>("SELECT seq, body, hash FROM events WHERE seq > ? ORDER BY seq LIMIT ?", after, limit);
  }
}

const bounded = (limit: number, most: number): number => Math.max(1, Math.min(most, Math.trunc(limit) || 1));

/** Null for a body that is no JSON: verification names its seq, and the rest of the log must still be readable. */
const parseBody = (body: string): EventBody | null => {
  try {
    return JSON.parse(body) as EventBody;
  } catch {
    return null;
  }
};
