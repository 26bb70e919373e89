import { currentStep, type Saga } from "../../../schema/sagas.ts";
import type { StepDefinition } from "../definitions/definition.ts";
import type { Move } from "./move.ts";

/** A step that ends by itself: so long after its begin, or at a moment that follows from the saga. Milliseconds, the latter since 1970. */
export type Timer = { type: "timer"; ends: { afterMs: number } | { at: (saga: Saga) => number } };

export const sleeps = (ends: Timer["ends"]): Pick<StepDefinition, "does" | "undo"> => ({
  does: { type: "timer", ends },
  undo: false,
});

/** What is wrong with such a step; null: nothing. */
export const flawOfTimer = ({ undo, deadlineMs }: StepDefinition): string | null => {
  if (undo) return "holds nothing to undo";
  return deadlineMs === undefined ? null : "ends by itself";
};

/** Done once its moment has come; until then it waits, under the saga's own timer. A moment that is none is beyond the rules. */
export const tick = (saga: Saga, { ends }: Timer, now: number): Move => {
  const step = currentStep(saga);
  // Not from when an operator last had it tried again: that would put its end off.
  const moment = "at" in ends ? ends.at(saga) : Date.parse(step.started_at ?? "") + ends.afterMs;
  if (!Number.isFinite(moment)) return { outcome: "unknown", park: `${step.name}: no such moment` };
  return now >= moment ? { outcome: "done" } : { outcome: "pending", nextPhase: "wait", retryInMs: moment - now };
};
