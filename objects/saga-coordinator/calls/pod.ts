import { chargeInput, riskOf, settleCurrencyOf, settledOf } from "../../../schema/charges.ts";
import { SYSTEM } from "../../../schema/events.ts";
import { type Rejection, reject } from "../../../schema/rejections.ts";
import type { PermitAnswer, PermitOp } from "../../../schema/rpc/pod.ts";
import type { RiskOp } from "../../../schema/rpc/risk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import type { StepReport } from "../decide.ts";
import type { CallPort } from "./port.ts";

type Move = Omit<StepReport, "step" | "epoch">;

const refusedBy = (rejection: Rejection): Move =>
  ["overloaded", "internal", "upstream_unavailable"].includes(rejection.code)
    ? { outcome: "unknown", error: rejection }
    : { outcome: "declined", declined: { rejection, code: "upstream_unavailable", decline_reason: rejection.code } };

const callPod = async (saga: Saga, op: PermitOp, port: CallPort): Promise<PermitAnswer> =>
  port.pod(chargeInput(saga).pod, {
    op,
    meta: { principal: saga.principal, correlation: saga.correlation, causation: saga.id },
  });

/** Asks the pod for a permit: active, a member who may charge, a currency it keeps. */
export const admit = async (saga: Saga, port: CallPort): Promise<Move> => {
  const input = chargeInput(saga);
  const { charge, payer, amount } = input;
  const op: PermitOp = { op: "admit", saga: saga.id, charge, payer, amount, settle_currency: settleCurrencyOf(input) };
  const answer = await callPod(saga, op, port);
  return answer.ok ? { outcome: "done", result: { member_since: answer.member_since } } : refusedBy(answer.rejection);
};

/** Gives the permit back: counted as a failed or cancelled charge where one exists, else as if it had never been. */
export const endPermit = async (saga: Saga, port: CallPort): Promise<Move> => {
  const { failure } = saga;
  const op: PermitOp =
    failure === null || failure.cause === "refused"
      ? { op: "release", saga: saga.id, reason: failure?.rejection.code ?? "released" }
      : concludeOp(saga, failure.cause, failure.cause === "failed" ? failure.code : null);
  const answer = await callPod(saga, op, port);
  return answer.ok ? { outcome: "done" } : { outcome: "unknown", error: answer.rejection };
};

const concludeOp = (saga: Saga, outcome: "succeeded" | "failed" | "cancelled", failure: string | null): PermitOp => ({
  op: "conclude",
  saga: saga.id,
  outcome,
  settled: settledOf(saga),
  failure,
});

/** Tells the pod that a charge waits for a person, and waits. */
export const announceReview = async (saga: Saga, port: CallPort): Promise<Move> => {
  const { charge, payer, amount } = chargeInput(saga);
  const settled = settledOf(saga);
  const op: PermitOp = { op: "announce_review", saga: saga.id, charge, payer, amount, settled };
  const answer = await callPod(saga, op, port);
  return answer.ok ? { outcome: "pending", nextPhase: "wait" } : { outcome: "unknown", error: answer.rejection };
};

/** Tells the pod that a charge of its was parked, or taken up again. Throws where the pod could not take it now. */
export const announceStanding = async (saga: Saga, port: CallPort): Promise<void> => {
  const op: PermitOp = { op: "announce_standing", saga: saga.id, number: saga.stops ?? 0, parked: saga.parked_reason };
  const meta = { principal: SYSTEM, correlation: saga.correlation, causation: saga.id };
  const answer = await port.pod(chargeInput(saga).pod, { op, meta });
  if (!answer.ok) throw new Error(`the pod was not told of ${saga.id}: ${answer.rejection.code}`);
};

const riskOp = (saga: Saga, op: RiskOp["op"]): RiskOp => {
  const { charge, pod, amount, source } = chargeInput(saga);
  const who = { saga: saga.id, principal: saga.principal, correlation: saga.correlation };
  if (op !== "assess") return { op, ...who };
  const memberSince = String(saga.steps[0]?.result?.member_since ?? saga.created_at);
  const instrument = source.type === "instrument" ? source.fingerprint : null;
  return { op, charge, pod, amount, instrument, member_since: memberSince, ...who };
};

/** Decides by the shipped rules and counts in the payer's velocity windows, in one turn of the payer's profile. */
export const assess = async (saga: Saga, port: CallPort): Promise<Move> => {
  const answer = await port.risk(chargeInput(saga).payer, riskOp(saga, "assess"));
  if (answer.op !== "assess") throw new Error("a risk profile answered another question");
  const { outcome, score, reasons } = answer.decision;
  const result = { outcome, score: String(score), reasons };
  if (outcome !== "decline") return { outcome: "done", result };
  // Which rule it was is the operator's to read: told to the caller, it would tell how to pass.
  const { rejection } = reject("risk_declined", "the payment was declined by our risk rules");
  return { outcome: "declined", result, declined: { rejection, code: "risk_declined", decline_reason: null } };
};

/** Takes the payment out of the velocity windows; one that the provider declined counts as a decline of the instrument. */
export const releaseRisk = async (saga: Saga, port: CallPort): Promise<Move> => {
  const declined =
    saga.failure?.cause === "failed" && saga.failure.code === "payment_declined" && riskOf(saga) !== null;
  await port.risk(chargeInput(saga).payer, riskOp(saga, declined ? "decline" : "release"));
  return { outcome: "done" };
};

/** Ends the permit, counted. After it the pod's feed shows the charge. */
export const conclude = async (saga: Saga, port: CallPort): Promise<Move> => {
  const answer = await callPod(saga, concludeOp(saga, "succeeded", null), port);
  return answer.ok ? { outcome: "done" } : { outcome: "unknown", error: answer.rejection };
};
