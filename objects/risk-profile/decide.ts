import type { RiskDecision } from "../../schema/charges.ts";
import { convertIndicative, fromMinor, toMinor } from "../../schema/money.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import type { RiskRule } from "../../schema/risk-rules.ts";
import type { RiskAnswer, RiskOp } from "../../schema/rpc/risk.ts";
import { judge } from "./judge.ts";
import type { RiskEventData, RiskState } from "./state.ts";

/**
 * Where one saga stands with this profile. `reserved` is the only state that counts as under way; `refused` reserved nothing;
 * `tombstone` was released before it was ever assessed. All but `reserved` are final.
 */
export type AssessmentState = "reserved" | "refused" | "released" | "tombstone" | "succeeded" | "declined";

/** What is kept of a saga: the first answer, and what its reservation holds. */
export type Assessment = {
  saga: string;
  state: AssessmentState;
  decision: RiskDecision;
  charge: string | null;
  eurMinor: bigint;
  instrument: string | null;
};

type RiskEvent = { [T in keyof RiskEventData]: { type: T; data: RiskEventData[T] } }[keyof RiskEventData];

/** What an operation comes to. `change` null: it was decided before, and nothing is written. */
export type Outcome = { answer: RiskAnswer; change: { event: RiskEvent; keep: Assessment } | null };

const OVERTAKEN: RiskDecision = { outcome: "decline", score: 100, reasons: ["released"] };

const euros = (minor: bigint) => fromMinor(minor, "EUR");

/**
 * Decides one operation of a saga. Guards, in this order:
 * 1. `assess` of a saga that is known, tombstones included: the first answer again.
 * 2. `release` of a saga never seen: a tombstone, so that an assessment overtaken by its own release is refused.
 * 3. `release` or `settle` of a saga that holds no reservation (refused, ended, never seen): nothing, and the same answer.
 * From here it must succeed.
 */
export const decide = (
  state: RiskState,
  known: Assessment | null,
  op: RiskOp,
  rules: readonly RiskRule[],
  nowMs: number,
): Outcome => {
  if (op.op === "assess") return known === null ? assess(state, op, rules, nowMs) : repeat(known.decision);
  if (op.op === "release" && known === null) return entomb(op.saga);
  if (known?.state !== "reserved") return { answer: { op: op.op }, change: null };
  return op.op === "release" ? release(known) : settle(known, op.outcome);
};

const repeat = (decision: RiskDecision): Outcome => ({ answer: { op: "assess", decision }, change: null });

const assess = (
  state: RiskState,
  op: Extract<RiskOp, { op: "assess" }>,
  rules: readonly RiskRule[],
  nowMs: number,
): Outcome => {
  const { saga, charge, pod, amount, instrument } = op;
  const eurMinor = convertIndicative(toMinor(amount), amount.currency, "EUR", REFERENCE_RATES);
  const memberSinceMs = joinedAt(op.member_since, nowMs);
  const decision = judge(rules, { eurMinor, instrument, memberSinceMs }, state, nowMs);
  const { outcome, reasons } = decision;
  const score = String(decision.score);
  const eur_equivalent = euros(eurMinor);
  return {
    answer: { op: "assess", decision },
    change: {
      event: {
        type: "risk.assessed",
        data: { saga, charge, pod, outcome, score, reasons, amount, eur_equivalent, instrument },
      },
      keep: { saga, state: outcome === "decline" ? "refused" : "reserved", decision, charge, eurMinor, instrument },
    },
  };
};

/** A time that cannot be read must not make a member look old. */
const joinedAt = (text: string, nowMs: number): number => {
  const at = Date.parse(text);
  return Number.isNaN(at) ? nowMs : at;
};

const entomb = (saga: string): Outcome => ({
  answer: { op: "release" },
  change: {
    event: { type: "risk.released", data: { saga, charge: null, eur_equivalent: null } },
    keep: { saga, state: "tombstone", decision: OVERTAKEN, charge: null, eurMinor: 0n, instrument: null },
  },
});

const release = (known: Assessment): Outcome => ({
  answer: { op: "release" },
  change: {
    event: {
      type: "risk.released",
      data: { saga: known.saga, charge: known.charge, eur_equivalent: euros(known.eurMinor) },
    },
    keep: { ...known, state: "released" },
  },
});

const settle = (known: Assessment, outcome: "succeeded" | "declined"): Outcome => {
  const { saga, charge, eurMinor, instrument } = known;
  if (charge === null) throw new Error("a reservation without a charge");
  return {
    answer: { op: "settle" },
    change: {
      event: { type: "risk.settled", data: { saga, charge, outcome, eur_equivalent: euros(eurMinor), instrument } },
      keep: { ...known, state: outcome },
    },
  };
};
