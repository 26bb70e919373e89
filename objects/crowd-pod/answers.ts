import type { Sealed } from "../../schema/charges.ts";
import { NOT_KEPT, type Rejection } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { PodReply } from "../../schema/rpc/pod.ts";
import type { Turn } from "../kit/actor.ts";
import { keepUnderKey } from "../kit/kept-answers.ts";

type Invitation = Extract<PodReply, { type: "invitation" }>;
/** A reply as it is kept: an invitation's token sealed under its maker's data key, null when there is no key to keep it for. */
export type KeptReply = Exclude<PodReply, Invitation> | (Omit<Invitation, "token"> & { token: Sealed | null });
export type KeptAnswer =
  | { ok: true; reply: KeptReply }
  | { ok: false; rejection: Rejection /** Of the call that was answered first. */; request_id: string };

/** Whether an answer stays under its key: refusals that leave nothing may be tried again with the same key. */
export const isKept = (answer: KeptAnswer): boolean => answer.ok || !NOT_KEPT.has(answer.rejection.code);

/** Keeps an answer, and sees to it that it is forgotten in time. Nothing without a key, or for an answer that is not kept. */
export const keepAnswer = (
  turn: Pick<Turn<unknown>, "sql" | "timers" | "now">,
  key: CommandKey,
  answer: KeptAnswer,
): void => {
  if (isKept(answer)) keepUnderKey(turn, key, answer);
};
