import { chargeInput } from "../../../schema/charges.ts";
import { CONNECTORS, type ConnectorRules, isConnector } from "../../../schema/connectors.ts";
import type { MoneyJson } from "../../../schema/money.ts";
import { reject } from "../../../schema/rejections.ts";
import type { GatewayAnswer, GatewayCall } from "../../../schema/rpc/gateway.ts";
import type { Saga, SagaStep } from "../../../schema/sagas.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { retryGapMs } from "../definitions/definition.ts";
import type { CallPort } from "./port.ts";

/** Captures repeated with the same key before the payment is taken back instead. */
const MAX_CAPTURES = 6;
/** A key is not trusted in the last part of the provider's memory of it. */
const KEY_MARGIN = 0.5;
/** How long a capture that was never sent is tried before the charge fails. Milliseconds. */
const NEVER_SENT_MS = 5 * 60_000;
/** First gap between questions about a pending payment; doubles, at most five minutes. Milliseconds. */
const PENDING_GAP_MS = 2_000;

type Declined = NonNullable<StepReport["declined"]>;
type Move = Omit<StepReport, "step" | "epoch">;

const declinedBy = (code: Declined["code"], reason: string | null): Move => ({
  outcome: "declined",
  declined: {
    rejection: reject("conflict", reason === null ? code : `${code}: ${reason}`).rejection,
    code,
    decline_reason: reason,
  },
});

const captureCount = (step: SagaStep): number => Number(step.result?.captures ?? 0);

/**
 * The provider has nothing by our reference, or cannot say: repeat while it still knows the key, else take the reference out of
 * use. Where that cannot be done either, ask on, until a webhook or a person tells.
 */
const notFound = (step: SagaStep, rules: ConnectorRules, now: number): Move => {
  const firstSent = Date.parse(step.first_sent_at ?? "");
  const keyIsKnown = now >= firstSent && now - firstSent < rules.keyTtlMs * KEY_MARGIN;
  if (keyIsKnown && !rules.replaysErrors && captureCount(step) < MAX_CAPTURES) {
    return { outcome: "unknown", nextPhase: "forward", retryInMs: retryGapMs(captureCount(step), 100) };
  }
  if (!rules.voidByReference) return { outcome: "unknown", nextPhase: "query" };
  const visibleAt = Date.parse(step.last_sent_at ?? "") + rules.visibilityLagMs;
  return { outcome: "unknown", nextPhase: "void", retryInMs: Math.max(0, visibleAt - now) };
};

const sameMoney = (left: MoneyJson, right: MoneyJson): boolean =>
  left.amount === right.amount && left.currency === right.currency;

/**
 * What a provider's answer means for the capture of `amount`. Unknown never advances and never compensates: it is asked about;
 * *not found* is a decline only after a void by our reference held, past the provider's visibility lag.
 */
export const judgeCapture = (
  step: SagaStep,
  answer: GatewayAnswer,
  amount: MoneyJson,
  rules: ConnectorRules,
  now: number,
): Move => {
  const captures = step.phase === "forward" ? captureCount(step) + 1 : captureCount(step);
  const known = { captures: String(captures), maybe_sent: true };
  switch (answer.outcome) {
    case "state": {
      const result = { ...known, provider_ref: answer.provider_ref, provider_state: answer.state };
      if (answer.state === "captured") {
        if (answer.amount !== null && !sameMoney(answer.amount, amount)) {
          const captured_amount = { ...answer.amount };
          return { outcome: "unknown", result: { ...result, captured_amount }, park: mismatch(answer.amount) };
        }
        return { outcome: "done", result };
      }
      if (answer.state === "failed") {
        return { ...declinedBy("payment_declined", answer.decline_reason ?? "declined"), result };
      }
      if (answer.state === "voided") return { ...declinedBy("upstream_unavailable", null), result };
      const gap = Math.min(300_000, PENDING_GAP_MS * 2 ** Math.min(step.attempts - 1, 8));
      return { outcome: "pending", result, nextPhase: "wait", retryInMs: gap };
    }
    case "not_found":
      return step.phase === "query"
        ? { ...notFound(step, rules, now), result: known }
        : { outcome: "unknown", nextPhase: "query", result: known };
    case "voided":
      return { ...declinedBy("upstream_unavailable", null), result: known };
    case "not_sent": {
      const neverSent = step.result?.maybe_sent !== true;
      const since = now - Date.parse(step.started_at ?? "");
      if (neverSent && since > NEVER_SENT_MS) return declinedBy("upstream_unavailable", null);
      return { outcome: "not_sent", retryInMs: Math.max(50, answer.retry_after_ms), error: detail(answer.detail) };
    }
    case "unknown": {
      const retryInMs = step.phase === "forward" ? 100 : retryGapMs(step.attempts, 500);
      const nextPhase = step.phase === "void" ? "void" : "query";
      return { outcome: "unknown", nextPhase, retryInMs, result: known, error: detail(answer.detail) };
    }
  }
};

const detail = (text: string) => reject("upstream_unavailable", text.slice(0, 200)).rejection;

const mismatch = (captured: MoneyJson): string =>
  `amount_mismatch: the provider captured ${captured.amount} ${captured.currency}`;

const rulesOf = (connector: string): ConnectorRules => {
  if (!isConnector(connector)) throw new Error(`no connector ${connector}`);
  return CONNECTORS[connector];
};

/** The rules and the amount a charge's capture is judged by. */
export const captureTerms = (saga: Saga): { rules: ConnectorRules; amount: MoneyJson } => {
  const { source, amount } = chargeInput(saga);
  if (source.type !== "instrument") throw new Error(`${saga.id} captures nothing`);
  return { rules: rulesOf(source.connector), amount };
};

/** Captures, asks or takes back, as the journal says; the reference and the key are the charge's own. */
export const callProvider = async (saga: Saga, port: CallPort): Promise<Move> => {
  const input = chargeInput(saga);
  if (input.source.type !== "instrument") throw new Error(`${saga.id} captures nothing`);
  const { connector } = input.source;
  const rules = rulesOf(connector);
  const step = currentStep(saga);
  const call = await providerCall(saga, step, port);
  if (call === null) return declinedBy("payment_declined", "instrument_erased");
  const blind = call.call === "query" && !rules.findByReference;
  const answer = blind ? NOTHING_TO_ASK : await port.provider(connector, call).catch(() => UNREACHABLE);
  return judgeCapture(step, answer, input.amount, rules, port.now());
};

/** What a provider that finds nothing by reference would say. */
const NOTHING_TO_ASK: GatewayAnswer = { outcome: "not_found" };
/** A fault on the way to the gateway: the call may have arrived. */
const UNREACHABLE: GatewayAnswer = { outcome: "unknown", detail: "the gateway did not answer" };

const providerCall = async (saga: Saga, step: SagaStep, port: CallPort): Promise<GatewayCall | null> => {
  const { charge, pod, amount } = chargeInput(saga);
  if (step.phase === "query") return { call: "query", reference: charge };
  if (step.phase === "void") return { call: "void", reference: charge };
  const instrument = await port.instrument(saga.id);
  // Without the token nothing can be sent; what was sent before is asked about, never guessed.
  if (instrument === null) return step.result?.maybe_sent === true ? { call: "query", reference: charge } : null;
  return { call: "capture", reference: charge, key: `${charge}:capture`, amount, instrument, charge, pod };
};
