import type { RiskDecision, RiskOutcome } from "../../schema/charges.ts";
import { parseMinor } from "../../schema/money.ts";
import type { RiskRule } from "../../schema/risk-rules.ts";
import type { RiskState } from "./state.ts";
import { amountWithin, declinesWithin } from "./windows.ts";

/** What the rules look at beside the profile. */
export type Facts = {
  /** EUR-equivalent of the payment, minor units. */
  eurMinor: bigint;
  instrument: string | null;
  memberSinceMs: number;
};

const SEVERITY: Readonly<Record<RiskOutcome, number>> = { approve: 0, review: 1, decline: 2 };

const minorOf = (euros: string): bigint => {
  const minor = parseMinor(euros, "EUR");
  if (minor === null) throw new Error("a risk rule passed its schema with a malformed amount");
  return minor;
};

const hits = (rule: RiskRule, facts: Facts, state: RiskState, nowMs: number): boolean => {
  switch (rule.when) {
    case "amount":
      return facts.eurMinor >= minorOf(rule.from);
    case "new_member_amount":
      return facts.eurMinor >= minorOf(rule.from) && nowMs - facts.memberSinceMs < rule.member_for_less_than_s * 1000;
    case "velocity":
      return amountWithin(state.amounts, nowMs, rule.window_s) + facts.eurMinor > minorOf(rule.over);
    case "instrument_declines":
      return (
        facts.instrument !== null &&
        declinesWithin(state.declines, facts.instrument, nowMs, rule.window_s) >= rule.count
      );
  }
};

/**
 * What the rules say of one payment: the worst outcome of the rules it hits, their scores summed up to 100, their ids. A payment
 * counts in the velocity windows from its assessment on, whatever is still to become of it.
 */
export const judge = (rules: readonly RiskRule[], facts: Facts, state: RiskState, nowMs: number): RiskDecision => {
  const hit = rules.filter((rule) => hits(rule, facts, state, nowMs));
  return {
    outcome: hit.reduce<RiskOutcome>(
      (worst, { outcome }) => (SEVERITY[outcome] > SEVERITY[worst] ? outcome : worst),
      "approve",
    ),
    score: Math.min(
      100,
      hit.reduce((sum, { score }) => sum + score, 0),
    ),
    reasons: hit.map(({ id }) => id),
  };
};
