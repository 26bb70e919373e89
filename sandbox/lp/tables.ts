import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

// Times are milliseconds since the epoch. After a change here: npm run migrations sandbox-lp

/** One row: how the provider behaves until it is told otherwise. */
export const behaviour = sqliteTable("behaviour", {
  id: integer().primaryKey(),
  change: text().notNull(),
});

/** Quotes given; `firm_until` is when one can no longer be traded. */
export const quotes = sqliteTable("quotes", {
  id: text().primaryKey(),
  terms: text().notNull(),
  firmUntil: integer("firm_until").notNull(),
});

/** Every trade ever made: the provider's truth. A reference and a quote are traded once. */
export const trades = sqliteTable("trades", {
  seq: integer().primaryKey({ autoIncrement: true }),
  id: text().notNull().unique(),
  reference: text().notNull().unique(),
  quote: text().notNull().unique(),
  terms: text().notNull(),
  at: integer().notNull(),
});

/** References cancelled before any trade used them: none ever may. */
export const cancelledReferences = sqliteTable("cancelled_references", {
  reference: text().primaryKey(),
  at: integer().notNull(),
});
