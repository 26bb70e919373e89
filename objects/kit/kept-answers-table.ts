import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

/** Answers kept under idempotency keys, of an actor that keeps some (`kept-answers.ts`). `at` in milliseconds; nothing secret in clear. */
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
