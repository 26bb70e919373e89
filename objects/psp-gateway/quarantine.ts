import type { QuarantineEntry } from "../../schema/rpc/gateway.ts";

export type QuarantineLimits = {
  rows: number;
  /** Of bodies, UTF-8, all together. */
  bytes: number;
  /** Of one body; the rest is cut off. */
  bodyBytes: number;
  keptMs: number;
};

export const QUARANTINE: QuarantineLimits = {
  rows: 10_000,
  bytes: 64 * 1024 * 1024,
  bodyBytes: 64 * 1024,
  keptMs: 30 * 24 * 60 * 60 * 1000,
};

/** Sources and reasons are ours and short; this bounds them whatever a caller passes. */
const MAX_LABEL = 200;
/** Rows dropped for their age in one turn. */
const EXPIRE_BATCH = 500;

type Totals = { rows: number; bytes: number; dropped: number };

/**
 * What came in and could not be verified or routed, as it came. Whoever can send may send rubbish without end, so it is bounded in
 * rows, bytes and age, the oldest making room; what had to make room is counted. Call its methods inside a turn.
 */
export class Quarantine {
  readonly #sql: SqlStorage;
  readonly #limits: QuarantineLimits;

  constructor(sql: SqlStorage, limits: QuarantineLimits = QUARANTINE) {
    this.#sql = sql;
    this.#limits = limits;
  }

  /** Rows held, bytes of their bodies, and how many rows ever had to make room. */
  totals(): Totals {
    const [row] = this.#sql.exec<Totals>("SELECT rows, bytes, dropped FROM quarantine_totals WHERE id = 1").toArray();
    return row ?? { rows: 0, bytes: 0, dropped: 0 };
  }

  add(entry: QuarantineEntry, nowMs: number): void {
    const body = cut(entry.body, this.#limits.bodyBytes);
    this.#sql.exec(
      "INSERT INTO quarantine (received_at, stored_at, source, reason, bytes, body) VALUES (?, ?, ?, ?, ?, ?)",
      entry.received_at,
      nowMs,
      entry.source.slice(0, MAX_LABEL),
      entry.reason.slice(0, MAX_LABEL),
      body.bytes,
      body.text,
    );
    const { rows, bytes, dropped } = this.totals();
    this.#makeRoom({ rows: rows + 1, bytes: bytes + body.bytes, dropped });
  }

  /** Drops what is too old, at most a batch. Answers when to come again, milliseconds; null when nothing is held. */
  expire(nowMs: number): number | null {
    const { rows, bytes, dropped } = this.totals();
    const gone = this.#sql
      .exec<{ bytes: number }>(
        `DELETE FROM quarantine WHERE id IN (SELECT id FROM quarantine WHERE stored_at <= ? ORDER BY id LIMIT ?)
         RETURNING bytes`,
        nowMs - this.#limits.keptMs,
        EXPIRE_BATCH,
      )
      .toArray();
    if (gone.length > 0) {
      this.#store({
        rows: rows - gone.length,
        bytes: bytes - gone.reduce((sum, row) => sum + row.bytes, 0),
        dropped,
      });
    }
    if (gone.length === EXPIRE_BATCH) return nowMs + 1_000;
    const [oldest] = this.#sql
      .exec<{ stored_at: number }>("SELECT stored_at FROM quarantine ORDER BY id LIMIT 1")
      .toArray();
    return oldest === undefined ? null : oldest.stored_at + this.#limits.keptMs;
  }

  #makeRoom(totals: Totals): void {
    let { rows, bytes, dropped } = totals;
    while (rows > this.#limits.rows || bytes > this.#limits.bytes) {
      const [gone] = this.#sql
        .exec<{ bytes: number }>("DELETE FROM quarantine WHERE id = (SELECT min(id) FROM quarantine) RETURNING bytes")
        .toArray();
      if (gone === undefined) break;
      rows--;
      bytes -= gone.bytes;
      dropped++;
    }
    this.#store({ rows, bytes, dropped });
  }

  #store({ rows, bytes, dropped }: Totals): void {
    this.#sql.exec(
      `INSERT INTO quarantine_totals (id, rows, bytes, dropped) VALUES (1, ?, ?, ?)
       ON CONFLICT (id) DO UPDATE SET rows = excluded.rows, bytes = excluded.bytes, dropped = excluded.dropped`,
      rows,
      bytes,
      dropped,
    );
  }
}

/** The longest beginning of a text that fits into so many bytes of UTF-8, whole characters only. */
const cut = (text: string, maxBytes: number): { text: string; bytes: number } => {
  const { read, written } = new TextEncoder().encodeInto(text, new Uint8Array(Math.min(maxBytes, text.length * 3)));
  return { text: text.slice(0, read), bytes: written };
};
