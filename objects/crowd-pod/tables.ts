import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export { commands } from "../kit/kept-answers-table.ts";
export * from "../kit/tables.ts";

/** One row, once the pod is created: the command that made it and the answer it got, repeated to whoever sends it again. */
export const creation = sqliteTable("creation", {
  id: integer("id").primaryKey(),
  request: text("request").notNull(),
  answer: text("answer").notNull(),
});

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
