import type { EventLog } from "./event-log.ts";

/** How far the relay had sent when it last looked, and the log's hash there. */
export type Relayed = { seq: number; hash: string };

/** Null until a look has found something sent. */
export const readRelayed = (sql: SqlStorage): Relayed | null => {
  const [row] = sql.exec<Relayed>("SELECT seq, hash FROM relayed WHERE id = 1").toArray();
  return row ?? null;
};

/** Stores the relay's cursor, which no commit does: what is sent again after a crash, consumers know by its seq. */
export const noteRelayed = (sql: SqlStorage, log: EventLog, seq: number): void => {
  const hash = log.hashAt(seq);
  if (seq === 0 || hash === null) return;
  sql.exec(
    `INSERT INTO relayed (id, seq, hash) VALUES (1, ?, ?)
     ON CONFLICT (id) DO UPDATE SET seq = excluded.seq, hash = excluded.hash WHERE relayed.seq < excluded.seq`,
    seq,
    hash,
  );
};
