import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

// Times are milliseconds since the epoch. After a change here:
// drizzle-kit generate --dialect=sqlite --schema=./sandbox/psp/tables.ts --out=./sandbox/psp/migrations --name=<what>
// and add the new file to migrations.ts.

/** The provider's truth about a payment. `settle_at` is set while it is pending and has a decision coming. */
export const payments = sqliteTable(
  "payments",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    id: text().notNull().unique(),
    reference: text().notNull().unique(),
    key: text().notNull(),
    instrument: text().notNull(),
    capture: integer({ mode: "boolean" }).notNull(),
    status: text({ enum: ["authorised", "captured", "pending", "failed", "voided"] }).notNull(),
    declineReason: text("decline_reason"),
    amount: text().notNull(),
    currency: text().notNull(),
    charge: text().notNull(),
    pod: text().notNull(),
    metadata: text({ mode: "json" }).$type<Record<string, string>>().notNull(),
    createdAt: integer("created_at").notNull(),
    answerAt: integer("answer_at").notNull(),
    settleAt: integer("settle_at"),
  },
  (table) => [
    index("payments_by_charge").on(table.charge),
    index("payments_by_pod").on(table.pod),
    index("payments_to_settle").on(table.settleAt).where(sql`settle_at is not null`),
  ],
);

/** How often a reference was answered with a server error, all that such an attempt leaves behind. */
export const attempts = sqliteTable("attempts", {
  reference: text().primaryKey(),
  failures: integer().notNull(),
});

/** References voided before any payment used them: none ever may. */
export const voidedReferences = sqliteTable("voided_references", {
  reference: text().primaryKey(),
  voidedAt: integer("voided_at").notNull(),
});

/** The answer an idempotency key is bound to; `payment` is null until it is fixed, and not given out before `answer_at`. */
export const answers = sqliteTable(
  "answers",
  {
    reference: text().notNull(),
    key: text().notNull(),
    fingerprint: text().notNull(),
    payment: text(),
    answerAt: integer("answer_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.reference, table.key] }), index("answers_by_expiry").on(table.expiresAt)],
);

/** Webhooks still to be delivered. A delivered one is deleted; the same event may stand here several times. */
export const deliveries = sqliteTable(
  "deliveries",
  {
    seq: integer().primaryKey({ autoIncrement: true }),
    eventId: text("event_id").notNull(),
    body: text().notNull(),
    attempts: integer().notNull(),
    dueAt: integer("due_at").notNull(),
  },
  (table) => [index("deliveries_by_due").on(table.dueAt)],
);
