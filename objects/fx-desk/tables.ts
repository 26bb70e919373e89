import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export { commands } from "../kit/kept-answers-table.ts";
export * from "../kit/tables.ts";

/** Quotes given, as they were given: `terms` is the record without its status. Times in milliseconds. */
export const quotes = sqliteTable(
  "quotes",
  {
    id: text("id").primaryKey(),
    subject: text("subject").notNull(),
    terms: text("terms").notNull(),
    expiresAt: integer("expires_at").notNull(),
    /** The saga that accepted it, the first and only one; null: nobody yet. */
    saga: text("saga"),
    /** When the row is forgotten; null while a deal rests on it. */
    pruneAt: integer("prune_at"),
  },
  (table) => [index("quotes_by_prune").on(table.pruneAt)],
);

/** What each saga has come to, for good. `hedge`: the last attempt to cover it, or the fill. */
export const deals = sqliteTable(
  "deals",
  {
    saga: text("saga").primaryKey(),
    state: text("state", { enum: ["accepted", "released", "tombstone", "converted"] }).notNull(),
    deal: text("deal").notNull(),
    hedge: text("hedge"),
    /** When the row is forgotten; null while it is accepted, or converted and not hedged. */
    pruneAt: integer("prune_at"),
  },
  (table) => [index("deals_by_prune").on(table.pruneAt)],
);
