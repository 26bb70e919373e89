import { canonicalJson } from "../../../schema/events.ts";
import type { PodCommand, PodReply } from "../../../schema/rpc/pod.ts";
import { podWithBalances } from "../pod-resource.ts";
import { type Answer, answer, type Call, metaInPod } from "../route.ts";

const replyTo = async (
  pod: string,
  reply: PodReply,
  call: Call<unknown, unknown>,
  replayed: boolean,
): Promise<Answer> => {
  switch (reply.type) {
    case "pod":
      return answer(200, await podWithBalances(reply.pod, call.actors), { replayed });
    case "invitation":
      return answer(201, { id: reply.id, token: reply.token, expires_at: reply.expires_at }, { replayed });
    case "joined":
      return answer(200, { pod: reply.pod, user: reply.user, role: reply.role }, { replayed });
    case "member":
      return answer(200, { pod, user: reply.user, role: reply.role }, { replayed });
    case "removed":
      return answer(204, null, { replayed });
  }
};

/** How a command is told from others under one key, where that is not by the command as the pod takes it. */
type Compared = {
  /** What is compared, in the caller's own field names: a mismatch points into it. */
  request?: unknown;
  /** What inside the pod the command is about: the same key about another one is another key. Never a secret in clear. */
  resource?: string;
};

/**
 * Sends a command to a pod under the caller's key and answers what it came to. The pod decides by its own table of members
 * again: a role may have changed since the edge looked.
 */
export const commandPod = async (
  call: Call<unknown, unknown>,
  pod: string,
  key: string | null,
  command: PodCommand,
  { request = command, resource }: Compared = {},
): Promise<Answer> => {
  const { user, operator } = call.caller;
  const name = resource === undefined ? `pod.${command.type}` : `pod.${command.type} ${resource}`;
  const commandKey = { subject: user, command: name, key, request: canonicalJson(request) };
  const result = await call.actors.pod(pod)((actor) =>
    actor.command(command, commandKey, { user, operator }, metaInPod(call)),
  );
  if (!result.ok) return result;
  return replyTo(pod, result.value.value, call, result.value.replayed);
};
