import { type ChargeRecord, chargeOf } from "../../schema/charges.ts";
import { hashParts } from "../../schema/ids.ts";
import { firstDifference, NOT_KEPT, type Rejection, reject } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import type { ShardTurn } from "./journal.ts";

/** HTTP keys are kept this long, transfer ids longer than any id may be old. Milliseconds. */
export const KEY_LIFE_MS = 30 * 86_400_000;
export const TRANSFER_LIFE_MS = 400 * 86_400_000;
export const PRUNE_TIMER = "prune";
export const PRUNE_EVERY_MS = 6 * 3_600_000;

/** An idempotent command as it is remembered. `status` stays `open` until the first answer is fixed. */
export type CommandRow = {
  scope: string;
  target: string;
  request: string;
  request_id: string;
  status: "open" | "201" | "202" | "problem";
  answer: string | null;
};

/** Nobody meets another's key: the scope is subject, command, resource and key, each length-prefixed. */
export const scopeOf = (subject: string, command: string, resource: string, key: string): string =>
  `key:${Buffer.from(hashParts(subject, command, resource, key)).toString("base64url")}`;

export const transferScope = (id: string): string => `transfer:${id}`;

export const findCommand = (sql: SqlStorage, scope: string): CommandRow | null => {
  const [row] = sql
    .exec<CommandRow>("SELECT scope, target, request, request_id, status, answer FROM commands WHERE scope = ?", scope)
    .toArray();
  return row ?? null;
};

/** Null when the command is the one that was given before; else the refusal that names the first field that differs. */
export const mismatch = (row: CommandRow, request: string): Rejection | null => {
  if (row.request === request) return null;
  const field = firstDifference(JSON.parse(row.request), JSON.parse(request)) ?? "/";
  return reject("idempotency_mismatch", `this key was used for another command: ${field} differs`, { field }).rejection;
};

/** Remembers a command under its scope, its answer open where none is given, and sees to it that it is forgotten in time. */
export const rememberCommand = (
  turn: ShardTurn,
  command: Pick<CommandRow, "scope" | "target" | "request" | "request_id"> & Partial<CommandRow>,
): void => {
  const { scope, target, request, request_id, status = "open", answer = null } = command;
  turn.sql.exec(
    "INSERT INTO commands (scope, target, request, request_id, status, answer, created_at) VALUES (?, ?, ?, ?, ?, ?, ?)",
    scope,
    target,
    request,
    request_id,
    status,
    answer,
    turn.now,
  );
  if (turn.timers.dueAt(PRUNE_TIMER, "") === null) turn.timers.set(PRUNE_TIMER, "", turn.now + PRUNE_EVERY_MS);
};

/** The command whose answer the end of a saga fixes. */
const OF_SAGA = "scope = (SELECT scope FROM sagas WHERE id = ?)";

/** Fixes the first answer of whatever began this saga, once: later answers leave it as it is. */
export const fixAnswer = (
  turn: ShardTurn,
  saga: string,
  status: "201" | "202" | "problem",
  answer: string | null,
): void => {
  turn.sql.exec(
    `UPDATE commands SET status = ?, answer = ? WHERE ${OF_SAGA} AND status = 'open'`,
    status,
    answer,
    saga,
  );
};

/** What is fixed for the command that began this saga, and the call that was answered first; null when it was not kept. */
export const findAnswer = (sql: SqlStorage, saga: string): Pick<CommandRow, "status" | "request_id"> | null => {
  const [row] = sql
    .exec<Pick<CommandRow, "status" | "request_id">>(`SELECT status, request_id FROM commands WHERE ${OF_SAGA}`, saga)
    .toArray();
  return row ?? null;
};

/**
 * The end of a saga fixes the answer in the same commit: the resource as it ended, or the problem. Refusals that may be tried
 * again under the same key are forgotten instead; a transfer's own id is spent with its first answer, whatever that was, because
 * the accounts remember it. A parked saga has an answer only if it was refused before it was parked.
 */
export const fixEnd = (turn: ShardTurn, saga: Saga, resource: (saga: Saga) => unknown): void => {
  if (isLive(saga)) return;
  if (saga.failure?.cause !== "refused") {
    if (saga.status !== "parked") fixAnswer(turn, saga.id, "201", JSON.stringify(resource(saga)));
    return;
  }
  const { rejection } = saga.failure;
  const kept = saga.kind === "ledger_transfer" || !NOT_KEPT.has(rejection.code);
  if (kept) fixAnswer(turn, saga.id, "problem", JSON.stringify(rejection));
  else turn.sql.exec(`DELETE FROM commands WHERE ${OF_SAGA} AND status = 'open'`, saga.id);
};

/** Commands looked at in one turn for those past their life. */
const PRUNE_PAGE = 1_000;

/**
 * Forgets the commands past their life among the next few in the order of their scopes. An index by age would be written with every
 * command; reading all of them now and then costs a thousandth of that. The scope to go on after; null at the end.
 */
export const forgetOld = (turn: ShardTurn, after: string): string | null => {
  const page = turn.sql
    .exec<{ scope: string; created_at: number }>(
      "SELECT scope, created_at FROM commands WHERE scope > ? ORDER BY scope LIMIT ?",
      after,
      PRUNE_PAGE,
    )
    .toArray();
  const lifeOf = (scope: string): number => (scope.startsWith("key:") ? KEY_LIFE_MS : TRANSFER_LIFE_MS);
  const old = page.filter(({ scope, created_at }) => created_at < turn.now - lifeOf(scope)).map(({ scope }) => scope);
  if (old.length > 0) {
    turn.sql.exec("DELETE FROM commands WHERE scope IN (SELECT value FROM json_each(?))", JSON.stringify(old));
  }
  return page.length < PRUNE_PAGE ? null : (page.at(-1)?.scope ?? null);
};

export const requireCharge = (saga: Saga): ChargeRecord => {
  const charge = chargeOf(saga);
  if (charge === null) throw new Error(`${saga.id} has no charge`);
  return charge;
};

export const keyOf = (key: CommandKey, resource: string): string | null =>
  key.key === null ? null : scopeOf(key.subject, key.command, resource, key.key);
