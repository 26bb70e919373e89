import { chargeInput } from "../../schema/charges.ts";
import { convertIndicative, type MoneyJson, toMinor } from "../../schema/money.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import { type Refused, reject } from "../../schema/rejections.ts";
import type { OperateSaga } from "../../schema/rpc/coordinator.ts";
import { mayCompensate, mayResolve, mayRetry, SECOND_PERSON_FROM } from "../../schema/saga-operations.ts";
import type { Saga, SagaApproval, SagaFailure, SagaWord } from "../../schema/sagas.ts";
import { advance, currentStep, iso, replaceStep, turnBack, withoutApproval } from "./decide.ts";
import { stepDefinition } from "./definitions/index.ts";
import { captureInDoubt, withStray } from "./stray-captures.ts";

/** What an operator's word comes to. `saga` null: the word stands already, and nothing is written. */
export type Operated = Refused | { ok: true; saga: Saga | null; awaitsApproval: boolean };

type Resolve = Extract<OperateSaga, { action: "resolve" }>;
/** What a decision is given from outside: the clock, the cut, and the ids of a saga it may have to begin. */
export type OperateFacts = { by: string; now: number; cutEpoch: number; straySaga: string };

const conflict = (detail: string): Refused => reject("conflict", detail);
const taken = (saga: Saga): Operated => ({ ok: true, saga, awaitsApproval: false });

/** Decides an operator's word on a saga. Pure. */
export const operate = (saga: Saga, command: OperateSaga, facts: OperateFacts): Operated => {
  switch (command.action) {
    case "retry":
      return mayRetry(saga) ? taken(retry(saga, facts.now)) : conflict("the saga does not wait for another try");
    case "compensate": {
      const back = takenBack(saga, "an operator took it back", facts.now);
      return back === null ? conflict("the saga has ended, goes back already, or can only go forward") : taken(back);
    }
    case "resolve":
      return resolve(saga, command, facts);
  }
};

/** The word as it is journalled. */
export const wordOf = (command: OperateSaga, by: string): SagaWord => {
  const { action, note } = command;
  if (command.action !== "resolve") return { action, by, note };
  const { step, verdict, provider_ref } = command;
  return { action, by, note, step, verdict, provider_ref };
};

/** A saga somebody takes up again is out of its parking place, its step as one whose outcome nobody knows. */
export const unparked = (saga: Saga): Saga => {
  if (saga.status !== "parked") return saga;
  const asks = stepDefinition(saga, saga.cursor).unknown === "ask";
  const step = replaceStep(saga, saga.cursor, { status: asks ? "unknown" : "intent", ended_at: null });
  return {
    ...step,
    status: currentStep(saga).phase === "compensate" ? "compensating" : "running",
    parked_reason: null,
  };
};

/**
 * Takes a saga up at the step it stands at, attempts counted anew. A provider is asked first, whatever was planned: a capture is
 * never sent blind, and a void never before its time.
 */
const retry = (saga: Saga, now: number): Saga => {
  const { phase, result } = currentStep(saga);
  const asks = stepDefinition(saga, saga.cursor).unknown === "ask" && phase !== "compensate";
  const next = asks ? "query" : phase === "compensate" ? phase : "forward";
  const again = replaceStep(withoutApproval(unparked(saga)), saga.cursor, {
    phase: next,
    attempts: 1,
    next_at: null,
    retried_at: iso(now),
    ...(asks ? {} : { last_sent_at: iso(now) }),
    // Nobody knows whether the attempt it was parked over had left the house.
    ...(asks && saga.status === "parked" ? { result: { ...result, maybe_sent: true } } : {}),
  });
  return { ...again, epoch: saga.epoch + 1, status: next === "compensate" ? "compensating" : "running" };
};

/** Goes back on somebody's word: a charge is cancelled, a transfer refused, for nobody else has heard of it. Null: it may not. */
export const takenBack = (saga: Saga, why: string, now: number): Saga | null => {
  if (!mayCompensate(saga)) return null;
  const { rejection } = conflict(why);
  const failure: SagaFailure = saga.kind === "charge" ? { cause: "cancelled" } : { cause: "refused", rejection };
  return turnBack(unparked(saga), failure, now);
};

const sameWord = (approval: SagaApproval, { step, verdict, provider_ref }: Resolve): boolean =>
  approval.step === step && approval.verdict === verdict && approval.provider_ref === provider_ref;

const eurMinorOf = ({ amount, currency }: MoneyJson): bigint =>
  convertIndicative(toMinor({ amount, currency }), currency, "EUR", REFERENCE_RATES);

/** By what was charged, or captured instead, whichever is more. */
const needsSecondPerson = (saga: Saga): boolean => {
  const captured = captureInDoubt(saga)?.amount;
  const amounts = [chargeInput(saga).amount, ...(captured === undefined ? [] : [captured])];
  return amounts.some((amount) => eurMinorOf(amount) >= SECOND_PERSON_FROM);
};

/**
 * Guards, in order: the saga stands at that step and nobody knows how it ended; a success is not of another amount than was
 * charged; of a large amount, two people say the same. The first may say it again, or change their mind; the second may not.
 */
const resolve = (saga: Saga, command: Resolve, facts: OperateFacts): Operated => {
  if (!mayResolve(saga) || currentStep(saga).name !== command.step) {
    return conflict(`the saga does not stand at ${command.step} with its outcome unknown`);
  }
  if (command.verdict === "succeeded" && captureInDoubt(saga) !== null) {
    return conflict("the provider captured another amount: declined takes the charge back and books that to suspense");
  }
  const { approval } = saga;
  const { by, now } = facts;
  if (needsSecondPerson(saga)) {
    const { step, verdict, provider_ref, note } = command;
    const first: SagaApproval = { step, verdict, provider_ref, by, note, at: iso(now) };
    if (approval === undefined) return { ok: true, saga: { ...saga, approval: first }, awaitsApproval: true };
    const same = sameWord(approval, command);
    if (approval.by === by) return { ok: true, saga: same ? null : { ...saga, approval: first }, awaitsApproval: true };
    if (!same) return conflict("another operator's word on this step says otherwise");
  }
  return taken(decided(saga, command, facts));
};

const decided = (saga: Saga, { verdict, provider_ref }: Resolve, { now, cutEpoch, straySaga }: OperateFacts): Saga => {
  const standing = unparked(saga);
  const at = { step: saga.cursor, epoch: saga.epoch };
  if (verdict === "succeeded") {
    const result = { provider_ref: provider_ref ?? "", provider_state: "captured", resolved: true };
    return must(advance(standing, { ...at, outcome: "done", result }, now, cutEpoch), saga);
  }
  const { rejection } = conflict("upstream_unavailable: an operator found that it was declined");
  const declined = { rejection, code: "upstream_unavailable", decline_reason: null };
  const result = { provider_state: "declined", resolved: true };
  const back = must(advance(standing, { ...at, outcome: "declined", declined, result }, now, cutEpoch), saga);
  const stray = captureInDoubt(saga);
  return stray === null ? back : withStray(back, stray, straySaga);
};

const must = (after: Saga | null, { id }: Saga): Saga => {
  if (after === null) throw new Error(`${id} did not hear an operator's word`);
  return after;
};
