import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export * from "../kit/tables.ts";

/** One row, once the pod is created: the command that made it and the answer it got, repeated to whoever sends it again. */
export const creation = sqliteTable("creation", {
  id: integer("id").primaryKey(),
  request: text("request").notNull(),
  answer: text("answer").notNull(),
});

/** Answers kept under an idempotency key. `at` in milliseconds; no row holds an invitation's token in clear. */
export const commands = sqliteTable(
  "commands",
  {
    subject: text("subject").notNull(),
    command: text("command").notNull(),
    key: text("key").notNull(),
    request: text("request").notNull(),
    answer: text("answer").notNull(),
    at: integer("at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.subject, table.command, table.key] }), index("commands_at").on(table.at)],
);

/** Every invitation ever made, so that one that was used or died is told from one that never was. */
export const invitations = sqliteTable("invitations", {
  tokenHash: text("token_hash").primaryKey(),
  invitation: text("invitation").notNull(),
});

/** What each saga was answered, for good. Without `admitted` it is the tombstone of a saga released before it was admitted. */
export const permits = sqliteTable("permits", {
  saga: text("saga").primaryKey(),
  state: text("state").notNull(),
  admitted: text("admitted"),
  announced: text("announced"),
  ended: text("ended"),
});
