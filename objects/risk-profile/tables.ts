import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export * from "../kit/tables.ts";

/** The first answer to each saga, and what it counts for. `eur_minor` is text: nothing sums it here. */
export const assessments = sqliteTable("assessments", {
  saga: text("saga").primaryKey(),
  state: text("state", {
    enum: ["counted", "refused", "released", "tombstone", "declined"],
  }).notNull(),
  decision: text("decision").notNull(),
  charge: text("charge"),
  eurMinor: text("eur_minor").notNull(),
  instrument: text("instrument"),
  /** When the first answer was given, milliseconds: the moment the windows count it at, and what it is pruned by. */
  at: integer("at").notNull(),
});
