import { firstDifference, type Result, reject } from "../../schema/rejections.ts";
import type { Answered, CommandKey } from "../../schema/rpc/actor.ts";
import type { QuoteRecord } from "../../schema/rpc/desk.ts";

/** How long a quote is kept under its idempotency key, milliseconds. */
export const KEY_KEPT_MS = 30 * 86_400_000;

// Raw SQL: one row by its primary key, inside a turn.

/** The quote given under a key, or that the key belongs to another request; null when there is neither. */
export const findAnswer = (
  sql: SqlStorage,
  { subject, command, key, request }: CommandKey,
): Result<Answered<QuoteRecord>> | null => {
  if (key === null) return null;
  const [row] = sql
    .exec<{ request: string; answer: string }>(
      "SELECT request, answer FROM commands WHERE subject = ? AND command = ? AND key = ?",
      subject,
      command,
      key,
    )
    .toArray();
  if (row === undefined) return null;
  const field = firstDifference(JSON.parse(row.request), JSON.parse(request));
  return field === null
    ? { ok: true, value: { replayed: true, value: JSON.parse(row.answer) as QuoteRecord } }
    : reject("idempotency_mismatch", "this key was used for another command", { field });
};

/** Keeps a quote under its key. Answers when it is forgotten, null: there is no key. */
export const keepAnswer = (
  sql: SqlStorage,
  { subject, command, key, request }: CommandKey,
  quote: QuoteRecord,
  nowMs: number,
): number | null => {
  if (key === null) return null;
  sql.exec(
    "INSERT INTO commands (subject, command, key, request, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
    subject,
    command,
    key,
    request,
    JSON.stringify(quote),
    nowMs,
  );
  return nowMs + KEY_KEPT_MS;
};

/** Forgets at most `limit` quotes whose keys are over. */
export const pruneAnswers = (sql: SqlStorage, nowMs: number, limit: number): void => {
  sql.exec(
    "DELETE FROM commands WHERE rowid IN (SELECT rowid FROM commands WHERE at <= ? ORDER BY at LIMIT ?)",
    nowMs - KEY_KEPT_MS,
    limit,
  );
};

/** When the next key is over; null: there is none. */
export const nextKeyEnd = (sql: SqlStorage): number | null => {
  const [row] = sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM commands").toArray();
  return row?.at == null ? null : row.at + KEY_KEPT_MS;
};
