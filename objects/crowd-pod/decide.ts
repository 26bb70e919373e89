import { mayInPod, type PodPermission, type Role } from "../../schema/permissions.ts";
import { INVITATION_TTL_S, POD_LIMITS } from "../../schema/pods.ts";
import { type Refused, reject } from "../../schema/rejections.ts";
import type { CreatePod, PodCommand, PodReply, Viewer } from "../../schema/rpc/pod.ts";
import { tokenHash } from "./invitation-token.ts";
import { mayGrant } from "./ranks.ts";
import { ownersOf, type PodEvent, type PodState, type Profile } from "./state.ts";

/** What a command is answered; the pod itself is added as it stands after the events. */
export type ReplyDraft = { type: "pod" } | Exclude<PodReply, { type: "pod" }>;
export type Decision = { ok: true; events: PodEvent[]; reply: ReplyDraft } | Refused;

/** What a decision may not fetch for itself. */
export type Facts = {
  now: number;
  /** `invite`: drawn for this command. */
  invitation?: { id: string; token: string };
  /** `accept`: whether a token with this hash was ever given out. */
  issued?: boolean;
};

/** One sentence for a pod that is not there and one that the caller may not know of. */
export const noSuchPod = (): Refused => reject("not_found", "no such pod");
const noSuchInvitation = (): Refused => reject("not_found", "no such invitation");

const invalid = (pointer: string, detail: string): Refused =>
  reject("invalid_request", detail, { errors: [{ pointer, detail }] });

const done = (reply: ReplyDraft, ...events: PodEvent[]): Decision => ({ ok: true, events, reply });

/**
 * A pod's beginning: it exists from the first commit with its owner in it. Guards, in order: name length, number of currencies,
 * each once, home currency among them, goal in one of them.
 */
export const decideCreate = (command: CreatePod, owner: string): Refused | { ok: true; events: PodEvent[] } => {
  const { pod, name, currencies, home_currency, goal } = command;
  if (name.length < 1 || name.length > POD_LIMITS.nameLength) return nameOutOfBounds();
  if (currencies.length < 1 || currencies.length > POD_LIMITS.currencies) {
    return invalid("/currencies", `a pod keeps 1 to ${POD_LIMITS.currencies} currencies`);
  }
  if (new Set(currencies).size !== currencies.length) return invalid("/currencies", "each currency once");
  if (!currencies.includes(home_currency)) return invalid("/home_currency", "must be one of the pod's currencies");
  if (goal !== null && !currencies.includes(goal.currency)) return notKept(goal.currency);
  return {
    ok: true,
    events: [
      { type: "pod.created", data: { ...command, owner } },
      { type: "member.joined", data: { pod, user: owner, role: "owner", invitation: null } },
    ],
  };
};

/**
 * A person's command on a pod. Guards, in order:
 * 1. there is a pod, and the viewer is a member or the operator (`accept`: anybody) – else not_found, in the same words;
 * 2. an operator holds no role here – forbidden;
 * 3. the role's right by the table – forbidden (leaving needs none);
 * 4. the pod's status – pod_not_active. A freeze stops money: names, roles and invitations go on. A closing pod takes nobody new;
 * 5. the command's own, as its function lists them.
 */
export const decide = (state: PodState, command: PodCommand, viewer: Viewer, facts: Facts): Decision => {
  if (command.type === "accept") return accept(state, command.token, viewer, facts);
  const { profile } = state;
  const own = state.members.get(viewer.user)?.role;
  if (profile === null || (own === undefined && !viewer.operator)) return noSuchPod();
  if (own === undefined) return operatorHoldsNoRole();
  const context = { state, profile, own, viewer, facts };
  if (command.type === "remove" && command.user === viewer.user) return leave(context);
  const permission = PERMISSION_FOR[command.type];
  if (!mayInPod(own, permission)) return mayNot(own, permission);
  if (STOPPED_BY_CLOSING.has(command.type) && isClosing(state)) return notActive(state);
  switch (command.type) {
    case "rename":
      return rename(context, command.name);
    case "freeze":
      return freeze(context, command.reason);
    case "unfreeze":
      return unfreeze(context, command.reason);
    case "invite":
      return invite(context, command);
    case "change_role":
      return changeRole(context, command);
    case "remove":
      return remove(context, command.user);
  }
};

type Context = { state: PodState; profile: Profile; own: Role; viewer: Viewer; facts: Facts };
type Of<T extends PodCommand["type"]> = Extract<PodCommand, { type: T }>;

const PERMISSION_FOR: Readonly<Record<Exclude<PodCommand["type"], "accept">, PodPermission>> = {
  rename: "pod.update",
  freeze: "pod.freeze",
  unfreeze: "pod.unfreeze",
  invite: "member.invite",
  change_role: "member.change_role",
  remove: "member.remove",
};
const STOPPED_BY_CLOSING: ReadonlySet<PodCommand["type"]> = new Set(["rename", "freeze", "invite"]);

const isClosing = ({ status }: PodState): boolean => status === "closing" || status === "closed";

export const notActive = ({ status }: PodState): Refused => reject("pod_not_active", `the pod is ${status}`);

export const mayNot = (role: Role, permission: PodPermission): Refused =>
  reject("forbidden", `the role ${role} may not do this`, { reason: `role_may_not_${permission}` });

export const notKept = (currency: string): Refused =>
  reject("currency_mismatch", `${currency} is not one of the pod's currencies`);

const operatorHoldsNoRole = (): Refused =>
  reject("forbidden", "an operator reads any pod and holds no role in it", { reason: "operator_holds_no_role" });

const aboveOwnRank = (): Refused =>
  reject("forbidden", "nobody grants or takes a role at or above their own", { reason: "role_not_below_own" });

const nameOutOfBounds = (): Refused => invalid("/name", `a name has 1 to ${POD_LIMITS.nameLength} characters`);

const lastOwner = (): Refused => reject("conflict", "a pod keeps at least one owner");

const tooLong = (reason: string | null): boolean => (reason?.length ?? 0) > POD_LIMITS.reasonLength;
const reasonTooLong = (): Refused => invalid("/reason", `a reason has at most ${POD_LIMITS.reasonLength} characters`);

/** Guards: length of the name. The same name is no event. */
const rename = ({ profile }: Context, name: string): Decision => {
  if (name.length < 1 || name.length > POD_LIMITS.nameLength) return nameOutOfBounds();
  if (name === profile.name) return done({ type: "pod" });
  return done({ type: "pod" }, { type: "pod.updated", data: { pod: profile.id, name } });
};

/** Guards: length of the reason. A frozen pod stays as it is, without an event. */
const freeze = ({ state, profile }: Context, reason: string | null): Decision => {
  if (tooLong(reason)) return reasonTooLong();
  if (state.status === "frozen") return done({ type: "pod" });
  return done({ type: "pod" }, { type: "pod.frozen", data: { pod: profile.id, reason } });
};

/** Guards: length of the reason; the pod is frozen, else conflict. */
const unfreeze = ({ state, profile }: Context, reason: string | null): Decision => {
  if (tooLong(reason)) return reasonTooLong();
  if (state.status !== "frozen") return reject("conflict", `the pod is ${state.status}, not frozen`);
  return done({ type: "pod" }, { type: "pod.unfrozen", data: { pod: profile.id, reason } });
};

/** Guards: the role is the inviter's to give; the life asked for; room for one more open invitation. */
const invite = ({ state, profile, own, viewer, facts }: Context, command: Of<"invite">): Decision => {
  const { role, expires_in_s } = command;
  if (!mayGrant(own, role)) return aboveOwnRank();
  if (!Number.isInteger(expires_in_s) || expires_in_s < INVITATION_TTL_S.min || expires_in_s > INVITATION_TTL_S.max) {
    return invalid("/expires_in", "an invitation lives from 1 minute to 30 days");
  }
  const now = new Date(facts.now).toISOString();
  const open = [...state.invitations.values()].filter(({ expires_at }) => expires_at > now).length;
  if (open >= POD_LIMITS.openInvitations) {
    return reject("limit_exceeded", `a pod has at most ${POD_LIMITS.openInvitations} open invitations`);
  }
  if (facts.invitation === undefined) throw new Error("no token was drawn for an invitation");
  const { id, token } = facts.invitation;
  const expires_at = new Date(facts.now + expires_in_s * 1000).toISOString();
  return done(
    { type: "invitation", id, token, expires_at },
    {
      type: "member.invited",
      data: { pod: profile.id, invitation: id, role, token_hash: tokenHash(token), expires_at, by: viewer.user },
    },
  );
};

/**
 * Joining. Guards, in order: there is a pod; an operator holds no role (a member with the scope is judged by what follows); such
 * a token was given out – not_found, in the same words as for no pod; not a member yet – conflict; the invitation is unused,
 * unexpired and its maker may still make it – invitation_expired; the pod is not closing – pod_not_active; room for a member.
 */
const accept = (state: PodState, token: string, { user, operator }: Viewer, facts: Facts): Decision => {
  const { profile } = state;
  if (profile === null) return noSuchInvitation();
  if (operator && !state.members.has(user)) return operatorHoldsNoRole();
  if (facts.issued !== true) return noSuchInvitation();
  if (state.members.has(user)) return reject("conflict", "already a member of this pod");
  const invitation = state.invitations.get(tokenHash(token));
  if (invitation === undefined || invitation.expires_at <= new Date(facts.now).toISOString()) {
    return reject("invitation_expired", "the invitation was used, has expired or was withdrawn");
  }
  if (isClosing(state)) return notActive(state);
  if (state.members.size >= POD_LIMITS.members) {
    return reject("limit_exceeded", `a pod has at most ${POD_LIMITS.members} members`);
  }
  const { id, role } = invitation;
  return done(
    { type: "joined", pod: profile.id, user, role },
    { type: "member.joined", data: { pod: profile.id, user, role, invitation: id } },
  );
};

const noSuchMember = (): Refused => reject("not_found", "no such member");

/** Guards: the member is there; both roles are below one's own, owners aside; an owner stays. The same role is no event. */
const changeRole = ({ state, profile, own }: Context, { user, role }: Of<"change_role">): Decision => {
  const target = state.members.get(user);
  if (target === undefined) return noSuchMember();
  if (!mayGrant(own, target.role) || !mayGrant(own, role)) return aboveOwnRank();
  if (target.role === role) return done({ type: "member", user, role });
  if (target.role === "owner" && ownersOf(state) === 1) return lastOwner();
  return done(
    { type: "member", user, role },
    { type: "member.role_changed", data: { pod: profile.id, user, from: target.role, to: role } },
  );
};

/** Guards: the member is there; the role is below one's own, owners aside. Open permits of who is removed run on. */
const remove = ({ state, profile, own }: Context, user: string): Decision => {
  const target = state.members.get(user);
  if (target === undefined) return noSuchMember();
  if (!mayGrant(own, target.role)) return aboveOwnRank();
  return done(
    { type: "removed" },
    { type: "member.removed", data: { pod: profile.id, user, role: target.role, left: false } },
  );
};

/** Anyone may leave, whatever the pod's status, but the last owner. */
const leave = ({ state, profile, own, viewer }: Context): Decision => {
  if (own === "owner" && ownersOf(state) === 1) return lastOwner();
  return done(
    { type: "removed" },
    { type: "member.removed", data: { pod: profile.id, user: viewer.user, role: own, left: true } },
  );
};
