import { parseId } from "../../../schema/ids.ts";
import type { Role } from "../../../schema/permissions.ts";
import { accept, type Refused, type Result, reject } from "../../../schema/rejections.ts";
import type { PodSeen } from "../../../schema/rpc/pod.ts";
import type { Actors } from "../actors.ts";
import { authorize, type Caller, type Operation, type PolicyContext } from "../authorize.ts";

type Asker = { caller: Caller; actors: Actors };

/** One refusal for a pod that is not there, one that is none of the caller's business, and an id that is none. */
export const noSuchPod = (): Refused => reject("not_found", "no such pod");

/** The pod as the caller may see it, from its own actor; null when there is nothing for them to see. */
export const lookAtPod = async ({ caller, actors }: Asker, id: string): Promise<PodSeen | null> => {
  if (parseId("pod", id) === null) return null;
  return actors.pod(id)((pod) => pod.see({ user: caller.user, operator: caller.operator }));
};

/** The policy port's decision about a pod operation, as a refusal or leave to go on. */
export const decideInPod = (
  operation: Operation,
  caller: Caller,
  role: Role | null,
  about: Pick<PolicyContext, "payer" | "member"> = {},
): Result<null> => {
  const decision = authorize(operation, { caller, role, ...about });
  return decision.allow ? accept(null) : reject("forbidden", decision.detail, { reason: decision.reason });
};

type Addressed = Asker & { params: Readonly<Record<string, string>> };

const admit = async (
  call: Addressed,
  operation: Operation,
  about: Pick<PolicyContext, "payer" | "member">,
): Promise<Result<PodSeen>> => {
  const seen = await lookAtPod(call, call.params.id ?? "");
  if (seen === null) return noSuchPod();
  const decision = decideInPod(operation, call.caller, seen.role, about);
  return decision.ok ? accept(seen) : decision;
};

/** The policy step of every route under `/v1/pods/{id}`: may the caller know of the pod, and do this there? */
export const admitToPod = (operation: Operation) => (call: Addressed) => admit(call, operation, {});

/** The same where the decision depends on whom the command is about. */
export const admitAbout =
  <C extends Addressed>(operation: Operation, about: (call: C) => Pick<PolicyContext, "payer" | "member">) =>
  (call: C) =>
    admit(call, operation, about(call));
