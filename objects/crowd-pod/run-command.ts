import type { Sealed } from "../../schema/charges.ts";
import { canonicalJson, type Meta } from "../../schema/events.ts";
import type { PodRecord } from "../../schema/pods.ts";
import { type Result, reject } from "../../schema/rejections.ts";
import type { Answered, CommandKey } from "../../schema/rpc/actor.ts";
import type { CreatePod, PodCommand, Viewer } from "../../schema/rpc/pod.ts";
import type { Turn } from "../kit/actor.ts";
import { findKept } from "../kit/kept-answers.ts";
import { type KeptAnswer, type KeptReply, keepAnswer } from "./answers.ts";
import { decide, decideCreate, type Facts, type ReplyDraft } from "./decide.ts";
import { tokenHash } from "./invitation-token.ts";
import type { PodEvent, PodState } from "./state.ts";
import { podRecord } from "./view.ts";

type PodTurn = Turn<PodState>;

/** Appends what was decided and keeps the tables that follow from it. */
export const record = (turn: PodTurn, events: readonly PodEvent[], meta: Meta): void => {
  for (const { type, data } of events) {
    turn.append(type, data, meta);
    if (type !== "member.invited") continue;
    turn.sql.exec("INSERT INTO invitations (token_hash, invitation) VALUES (?, ?)", data.token_hash, data.invitation);
  }
};

/** The turn of a creation: the first command makes the pod, the same again gets the first answer, another is a conflict. */
export const runCreate = (turn: PodTurn, command: CreatePod, meta: Meta): Result<Answered<PodRecord>> => {
  const owner = meta.principal.user;
  const request = canonicalJson({ ...command, owner });
  const [first] = turn.sql
    .exec<{ request: string; answer: string }>("SELECT request, answer FROM creation WHERE id = 1")
    .toArray();
  if (first !== undefined) {
    if (first.request !== request) return reject("conflict", "this pod exists already, made by another command");
    return { ok: true, value: { replayed: true, value: JSON.parse(first.answer) as PodRecord } };
  }
  const decision = decideCreate(command, owner);
  if (!decision.ok) return decision;
  record(turn, decision.events, meta);
  const pod = podRecord(turn.state, turn.head);
  turn.sql.exec("INSERT INTO creation (id, request, answer) VALUES (1, ?, ?)", request, JSON.stringify(pod));
  return { ok: true, value: { replayed: false, value: pod } };
};

export type Order = {
  command: PodCommand;
  key: CommandKey;
  viewer: Viewer;
  meta: Meta;
  /** `invite`: drawn before the turn; sealed when there is a key to keep the answer under. */
  token: string | null;
  sealed: Sealed | null;
};

/** A token has no place in a stored request: comparing its hash tells two commands apart as well. */
const withoutToken = (key: CommandKey, command: PodCommand): CommandKey =>
  command.type === "accept"
    ? { ...key, request: key.request.replaceAll(command.token, tokenHash(command.token)) }
    : key;

const factsFor = (turn: PodTurn, { command, token }: Order): Facts => {
  const { now, sql } = turn;
  if (command.type === "invite" && token !== null) return { now, invitation: { id: turn.ids.next("inv", now), token } };
  if (command.type !== "accept") return { now };
  const found = sql.exec("SELECT 1 FROM invitations WHERE token_hash = ?", tokenHash(command.token)).toArray();
  return { now, issued: found.length > 0 };
};

const keptReply = (reply: ReplyDraft, turn: PodTurn, sealed: Sealed | null): KeptReply => {
  if (reply.type === "pod") return { type: "pod", pod: podRecord(turn.state, turn.head) };
  return reply.type === "invitation" ? { ...reply, token: sealed } : reply;
};

/** The turn of a person's command: the answer kept under its key comes before any guard. */
export const runCommand = (turn: PodTurn, order: Order): { replayed: boolean; answer: KeptAnswer } => {
  const { command, viewer, meta, sealed } = order;
  const key = withoutToken(order.key, command);
  const request_id = meta.correlation;
  const kept = findKept<KeptAnswer>(turn.sql, key);
  if (kept?.ok === false) return { replayed: false, answer: { ...kept, request_id } };
  if (kept !== null) return { replayed: true, answer: kept.value };
  const decision = decide(turn.state, command, viewer, factsFor(turn, order));
  if (decision.ok) record(turn, decision.events, meta);
  const answer: KeptAnswer = decision.ok
    ? { ok: true, reply: keptReply(decision.reply, turn, sealed) }
    : { ok: false, rejection: decision.rejection, request_id };
  keepAnswer(turn, key, answer);
  return { replayed: false, answer };
};
