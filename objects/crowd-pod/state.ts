import type { EventBody, JsonValue } from "../../schema/events.ts";
import type { MoneyJson } from "../../schema/money.ts";
import type { Role } from "../../schema/permissions.ts";
import type { PodEventData, PodEventType, PodStatus } from "../../schema/pods.ts";
import type { Fold } from "../kit/actor.ts";
import { mayInvite } from "./ranks.ts";

/** An event of a pod before it is written. */
export type PodEvent = { [T in PodEventType]: { type: T; data: PodEventData[T] } }[PodEventType];

export type Profile = Omit<PodEventData["pod.created"], "pod" | "owner"> & { id: string; created_at: string };
export type Member = { role: Role; since: string };
/** An invitation nobody has used, by a maker who may still make it. It may have expired. */
export type Invitation = { id: string; role: Role; by: string; expires_at: string };
/** A charge under way. `announced`: the pod's log has told of it. */
export type Permit = {
  charge: string;
  payer: string;
  amount: MoneyJson;
  announced: boolean;
  /** What the pod's log last told of its saga; absent: that it was never parked. */
  standing?: { number: number; parked: boolean };
};

export type PodState = {
  /** Null before the pod is created. */
  profile: Profile | null;
  status: PodStatus;
  /** By user, in order of joining. */
  members: ReadonlyMap<string, Member>;
  /** By the hash of their token. */
  invitations: ReadonlyMap<string, Invitation>;
  /** The open ones, by saga. */
  permits: ReadonlyMap<string, Permit>;
  permits_granted: number;
  permits_ended: number;
};

export const INITIAL: PodState = {
  profile: null,
  status: "active",
  members: new Map(),
  invitations: new Map(),
  permits: new Map(),
  permits_granted: 0,
  permits_ended: 0,
};

const withEntry = <V>(map: ReadonlyMap<string, V>, key: string, value: V): Map<string, V> =>
  new Map(map).set(key, value);

const without = <V>(map: ReadonlyMap<string, V>, drop: (value: V, key: string) => boolean): Map<string, V> =>
  new Map([...map].filter(([key, value]) => !drop(value, key)));

/** An invitation dies with its maker's right to make it, and stays dead when the right comes back. */
const keepMadeBy = (state: PodState, user: string, role: Role | null): PodState["invitations"] =>
  without(state.invitations, ({ by, role: offered }) => by === user && (role === null || !mayInvite(role, offered)));

const setRole = (state: PodState, user: string, role: Role): PodState => {
  const member = state.members.get(user);
  if (member === undefined) throw new Error("a role was changed of somebody who is no member");
  return {
    ...state,
    members: withEntry(state.members, user, { ...member, role }),
    invitations: keepMadeBy(state, user, role),
  };
};

const permitOf = (state: PodState, saga: string): Permit => {
  const permit = state.permits.get(saga);
  if (permit === undefined) throw new Error(`saga ${saga} has no open permit`);
  return permit;
};

const endPermit = (state: PodState, saga: string): PodState => {
  permitOf(state, saga);
  return {
    ...state,
    permits: without(state.permits, (_, key) => key === saga),
    permits_ended: state.permits_ended + 1,
  };
};

/** Pure. Throws on a log that no pod can have written. */
export const evolve = (state: PodState, body: EventBody): PodState => {
  const event = body as unknown as PodEvent;
  switch (event.type) {
    case "pod.created": {
      const { pod, owner: _, ...profile } = event.data;
      return { ...state, profile: { id: pod, ...profile, created_at: body.recorded_at } };
    }
    case "pod.updated":
      if (state.profile === null) throw new Error("a pod was renamed before it was created");
      return { ...state, profile: { ...state.profile, name: event.data.name } };
    case "pod.frozen":
      return { ...state, status: "frozen" };
    case "pod.unfrozen":
      return { ...state, status: "active" };
    case "member.invited": {
      const { token_hash, invitation, role, by, expires_at } = event.data;
      // No event tells that an invitation expired: the next one made clears it away, which keeps the map within its bound.
      const live = without(state.invitations, (other) => other.expires_at <= body.recorded_at);
      return { ...state, invitations: live.set(token_hash, { id: invitation, role, by, expires_at }) };
    }
    case "member.joined": {
      const { user, role, invitation } = event.data;
      return {
        ...state,
        members: withEntry(state.members, user, { role, since: body.recorded_at }),
        invitations: without(state.invitations, ({ id }) => id === invitation),
      };
    }
    case "member.role_changed":
      return setRole(state, event.data.user, event.data.to);
    case "member.removed": {
      const { user } = event.data;
      return {
        ...state,
        members: without(state.members, (_, key) => key === user),
        invitations: keepMadeBy(state, user, null),
      };
    }
    case "permit.granted": {
      const { saga, charge, payer, amount } = event.data;
      return {
        ...state,
        permits: withEntry(state.permits, saga, { charge, payer, amount, announced: false }),
        permits_granted: state.permits_granted + 1,
      };
    }
    case "charge.created": {
      const permit = permitOf(state, event.data.saga);
      return { ...state, permits: withEntry(state.permits, event.data.saga, { ...permit, announced: true }) };
    }
    case "permit.released":
    case "charge.succeeded":
    case "charge.failed":
    case "charge.cancelled":
      return endPermit(state, event.data.saga);
    case "saga.parked":
    case "saga.resumed": {
      const { saga, number } = event.data;
      const standing = { number: Number(number), parked: event.type === "saga.parked" };
      return { ...state, permits: withEntry(state.permits, saga, { ...permitOf(state, saga), standing }) };
    }
    case "charge.requires_review":
      return state;
    default:
      throw new Error(`no pod writes an event ${(event satisfies never as PodEvent).type}`);
  }
};

type Encoded = Omit<PodState, "members" | "invitations" | "permits"> & {
  members: [string, Member][];
  invitations: [string, Invitation][];
  permits: [string, Permit][];
};

const encode = (state: PodState): JsonValue => {
  const encoded: Encoded = {
    ...state,
    members: [...state.members],
    invitations: [...state.invitations],
    permits: [...state.permits],
  };
  return encoded;
};

const decode = (value: JsonValue): PodState => {
  const encoded = value as unknown as Encoded;
  return {
    ...encoded,
    members: new Map(encoded.members),
    invitations: new Map(encoded.invitations),
    permits: new Map(encoded.permits),
  };
};

export const ownersOf = (state: PodState): number =>
  [...state.members.values()].reduce((owners, { role }) => owners + (role === "owner" ? 1 : 0), 0);

const summary = (state: PodState): string =>
  [
    state.status,
    `members ${state.members.size}, owners ${ownersOf(state)}`,
    `invitations ${state.invitations.size}`,
    `permits ${state.permits.size} = ${state.permits_granted} - ${state.permits_ended}`,
  ].join("; ");

export const fold: Fold<PodState> = { initial: INITIAL, evolve, encode, decode, summary };
