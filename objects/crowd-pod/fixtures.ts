import type { EventBody, JsonObject } from "../../schema/events.ts";
import type { Role } from "../../schema/permissions.ts";
import type { CreatePod } from "../../schema/rpc/pod.ts";
import { decideCreate } from "./decide.ts";
import { evolve, INITIAL, type PodEvent, type PodState } from "./state.ts";

/** Pods for tests: made of events, as real ones are. */
export const POD = "pod_01J9ZC3K00000000000000POD1";
export const START = Date.parse("2026-03-01T12:00:00.000Z");

export const euros = (amount: string) => ({ amount, currency: "EUR" });

export const creation = (overrides: Partial<CreatePod> = {}): CreatePod => ({
  pod: POD,
  name: "Lisbon trip",
  type: "pool",
  currencies: ["EUR", "USD"],
  home_currency: "EUR",
  timezone: "Europe/Lisbon",
  goal: null,
  ...overrides,
});

let written = 0;

/** An event as the log would hold it. */
export const bodyOf = ({ type, data }: PodEvent, atMs = START): EventBody => ({
  stream: `pod/${POD}`,
  seq: String(++written),
  id: "evt_01J9ZC3K000000000000000000",
  type,
  version: "1",
  recorded_at: new Date(atMs).toISOString(),
  effective_at: new Date(atMs).toISOString(),
  correlation: "request-0001",
  causation: null,
  principal: { user: "somebody", client_id: "tests" },
  data: data as JsonObject,
});

export const following = (state: PodState, events: readonly PodEvent[], atMs = START): PodState =>
  events.reduce((next, event) => evolve(next, bodyOf(event, atMs)), state);

export const joined = (user: string, role: Role, invitation: string | null = null): PodEvent => ({
  type: "member.joined",
  data: { pod: POD, user, role, invitation },
});

/** A pod owned by "olga", with further members by name. */
export const podWith = (members: Readonly<Record<string, Role>> = {}, overrides: Partial<CreatePod> = {}): PodState => {
  const made = decideCreate(creation(overrides), "olga");
  if (!made.ok) throw new Error(made.rejection.detail);
  return following(INITIAL, [...made.events, ...Object.entries(members).map(([user, role]) => joined(user, role))]);
};
