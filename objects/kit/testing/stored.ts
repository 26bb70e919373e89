import { type StoredEvent, type StoredRow, unpackRow } from "../log-rows.ts";

/** The events of an object's own log, as they are stored, oldest first. */
export const storedEvents = (sql: SqlStorage): StoredEvent[] =>
  sql.exec<StoredRow>("SELECT seq, body, hash FROM events ORDER BY seq").toArray().flatMap(unpackRow);

/** Changes events where they are stored, oldest first, as somebody who holds the file could. */
export const rewriteEvents = (sql: SqlStorage, change: (event: StoredEvent) => StoredEvent): void => {
  for (const row of sql.exec<StoredRow>("SELECT seq, body, hash FROM events ORDER BY seq").toArray()) {
    const events = unpackRow(row).map(change);
    const [bodies, hashes] = [events.map(({ body }) => body), events.map(({ hash }) => hash)];
    sql.exec("UPDATE events SET body = ?, hash = ? WHERE seq = ?", bodies.join("\n"), hashes.join("\n"), row.seq);
  }
};

/** Changes one event's text, and nothing else. */
export const rewriteEvent = (sql: SqlStorage, seq: number, change: (body: string) => string): void =>
  rewriteEvents(sql, (event) => (event.seq === seq ? { ...event, body: change(event.body) } : event));

/** Notes that everything was sent, as the relay does when it looks. */
export const noteAllSent = (sql: SqlStorage): void => {
  const last = storedEvents(sql).at(-1);
  if (last !== undefined)
    sql.exec("INSERT OR REPLACE INTO relayed (id, seq, hash) VALUES (1, ?, ?)", last.seq, last.hash);
};
