import { changeRoleBody, invitationBody } from "../../../schema/commands.ts";
import { USER_PATTERN } from "../../../schema/ids.ts";
import { reject } from "../../../schema/rejections.ts";
import { invitationResource, membershipResource } from "../../../schema/resources.ts";
import { type Call, defineRoute } from "../route.ts";
import { commandPod } from "./pod-commands.ts";
import { admitAbout, admitToPod } from "./pod-policy.ts";

/** The member a path names; `me` is the caller. */
const memberOf = ({ caller, params }: Pick<Call<unknown, unknown>, "caller" | "params">): string => {
  const named = params.user ?? "";
  return named === "me" ? caller.user : named;
};

const noSuchMember = () => reject("not_found", "no such member");

export const memberRoutes = [
  defineRoute({
    operation: "member.invite",
    method: "POST",
    path: "/v1/pods/{id}/invitations",
    summary: "Invites somebody to a role below one's own. The token is shown once.",
    idempotency: "honoured",
    body: invitationBody,
    admit: admitToPod("member.invite"),
    responses: { 201: { description: "The invitation and its token.", schema: invitationResource } },
    handler: (call) => {
      const { role, expires_in_s } = call.body;
      const command = { type: "invite", role, expires_in_s } as const;
      return commandPod(call, call.seen.pod.id, call.key, command, { request: { role, expires_in: expires_in_s } });
    },
  }),
  defineRoute({
    operation: "member.change_role",
    method: "PATCH",
    path: "/v1/pods/{id}/members/{user}",
    summary: "Changes the role of a member below oneself; `me` is the caller.",
    idempotency: "none",
    body: changeRoleBody,
    admit: admitToPod("member.change_role"),
    responses: { 200: { description: "The member's new role.", schema: membershipResource } },
    handler: async (call) => {
      const user = memberOf(call);
      if (!USER_PATTERN.test(user)) return noSuchMember();
      return commandPod(call, call.seen.pod.id, null, { type: "change_role", user, role: call.body.role });
    },
  }),
  defineRoute({
    operation: "member.remove",
    method: "DELETE",
    path: "/v1/pods/{id}/members/{user}",
    summary: "Removes a member below oneself; `me` leaves the pod.",
    idempotency: "none",
    admit: admitAbout<Call<unknown, unknown>>("member.remove", (call) => ({ member: memberOf(call) })),
    responses: { 204: { description: "They are no longer a member.", schema: null } },
    handler: async (call) => {
      const user = memberOf(call);
      if (!USER_PATTERN.test(user)) return noSuchMember();
      return commandPod(call, call.seen.pod.id, null, { type: "remove", user });
    },
  }),
];
