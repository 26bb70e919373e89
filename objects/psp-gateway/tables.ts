import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export * from "../kit/tables.ts";

/** Incoming messages that could not be verified or routed, as they came. `bytes` is of the body, UTF-8. */
export const quarantine = sqliteTable(
  "quarantine",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    /** As the one who took it in says. */
    receivedAt: text("received_at").notNull(),
    /** By this actor's clock, milliseconds: what its age is counted from. */
    storedAt: integer("stored_at").notNull(),
    source: text("source").notNull(),
    reason: text("reason").notNull(),
    bytes: integer("bytes").notNull(),
    body: text("body").notNull(),
  },
  (table) => [index("quarantine_by_age").on(table.storedAt)],
);

/** One row: what the quarantine holds, so that its bounds cost no scan, and how many rows had to make room. */
export const quarantineTotals = sqliteTable("quarantine_totals", {
  id: integer("id").primaryKey(),
  rows: integer("rows").notNull(),
  bytes: integer("bytes").notNull(),
  dropped: integer("dropped").notNull(),
});
