import type { RiskDecision } from "../../schema/charges.ts";
import { convertIndicative, fromMinor, toMinor } from "../../schema/money.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import type { RiskRule } from "../../schema/risk-rules.ts";
import type { RiskAnswer, RiskOp } from "../../schema/rpc/risk.ts";
import { isoTime } from "../kit/clock.ts";
import { judge } from "./judge.ts";
import type { RiskEventData, RiskState } from "./state.ts";

/**
 * Where one saga stands with this profile. `counted` is in the windows; `refused` never was; `tombstone` was released before it was
 * ever assessed. All but `counted` are final.
 */
export type AssessmentState = "counted" | "refused" | "released" | "tombstone" | "declined";

/** What is kept of a saga: the first answer, what it counts for, and since when, epoch milliseconds. */
export type Assessment = {
  saga: string;
  state: AssessmentState;
  decision: RiskDecision;
  charge: string | null;
  eurMinor: bigint;
  instrument: string | null;
  at: number;
};

type RiskEvent = { [T in keyof RiskEventData]: { type: T; data: RiskEventData[T] } }[keyof RiskEventData];

/** What an operation comes to. `change` null: it was decided before, and nothing is written. */
export type Outcome = { answer: RiskAnswer; change: { event: RiskEvent; keep: Assessment } | null };

const OVERTAKEN: RiskDecision = { outcome: "decline", score: 100, reasons: ["released"] };

const euros = (minor: bigint) => fromMinor(minor, "EUR");

/**
 * Decides one operation of a saga, at the moment that its event will be recorded at. Guards, in this order:
 * 1. `assess` of a saga that is known, tombstones included: the first answer again.
 * 2. `release` of a saga never seen: a tombstone, so that an assessment overtaken by its own release is refused.
 * 3. `release` or `decline` of a saga that is not counted (refused, taken out, never seen): nothing, and the same answer.
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
  if (op.op === "release" && known === null) return entomb(op.saga, nowMs);
  if (known?.state !== "counted") return { answer: { op: op.op }, change: null };
  return takeOut(known, op.op);
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
      keep: {
        saga,
        state: outcome === "decline" ? "refused" : "counted",
        decision,
        charge,
        eurMinor,
        instrument,
        at: nowMs,
      },
    },
  };
};

/** A time that cannot be read must not make a member look old. */
const joinedAt = (text: string, nowMs: number): number => {
  const at = Date.parse(text);
  return Number.isNaN(at) ? nowMs : at;
};

const entomb = (saga: string, at: number): Outcome => ({
  answer: { op: "release" },
  change: {
    event: { type: "risk.released", data: { saga, charge: null, counted: null } },
    keep: { saga, state: "tombstone", decision: OVERTAKEN, charge: null, eurMinor: 0n, instrument: null, at },
  },
});

const takeOut = (known: Assessment, op: "release" | "decline"): Outcome => {
  const { saga, charge, eurMinor, instrument, at } = known;
  if (charge === null) throw new Error("a charge was counted that has no id");
  const counted = { at: isoTime(at), eur_equivalent: euros(eurMinor) };
  const event: RiskEvent =
    op === "release"
      ? { type: "risk.released", data: { saga, charge, counted } }
      : { type: "risk.declined", data: { saga, charge, counted, instrument } };
  return { answer: { op }, change: { event, keep: { ...known, state: op === "release" ? "released" : "declined" } } };
};
