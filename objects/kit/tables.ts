import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The tables every actor has. An actor's own `tables.ts` re-exports them beside its own, so that one migration makes both. */

/**
 * The log, a row a commit (`log-rows.ts`): `seq` of its last event, and a line an event in `body`, the hashed texts, stored once and never
 * serialised again, and in `hash`, which chains them. `summary`: what the fold must arrive at there; null in a row with which no commit ends.
 */
export const events = sqliteTable("events", {
  seq: integer("seq").primaryKey(),
  body: text("body").notNull(),
  hash: text("hash").notNull(),
  summary: text("summary"),
});

/** One row: how far the relay had sent when it last looked, and the log's hash there: what the log cannot be shorter than, or other. */
export const relayed = sqliteTable("relayed", {
  id: integer("id").primaryKey(),
  seq: integer("seq").notNull(),
  hash: text("hash").notNull(),
});

/** The fold at a seq, in chunks. Two are kept; deleting all of them is harmless. */
export const snapshots = sqliteTable(
  "snapshots",
  {
    seq: integer("seq").notNull(),
    chunk: integer("chunk").notNull(),
    hash: text("hash").notNull(),
    state: text("state").notNull(),
  },
  (table) => [primaryKey({ columns: [table.seq, table.chunk] })],
);

/** Many timers over the object's one alarm. `due_at` in milliseconds of our clock. */
export const timers = sqliteTable(
  "timers",
  {
    kind: text("kind").notNull(),
    key: text("key").notNull(),
    dueAt: integer("due_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.kind, table.key] })],
);

/** Data keys by subject, wrapped by the key-encryption key. Deleting a row shreds what was sealed under it here. */
export const subjectKeys = sqliteTable("subject_keys", {
  subject: text("subject").primaryKey(),
  keyId: text("key_id").notNull(),
  wrapped: text("wrapped").notNull(),
});
