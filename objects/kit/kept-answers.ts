import { firstDifference, type Result, reject } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { Turn } from "./actor.ts";

/** How long an answer is kept under its idempotency key, milliseconds. */
export const KEPT_MS = 30 * 86_400_000;
/** At most this many rows are pruned in one commit. */
export const PRUNE_BATCH = 500;
export const PRUNE_TIMER = "prune";

type Writing = Pick<Turn<unknown>, "sql" | "timers" | "now">;

/**
 * The answer kept under a key in an actor's `commands`, refused where the key belongs to another request; null when there is
 * neither. Raw SQL: one row by its primary key, inside a turn, where a query builder's work would be repeated for every command.
 */
export const findKept = <A>(sql: SqlStorage, { subject, command, key, request }: CommandKey): Result<A> | null => {
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
    ? { ok: true, value: JSON.parse(row.answer) as A }
    : reject("idempotency_mismatch", "this key was used for another command", { field });
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
  pruneBy(timers, now + KEPT_MS);
};

/** Sees to it that the actor's prune timer comes no later than `at`. */
export const pruneBy = (timers: Writing["timers"], at: number): void => {
  const due = timers.dueAt(PRUNE_TIMER, "");
  if (due === null || at < due) timers.set(PRUNE_TIMER, "", at);
};

/** Forgets the oldest answers that are due. When the next one is; null: none is left. */
export const forgetKept = ({ sql, now }: Pick<Writing, "sql" | "now">): number | null => {
  const due = "SELECT subject, command, key FROM commands WHERE at <= ? ORDER BY at LIMIT ?";
  sql.exec(`DELETE FROM commands WHERE (subject, command, key) IN (${due})`, now - KEPT_MS, PRUNE_BATCH);
  const [oldest] = sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM commands").toArray();
  return oldest?.at == null ? null : oldest.at + KEPT_MS;
};

/** The prune timer of an actor that has nothing else to forget: comes back for the next. */
export const pruneAnswers = (turn: Writing): void => {
  const next = forgetKept(turn);
  if (next === null) turn.timers.clear(PRUNE_TIMER, "");
  else turn.timers.set(PRUNE_TIMER, "", next);
};
