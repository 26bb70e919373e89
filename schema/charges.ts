import type { JsonObject } from "./events.ts";
import type { MoneyJson } from "./money.ts";
import type { AcceptedTerms } from "./rpc/desk.ts";
import { isLive, type Saga, type SagaStep } from "./sagas.ts";

export const CHARGE_STATUSES = [
  "processing",
  "requires_action",
  "requires_review",
  "succeeded",
  "failed",
  "cancelled",
  "refunded",
  "partially_refunded",
  "disputed",
] as const;
export type ChargeStatus = (typeof CHARGE_STATUSES)[number];
export const FAILURE_CODES = [
  "payment_declined",
  "expired",
  "no_firm_liquidity",
  "upstream_unavailable",
  "risk_declined",
] as const;
export type FailureCode = (typeof FAILURE_CODES)[number];

export type Fee = { name: "psp" | "fx"; amount: MoneyJson };

/** A text sealed under a subject's data key: base64url of nonce ‖ ciphertext ‖ tag, and which key. See the kit's sealed fields. */
export type Sealed = { sealed: string; key: string };

export type ChargeSource =
  | { type: "instrument"; connector: string; token: Sealed; fingerprint: string }
  | { type: "wallet" };

/**
 * How a charge in one currency settles in another. `quote`: the payer's own, or null when the desk is to find a rate. The hedge of
 * the conversion has its ids from here on, so that whatever is killed begins it once.
 */
export type ConversionInput = { buy_currency: string; quote: string | null; hedge: string; hedge_transfer: string };

/**
 * What a charge saga is begun with; journalled whole, fees and physical accounts fixed before anything is reserved. Of a charge
 * that is converted, `settled`, fees and legs are not known yet: they follow from the terms the desk accepts.
 */
export type ChargeInput = {
  charge: string;
  pod: string;
  payer: string;
  amount: MoneyJson;
  settled: MoneyJson | null;
  fees: Fee[];
  source: ChargeSource;
  description: Sealed | null;
  transfer: string;
  /** Logical names: what the payer's money comes from, the pod's account, the fee account. */
  legs: TransferLeg[];
  conversion?: ConversionInput;
  /**
   * From a wallet: whether the pod's account had a cap just before begin, or did not answer, so that its credit is reserved before the
   * wallet is debited. Absent in charges that began before there were caps, and from an instrument, where it is always reserved.
   */
  capped?: boolean;
};

/** One leg on its physical account. Legs of one account stay apart by index and are judged together. */
export type TransferLeg = { index: string; account: string; direction: "debit" | "credit"; amount: MoneyJson };

export type RiskOutcome = "approve" | "review" | "decline";
export type RiskDecision = { outcome: RiskOutcome; score: number; reasons: string[] };

/** A charge as its actor knows it. `description` is still sealed and `risk.score` still there: the edge opens or drops them. */
export type ChargeRecord = {
  id: string;
  pod: string;
  payer: string;
  status: ChargeStatus;
  amount: MoneyJson;
  settled: MoneyJson | null;
  fees: Fee[];
  /** Of a converted charge, from the moment its rate has been accepted. */
  fx?: Pick<AcceptedTerms, "quote" | "rate" | "provider">;
  risk: RiskDecision | null;
  failure: { code: FailureCode; decline_reason?: string } | null;
  description: Sealed | null;
  saga: string;
  created_at: string;
};

const stepNamed = (saga: Saga, name: string): SagaStep | undefined => saga.steps.find((step) => step.name === name);

export const chargeInput = (saga: Saga): ChargeInput => saga.input as unknown as ChargeInput;

/** The currency a charge is to settle in. */
export const settleCurrencyOf = ({ amount, conversion }: ChargeInput): string =>
  conversion?.buy_currency ?? amount.currency;

/** The terms in a charge's journal, once the desk has accepted them. */
export const termsOf = (saga: Saga): AcceptedTerms | null =>
  (stepNamed(saga, "accept")?.result?.terms as AcceptedTerms | undefined) ?? null;

/** The legs those terms make, on the physical accounts that were fixed with them. */
export const acceptedLegsOf = (saga: Saga): TransferLeg[] | null =>
  (stepNamed(saga, "accept")?.result?.legs as TransferLeg[] | undefined) ?? null;

/** What a charge settles at, after fees; null while its rate has not been accepted. */
export const settledOf = (saga: Saga): MoneyJson | null => termsOf(saga)?.settled ?? chargeInput(saga).settled;

const fxOf = (terms: AcceptedTerms | null): Pick<ChargeRecord, "fx"> =>
  terms === null ? {} : { fx: { quote: terms.quote, rate: terms.rate, provider: terms.provider } };

/** The risk decision in a charge's journal, once there is one. */
export const riskOf = (saga: Saga): RiskDecision | null => {
  const result = stepNamed(saga, "assess")?.result as (JsonObject & { outcome: RiskOutcome }) | null | undefined;
  if (result == null || typeof result.outcome !== "string") return null;
  return { outcome: result.outcome, score: Number(result.score), reasons: result.reasons as string[] };
};

const statusOf = (saga: Saga): ChargeStatus => {
  if (saga.status === "completed") return "succeeded";
  if (saga.status === "compensated") return saga.failure?.cause === "cancelled" ? "cancelled" : "failed";
  return saga.status === "waiting" && stepNamed(saga, "review")?.phase === "wait" ? "requires_review" : "processing";
};

const failureOf = (saga: Saga): ChargeRecord["failure"] => {
  if (saga.status !== "compensated" || saga.failure?.cause !== "failed") return null;
  const { code, decline_reason } = saga.failure;
  return { code: code as FailureCode, ...(decline_reason === null ? {} : { decline_reason }) };
};

/**
 * The charge a saga's state amounts to; null when it was refused before a charge existed, and until somebody may be told of it: a
 * list must not show what may yet be refused without a trace.
 */
export const chargeOf = (saga: Saga): ChargeRecord | null => {
  if (saga.failure?.cause === "refused" || (!saga.shown && isLive(saga))) return null;
  const input = chargeInput(saga);
  const status = statusOf(saga);
  const terms = termsOf(saga);
  return {
    id: input.charge,
    pod: input.pod,
    payer: input.payer,
    status,
    amount: input.amount,
    settled: status === "succeeded" ? settledOf(saga) : null,
    fees: terms?.fees ?? input.fees,
    ...fxOf(terms),
    risk: riskOf(saga),
    failure: failureOf(saga),
    description: input.description,
    saga: saga.id,
    created_at: saga.created_at,
  };
};
