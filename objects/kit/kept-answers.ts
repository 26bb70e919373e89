import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { Turn } from "./actor.ts";

/** How long an answer is kept under its idempotency key, milliseconds. */
export const KEPT_MS = 30 * 86_400_000;
/** At most this many rows are pruned in one commit. */
export const PRUNE_BATCH = 500;
export const PRUNE_TIMER = "prune";

type Writing = Pick<Turn<unknown>, "sql" | "timers" | "now">;

/**
 * Answers kept under idempotency keys, in an actor's `commands(subject, command, key, request, answer, at)`. Raw SQL: one row by its
 * primary key, inside a turn, where a query builder's work would be repeated for every command.
 */
export const findKept = <A>(
  sql: SqlStorage,
  { subject, command, key }: CommandKey,
): { request: string; answer: A } | null => {
  if (key === null) return null;
  const [row] = sql
    .exec<{ request: string; answer: string }>(
      "SELECT request, answer FROM commands WHERE subject = ? AND command = ? AND key = ?",
      subject,
      command,
      key,
    )
    .toArray();
  return row === undefined ? null : { request: row.request, answer: JSON.parse(row.answer) as A };
};

/** Keeps an answer, and sees to it that it is forgotten in time. Nothing without a key. */
export const keepUnderKey = (
  { sql, timers, now }: Writing,
  { subject, command, key, request }: CommandKey,
  answer: unknown,
): void => {
  if (key === null) return;
  sql.exec(
    "INSERT INTO commands (subject, command, key, request, answer, at) VALUES (?, ?, ?, ?, ?, ?)",
    subject,
    command,
    key,
    request,
    JSON.stringify(answer),
    now,
  );
  if (timers.dueAt(PRUNE_TIMER, "") === null) timers.set(PRUNE_TIMER, "", now + KEPT_MS);
};

/** The prune timer: forgets the oldest answers that are due, and comes back for the next. */
export const pruneAnswers = ({ sql, timers, now }: Writing): void => {
  sql.exec(
    "DELETE FROM commands WHERE rowid IN (SELECT rowid FROM commands WHERE at <= ? ORDER BY at LIMIT ?)",
    now - KEPT_MS,
    PRUNE_BATCH,
  );
  const [oldest] = sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM commands").toArray();
  if (oldest?.at == null) timers.clear(PRUNE_TIMER, "");
  else timers.set(PRUNE_TIMER, "", oldest.at + KEPT_MS);
};
