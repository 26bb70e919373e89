import type { Meta } from "../../schema/events.ts";
import { NOT_KEPT, type Rejection } from "../../schema/rejections.ts";
import type { AccountCommand, AccountCommandAnswer, AccountReply } from "../../schema/rpc/account.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { Turn } from "../kit/actor.ts";
import { findKept, keepUnderKey } from "../kit/kept-answers.ts";
import type { AccountState, PhysicalAccount } from "./account.ts";
import { consequences } from "./consequences.ts";
import { decideCommand } from "./decide-command.ts";
import { blockersOf, describeAccount, monitorRecord } from "./view.ts";

type AccountTurn = Turn<AccountState>;
type Kept = { ok: true; reply: AccountReply } | { ok: false; rejection: Rejection; request_id: string };

/** The turn of an operator's command: the answer kept under its key comes before any guard. */
export const runCommand = (
  turn: AccountTurn,
  account: PhysicalAccount,
  command: AccountCommand,
  open: boolean,
  key: CommandKey,
  meta: Meta,
): AccountCommandAnswer => {
  const request_id = meta.correlation;
  const kept = findKept<Kept>(turn.sql, key);
  if (kept?.ok === false) return { ...kept, request_id, replayed: false };
  if (kept !== null) return answerOf(kept.value, true);
  const decided = decideCommand(account, turn.state, command, open);
  if (!decided.ok) {
    const refusal: Kept = { ok: false, rejection: decided.rejection, request_id };
    if (!NOT_KEPT.has(decided.rejection.code)) keepUnderKey(turn, key, refusal);
    return answerOf(refusal, false);
  }
  for (const { type, data } of decided.value) turn.append(type, data, meta);
  for (const { type, data } of consequences(turn.state)) turn.append(type, data, meta);
  const answer: Kept = { ok: true, reply: replyTo(turn, account, command) };
  keepUnderKey(turn, key, answer);
  return answerOf(answer, false);
};

const answerOf = (kept: Kept, replayed: boolean): AccountCommandAnswer =>
  kept.ok ? { ok: true, value: { replayed, value: kept.reply } } : { ...kept, replayed };

const replyTo = ({ state, head }: AccountTurn, account: PhysicalAccount, command: AccountCommand): AccountReply => {
  if (command.type === "remove_monitor") return { type: "removed" };
  if (command.type === "add_monitor") {
    const watch = state.monitors.get(command.monitor);
    if (watch === undefined) throw new Error(`${command.monitor} was not added`);
    return { type: "monitor", monitor: monitorRecord(command.monitor, watch, account) };
  }
  const record = describeAccount(state, head);
  if (record === null) throw new Error(`${account.name} was not opened`);
  return { type: "account", account: record, blockers: blockersOf(state) };
};
