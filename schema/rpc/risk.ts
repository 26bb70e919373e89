import type { RiskDecision } from "../charges.ts";
import type { Principal } from "../events.ts";
import type { MoneyJson } from "../money.ts";
import type { ActorRpc } from "./actor.ts";

/**
 * `assess` decides and, unless it declines, counts the payment in the payer's velocity windows in the same turn; final per saga. There is
 * nothing to add when the payment succeeds. `release` takes it out again; `decline` does too, and counts a decline of the instrument.
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
  | { op: "release" | "decline"; saga: string; principal: Principal; correlation: string };

export type RiskAnswer = { op: "assess"; decision: RiskDecision } | { op: "release" } | { op: "decline" };

/** One profile a person, named by the user id. */
export type RiskRpc = ActorRpc & { applyOps(ops: RiskOp[]): Promise<RiskAnswer[]> };
