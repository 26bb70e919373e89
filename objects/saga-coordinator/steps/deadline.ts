import type { SagaStep } from "../../../schema/sagas.ts";
import type { StepDefinition } from "../definitions/definition.ts";

/** Since when a step has been at it: its begin, or the last time an operator had it tried again. Milliseconds. */
export const startOf = ({ started_at, retried_at }: SagaStep): number =>
  Math.max(Date.parse(started_at ?? ""), Date.parse(retried_at ?? new Date(0).toISOString()));

/** How long a step may take, milliseconds; null: as long as its saga. A wait that goes on by itself is never overdue. */
export const allowedMs = ({ does, deadlineMs }: Pick<StepDefinition, "does" | "deadlineMs">): number | null => {
  if (does.type === "wait") return does.late === "goes_on" ? null : does.timeoutMs;
  return deadlineMs ?? null;
};
