import type { JsonValue } from "../../schema/events.ts";

/** A snapshot is taken every this many events, so waking folds at most about twice as many. */
export const SNAPSHOT_EVERY = 256;
const KEPT = 2;
const CHUNK = 64_000;

/** JSON in ASCII, so that a chunk's characters are its bytes and no cut goes through a surrogate pair. */
const asciiJson = (value: JsonValue): string =>
  JSON.stringify(value).replace(/[\u0080-\uffff]/g, (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`);

export type Snapshot = { seq: number; hash: string; state: JsonValue };

/** The fold at some seqs, in rows of at most 64 kB. Harmless to delete: the log is the truth. */
export class Snapshots {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** The seqs of the snapshots that are kept, newest first. */
  seqs(): number[] {
    return this.#sql
      .exec<{ seq: number }>("SELECT DISTINCT seq FROM snapshots ORDER BY seq DESC")
      .toArray()
      .map(({ seq }) => seq);
  }

  /** The seq that both snapshots have passed; null while there are not two. */
  older(): number | null {
    return this.seqs()[KEPT - 1] ?? null;
  }

  /** The snapshot at a seq, or null. Throws when its chunks do not make a JSON text. */
  at(seq: number): Snapshot | null {
    const rows = this.#sql
      .exec<{ hash: string; state: string }>("SELECT hash, state FROM snapshots WHERE seq = ? ORDER BY chunk", seq)
      .toArray();
    const [first] = rows;
    if (first === undefined) return null;
    return { seq, hash: first.hash, state: JSON.parse(rows.map((row) => row.state).join("")) as JsonValue };
  }

  /** Forgets those past a seq, all of them by default: then the next waking replays the log from its genesis. */
  drop(after = 0): void {
    this.#sql.exec("DELETE FROM snapshots WHERE seq > ?", after);
  }

  /** Writes the fold at `seq` and drops all but the two newest. Call it inside a transaction. */
  write(seq: number, hash: string, state: JsonValue): void {
    const text = asciiJson(state);
    for (let chunk = 0; chunk * CHUNK < text.length || chunk === 0; chunk++) {
      this.#sql.exec(
        "INSERT OR REPLACE INTO snapshots (seq, chunk, hash, state) VALUES (?, ?, ?, ?)",
        seq,
        chunk,
        hash,
        text.slice(chunk * CHUNK, (chunk + 1) * CHUNK),
      );
    }
    this.#sql.exec(
      "DELETE FROM snapshots WHERE seq NOT IN (SELECT DISTINCT seq FROM snapshots ORDER BY seq DESC LIMIT ?)",
      KEPT,
    );
  }
}
