import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** The tables every actor has. An actor's own `tables.ts` re-exports them beside its own, so that one migration makes both. */

/** The log. `body` is the hashed text, stored once and never serialised again; `hash` chains it. */
export const events = sqliteTable("events", {
  seq: integer("seq").primaryKey(),
  body: text("body").notNull(),
  hash: text("hash").notNull(),
});

/** One row: what the fold must arrive at when the actor wakes, and how far the relay has sent. */
export const actorState = sqliteTable("actor_state", {
  id: integer("id").primaryKey(),
  seq: integer("seq").notNull(),
  hash: text("hash").notNull(),
  summary: text("summary").notNull(),
  sentUpto: integer("sent_upto").notNull(),
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
