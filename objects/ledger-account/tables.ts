import { sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { WordState } from "./decide.ts";

export { commands } from "../kit/kept-answers-table.ts";
export { events, relayed, snapshots, timers } from "../kit/tables.ts";

/**
 * This account's word on every transfer it was ever asked about: the first one stands, a no as much as a yes. A refused or
 * tombstoned transfer has no event, so its legs are kept here alone.
 */
export const transfers = sqliteTable("transfers", {
  transfer: text("transfer").primaryKey(),
  /** Hash of the whole transfer, legs at other accounts included. */
  bodyHash: text("body_hash").notNull(),
  saga: text("saga").notNull(),
  state: text("state").$type<WordState>().notNull(),
  /** The answer as it was given, JSON. */
  answer: text("answer").notNull(),
  /** This account's legs, canonical JSON. */
  legs: text("legs").notNull(),
  /** The legs that were posted where those are less than was held, canonical JSON; null: all of them. */
  posts: text("posts"),
  charge: text("charge"),
  pod: text("pod"),
  /** When this word was given, RFC 3339. */
  at: text("at").notNull(),
});
