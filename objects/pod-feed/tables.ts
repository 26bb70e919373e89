import { index, integer, sqliteTable, text } from "drizzle-orm/sqlite-core";

/**
 * Unspent tickets, by SHA-256 (hex): what is stored opens nothing. Everything else a feed needs rides in its sockets' attachments
 * or is the pod's. Times in milliseconds of real time, as tokens are judged.
 */
export const tickets = sqliteTable(
  "tickets",
  {
    hash: text("hash").primaryKey(),
    user: text("user").notNull(),
    operator: integer("operator").notNull(),
    tokenEndsAt: integer("token_ends_at").notNull(),
    expiresAt: integer("expires_at").notNull(),
  },
  (table) => [index("tickets_user").on(table.user), index("tickets_expires_at").on(table.expiresAt)],
);
