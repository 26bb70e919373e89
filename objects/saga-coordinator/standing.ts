import { pivotStands } from "../../schema/saga-operations.ts";
import { isLive, type Saga, type SagaStep } from "../../schema/sagas.ts";

/** The step a saga is at; throws past the end. */
export const currentStep = (saga: Saga): SagaStep => {
  const step = saga.steps[saga.cursor];
  if (step === undefined) throw new Error(`${saga.id} has ended`);
  return step;
};

/**
 * True when the intent of a call stands in the journal and the call is to be made now. A retry that has fallen due is not one:
 * `takeUp` journals its intent first, or a crash would find no trace of an attempt that left.
 */
export const needsCall = (saga: Saga): boolean => {
  const step = saga.steps[saga.cursor];
  return isLive(saga) && step !== undefined && step.phase !== "wait" && step.next_at === null;
};

/** True when a retry has fallen due: `takeUp` makes it the next call. */
export const isDue = (saga: Saga, now: number): boolean => {
  const next = saga.steps[saga.cursor]?.next_at ?? null;
  return isLive(saga) && next !== null && Date.parse(next) <= now;
};

/** When a live saga must be looked at again, at the latest. Milliseconds. */
export const nextLook = (saga: Saga, now: number, watchdogMs: number): number => {
  const step = saga.steps[saga.cursor];
  const deadline = Date.parse(saga.deadline_at);
  const watched = now + watchdogMs;
  // Whoever waits without a date of his own is bound by the deadline; past it only the watchdog is left.
  const idle = step?.phase === "wait" ? Math.max(deadline, watched) : watched;
  const own = step?.next_at == null ? idle : Date.parse(step.next_at);
  return canGoBack(saga) ? Math.min(own, deadline) : own;
};

/** True until the pivot's intent is in the journal. */
export const canGoBack = (saga: Saga): boolean => isLive(saga) && saga.status !== "compensating" && !pivotStands(saga);
