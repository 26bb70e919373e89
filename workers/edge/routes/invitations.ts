import { emptyBody } from "../../../schema/commands.ts";
import { hashParts, parseId } from "../../../schema/ids.ts";
import { reject } from "../../../schema/rejections.ts";
import { membershipResource } from "../../../schema/resources.ts";
import { defineRoute } from "../route.ts";
import { commandPod } from "./pod-commands.ts";

/** A token names its pod before the tilde; the rest is the secret, which only the pod can tell from a wrong one. */
const podOfToken = (token: string): string | null => {
  const [pod = "", secret = ""] = token.split("~");
  return parseId("pod", pod) !== null && /^[A-Za-z0-9_-]{22,128}$/.test(secret) ? pod : null;
};

export const invitationRoutes = [
  defineRoute({
    operation: "invitation.accept",
    method: "POST",
    path: "/v1/invitations/{token}/accept",
    summary: "Joins the pod that an invitation is for.",
    idempotency: "honoured",
    body: emptyBody,
    responses: { 200: { description: "The caller is a member now.", schema: membershipResource } },
    handler: async (call) => {
      const token = call.params.token ?? "";
      const pod = podOfToken(token);
      if (pod === null) return reject("not_found", "no such invitation");
      const resource = Buffer.from(hashParts(token)).toString("base64url");
      return commandPod(call, pod, call.key, { type: "accept", token }, { resource });
    },
  }),
];
