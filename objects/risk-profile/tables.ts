import { integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

export * from "../kit/tables.ts";

/** The first answer to each saga, and what its reservation holds. `eur_minor` is text: nothing sums it here. */
export const assessments = sqliteTable("assessments", {
  saga: text("saga").primaryKey(),
  state: text("state", {
    enum: ["reserved", "refused", "released", "tombstone", "succeeded", "declined"],
  }).notNull(),
  decision: text("decision").notNull(),
  charge: text("charge"),
  eurMinor: text("eur_minor").notNull(),
  instrument: text("instrument"),
  /** When the saga ended here, milliseconds; null while it is reserved, so that an open one is never pruned. */
  endedAt: integer("ended_at"),
});
