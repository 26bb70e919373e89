import { pivotStands } from "../../schema/saga-operations.ts";
import { isLive, type Saga } from "../../schema/sagas.ts";
import { stepDefinition } from "./definitions/index.ts";
import { allowedMs, startOf } from "./steps/deadline.ts";

export { currentStep } from "../../schema/sagas.ts";

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
  const planned = step?.next_at == null ? idle : Date.parse(step.next_at);
  const own = Math.min(planned, stepEndsAt(saga) ?? planned);
  return canGoBack(saga) ? Math.min(own, deadline) : own;
};

/**
 * When the step at hand is overdue, epoch milliseconds; null: whenever. What is undone takes as long as it takes, and so does a step
 * before the pivot that cannot go back, for its own saga's pivot stands.
 */
export const stepEndsAt = (saga: Saga): number | null => {
  const step = saga.steps[saga.cursor];
  if (!isLive(saga) || step === undefined || step.phase === "compensate") return null;
  const definition = stepDefinition(saga, saga.cursor);
  const allowed = allowedMs(definition);
  if (allowed === null || (definition.kind === "compensatable" && !canGoBack(saga))) return null;
  return startOf(step) + allowed;
};

/** True until the pivot's intent is in the journal. */
export const canGoBack = (saga: Saga): boolean => isLive(saga) && saga.status !== "compensating" && !pivotStands(saga);
