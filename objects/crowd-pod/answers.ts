import type { Sealed } from "../../schema/charges.ts";
import { NOT_KEPT, type Rejection } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { PodReply } from "../../schema/rpc/pod.ts";
import type { Turn } from "../kit/actor.ts";

/** How long an answer is kept under its idempotency key, milliseconds. */
export const KEPT_MS = 30 * 86_400_000;
/** At most this many rows are pruned in one commit. */
export const PRUNE_BATCH = 500;
export const PRUNE_TIMER = "prune";

type Invitation = Extract<PodReply, { type: "invitation" }>;
/** A reply as it is kept: an invitation's token sealed under its maker's data key, null when there is no key to keep it for. */
export type KeptReply = Exclude<PodReply, Invitation> | (Omit<Invitation, "token"> & { token: Sealed | null });
export type KeptAnswer =
  | { ok: true; reply: KeptReply }
  | { ok: false; rejection: Rejection /** Of the call that was answered first. */; request_id: string };

/** Whether an answer stays under its key: refusals that leave nothing may be tried again with the same key. */
export const isKept = (answer: KeptAnswer): boolean => answer.ok || !NOT_KEPT.has(answer.rejection.code);

// Raw SQL: one row by its primary key, inside a turn, where a query builder's work would be repeated for every command.

/** The answer kept under a key, and the request it was given to; null when there is none. */
export const findAnswer = (
  sql: SqlStorage,
  { subject, command, key }: CommandKey,
): { request: string; answer: KeptAnswer } | null => {
  if (key === null) return null;
  const [row] = sql
    .exec<{ request: string; answer: string }>(
      "SELECT request, answer FROM commands WHERE subject = ? AND command = ? AND key = ?",
      subject,
      command,
      key,
    )
    .toArray();
  return row === undefined ? null : { request: row.request, answer: JSON.parse(row.answer) as KeptAnswer };
};

/** Keeps an answer, and sees to it that it is forgotten in time. Nothing without a key, or for an answer that is not kept. */
export const keepAnswer = (
  { sql, timers, now }: Pick<Turn<unknown>, "sql" | "timers" | "now">,
  { subject, command, key, request }: CommandKey,
  answer: KeptAnswer,
): void => {
  if (key === null || !isKept(answer)) return;
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
export const pruneAnswers = ({ sql, timers, now }: Pick<Turn<unknown>, "sql" | "timers" | "now">): void => {
  sql.exec(
    "DELETE FROM commands WHERE rowid IN (SELECT rowid FROM commands WHERE at <= ? ORDER BY at LIMIT ?)",
    now - KEPT_MS,
    PRUNE_BATCH,
  );
  const [oldest] = sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM commands").toArray();
  if (oldest?.at == null) timers.clear(PRUNE_TIMER, "");
  else timers.set(PRUNE_TIMER, "", oldest.at + KEPT_MS);
};
