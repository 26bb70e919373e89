import type { RiskDecision } from "../charges.ts";
import type { Principal } from "../events.ts";
import type { MoneyJson } from "../money.ts";
import type { ActorRpc } from "./actor.ts";

/**
 * `assess` decides and, unless it declines, reserves in the payer's velocity windows in the same turn; final per saga.
 * `release` gives the reservation back; `settle` ends it, counted, with what became of the payment.
 */
export type RiskOp =
  | {
      op: "assess";
      saga: string;
      charge: string;
      pod: string;
      amount: MoneyJson;
      /** Pseudonymous fingerprint of the instrument; null for a wallet. */
      instrument: string | null;
      member_since: string;
      principal: Principal;
      correlation: string;
    }
  | { op: "release"; saga: string; principal: Principal; correlation: string }
  | { op: "settle"; saga: string; outcome: "succeeded" | "declined"; principal: Principal; correlation: string };

export type RiskAnswer = { op: "assess"; decision: RiskDecision } | { op: "release" } | { op: "settle" };

/** One profile a person, named by the user id. */
export type RiskRpc = ActorRpc & { applyOps(ops: RiskOp[]): Promise<RiskAnswer[]> };
