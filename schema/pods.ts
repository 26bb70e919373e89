import type { MoneyJson } from "./money.ts";
import type { Role } from "./permissions.ts";

export const POD_TYPES = ["pool", "goal", "rosca", "split"] as const;
export type PodType = (typeof POD_TYPES)[number];
export const POD_STATUSES = ["active", "frozen", "closing", "closed"] as const;
export type PodStatus = (typeof POD_STATUSES)[number];

/** Bounds of one pod, so that its state stays small enough to fold in memory. */
export const POD_LIMITS = {
  currencies: 16,
  members: 1_000,
  openInvitations: 200,
  openPermits: 2_000,
  nameLength: 100,
  reasonLength: 500,
} as const;

/** How long an invitation may live, seconds. */
export const INVITATION_TTL_S = { min: 60, max: 30 * 86_400, default: 7 * 86_400 } as const;

/** A pod as its actor knows it; balances are the accounts' to say. */
export type PodRecord = {
  id: string;
  name: string;
  type: PodType;
  status: PodStatus;
  currencies: string[];
  home_currency: string;
  timezone: string;
  goal: MoneyJson | null;
  members: { user: string; role: Role }[];
  seq: number;
  log_head: string;
  created_at: string;
};

/** Data of the pod's events, by type. Permits are the pod's side of a saga: granted first, ended by the charge's outcome. */
export type PodEventData = {
  "pod.created": {
    pod: string;
    name: string;
    type: PodType;
    currencies: string[];
    home_currency: string;
    timezone: string;
    goal: MoneyJson | null;
    owner: string;
  };
  "pod.updated": { pod: string; name: string };
  "pod.frozen": { pod: string; reason: string | null };
  "pod.unfrozen": { pod: string; reason: string | null };
  "member.invited": { pod: string; invitation: string; role: Role; token_hash: string; expires_at: string; by: string };
  "member.joined": { pod: string; user: string; role: Role; invitation: string | null };
  "member.role_changed": { pod: string; user: string; from: Role; to: Role };
  "member.removed": { pod: string; user: string; role: Role; left: boolean };
  "permit.granted": {
    pod: string;
    saga: string;
    charge: string;
    payer: string;
    amount: MoneyJson;
    settle_currency: string;
  };
  "permit.released": { pod: string; saga: string; charge: string; reason: string };
  /** `settled`: null where the charge was told of before its rate was accepted. */
  "charge.created": {
    pod: string;
    charge: string;
    saga: string;
    payer: string;
    amount: MoneyJson;
    settled: MoneyJson | null;
  };
  "charge.requires_review": { pod: string; charge: string; saga: string; payer: string };
  "charge.succeeded": {
    pod: string;
    charge: string;
    saga: string;
    payer: string;
    amount: MoneyJson;
    settled: MoneyJson;
  };
  "charge.failed": { pod: string; charge: string; saga: string; payer: string; amount: MoneyJson; failure: string };
  "charge.cancelled": { pod: string; charge: string; saga: string; payer: string; amount: MoneyJson };
  /** `number`: which change of the saga's standing this is. `reason` is a code. */
  "saga.parked": { pod: string; saga: string; charge: string; reason: string; number: string };
  "saga.resumed": { pod: string; saga: string; charge: string; number: string };
};
export type PodEventType = keyof PodEventData;
