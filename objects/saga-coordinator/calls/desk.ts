import { accountNames } from "../../../schema/accounts.ts";
import { chargeInput, type TransferLeg } from "../../../schema/charges.ts";
import type { JsonObject } from "../../../schema/events.ts";
import { shardOf } from "../../../schema/ids.ts";
import { type Rejection, type RejectionCode, reject } from "../../../schema/rejections.ts";
import type { AcceptedTerms, DeskAnswer, DeskOp, HedgeAnswer } from "../../../schema/rpc/desk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { convertedLegs, onShard } from "../begin-charge.ts";
import { firstUnbalanced } from "../begin-transfer.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { hedgeInput } from "../definitions/hedge.ts";
import type { CallPort } from "./port.ts";

type Move = Omit<StepReport, "step" | "epoch">;

/** Refusals that say nothing of the quote: the same question is asked again. */
const ASK_AGAIN: ReadonlySet<RejectionCode> = new Set(["overloaded", "upstream_unavailable", "internal"]);

const again = (rejection: Rejection): Move => ({ outcome: "unknown", error: rejection });

const shardNumber = (saga: Saga): number => {
  const shard = shardOf("sag", saga.id);
  if (shard === null) throw new Error(`${saga.id} names no shard`);
  return shard;
};

const behind = (saga: Saga) => ({ saga: saga.id, principal: saga.principal, correlation: saga.correlation });

/** What the terms make of a charge; null when they are not of this charge, or do not add up. */
const legsAt = (saga: Saga, terms: AcceptedTerms): TransferLeg[] | null => {
  const { amount, conversion, ...charge } = chargeInput(saga);
  const { sell, settled, buy } = terms;
  const isOurs = sell.amount === amount.amount && sell.currency === amount.currency;
  if (!isOurs || buy.currency !== conversion?.buy_currency || settled.currency !== buy.currency) return null;
  const legs = convertedLegs({ ...charge, amount }, terms, shardNumber(saga));
  return firstUnbalanced(legs) === null ? legs : null;
};

/**
 * Fixes the rate of a charge: its quote's, or one that the desk finds. What is accepted is journalled with the legs it makes,
 * before anything is reserved; nothing that a provider does later changes it.
 */
export const acceptRate = async (saga: Saga, port: CallPort): Promise<Move> => {
  const { charge, payer, pod, amount, conversion } = chargeInput(saga);
  if (conversion === undefined) throw new Error(`${saga.id} converts nothing`);
  const { buy_currency, quote } = conversion;
  const op: DeskOp = { op: "accept", ...behind(saga), charge, payer, pod, sell: amount, buy_currency, quote };
  const answer = await port.desk(op);
  if (!answer.ok) return refusedBy(answer.rejection);
  if (answer.op !== "accept") throw new Error("the desk answered another question");
  const { terms } = answer;
  const legs = legsAt(saga, terms);
  if (legs === null) return { outcome: "unknown", park: "accept: the accepted terms do not fit the charge" };
  return { outcome: "done", result: { terms, legs } as unknown as JsonObject };
};

/** No rate is a charge that failed; a quote that does not serve is a refusal, as long as nobody was told of the charge. */
const refusedBy = (rejection: Rejection): Move => {
  if (ASK_AGAIN.has(rejection.code)) return again(rejection);
  if (rejection.code === "no_firm_liquidity") {
    return { outcome: "declined", declined: { rejection, code: rejection.code, decline_reason: null, exists: true } };
  }
  const told = inTheCharge(rejection);
  return { outcome: "declined", declined: { rejection: told, code: "expired", decline_reason: told.code } };
};

/** What the desk finds wrong with an amount it was to sell is the charge's amount to whoever pays. */
const inTheCharge = ({ errors, ...rejection }: Rejection): Rejection =>
  errors === undefined
    ? rejection
    : { ...rejection, errors: errors.map((at) => ({ ...at, pointer: at.pointer.replace(/^\/sell\//, "/amount/") })) };

const settleWith = async (saga: Saga, op: DeskOp, port: CallPort): Promise<Move> => {
  const answer: DeskAnswer = await port.desk(op);
  if (answer.ok) return { outcome: "done" };
  const { rejection } = answer;
  if (ASK_AGAIN.has(rejection.code)) return again(rejection);
  return { outcome: "unknown", park: `${currentStep(saga).name}: the desk answered ${rejection.code}` };
};

/** Gives an accepted rate back. One that was never accepted leaves a tombstone: a late twin of the call is refused. */
export const releaseRate = (saga: Saga, port: CallPort): Promise<Move> =>
  settleWith(saga, { op: "release", ...behind(saga), reason: reasonOf(saga) }, port);

const reasonOf = ({ failure }: Saga): string => {
  if (failure === null) return "released";
  if (failure.cause === "cancelled") return "cancelled";
  return failure.cause === "failed" ? failure.code : failure.rejection.code;
};

/** The accepted rate is used: the desk's position moves. */
export const convertAtRate = (saga: Saga, port: CallPort): Promise<Move> =>
  settleWith(saga, { op: "convert", ...behind(saga) }, port);

/** The legs of a filled hedge: the provider has what the position had in the one currency, and owes it the other. */
const filledLegs = (saga: Saga, { provider, sell, buy }: Extract<HedgeAnswer, { outcome: "filled" }>): TransferLeg[] =>
  onShard(
    [
      { account: accountNames.fx(sell.currency), direction: "debit", amount: sell },
      { account: accountNames.lp(provider, sell.currency), direction: "credit", amount: sell },
      { account: accountNames.lp(provider, buy.currency), direction: "debit", amount: buy },
      { account: accountNames.fx(buy.currency), direction: "credit", amount: buy },
    ],
    shardNumber(saga),
  );

/**
 * Has the desk cover a conversion, until a provider has filled it. Whatever else it answers it is asked again: it knows itself what
 * may be sent where. Only what never left the house spends no attempt, so a provider that refuses is met at growing gaps.
 */
export const executeHedge = async (saga: Saga, port: CallPort): Promise<Move> => {
  const answer = await port.hedge({ ...behind(saga), hedge: saga.id, saga: hedgeInput(saga).saga });
  if (answer.outcome === "filled") {
    const { outcome, ...fill } = answer;
    return { outcome: "done", result: { ...fill, legs: filledLegs(saga, answer) } as unknown as JsonObject };
  }
  const { outcome, retry_after_ms, detail } = answer;
  return {
    outcome: outcome === "not_sent" ? "not_sent" : "unknown",
    notBeforeMs: retry_after_ms,
    error: reject("upstream_unavailable", `${outcome}: ${detail}`.slice(0, 200)).rejection,
  };
};
