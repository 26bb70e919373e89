import { currentStep, type Saga, type SagaStep } from "../../../schema/sagas.ts";
import type { CallPort } from "../calls/port.ts";
import type { StepDefinition } from "../definitions/definition.ts";
import { startOf } from "./deadline.ts";
import type { Call, Move } from "./move.ts";

/** A step that ends with somebody's word from outside: a person's, or a webhook's. */
export type Wait = {
  type: "wait";
  /** What is waited for: `review`, `approval`, `webhook:shipped`. */
  event: string;
  /** From the step's begin. Milliseconds. */
  timeoutMs: number;
  /** What follows when nobody has said anything by then. After the pivot nothing goes back, before it nothing goes on by itself. */
  late: "goes_back" | "goes_on" | "parks";
  /** What a resource fails with when the word is no, before the pivot. */
  refusal: string;
};

/** Somebody's word on what a saga waits for. `by`: who gave it; `text`: why. */
export type Word = { by: string; text: string };

export const waits = (wait: Omit<Wait, "type">): Pick<StepDefinition, "does" | "undo"> => ({
  does: { type: "wait", ...wait },
  undo: false,
});

const EVENT = /^[a-z_]+(:[a-z0-9_.-]+)?$/;

/** What is wrong with such a step; null: nothing. */
export const flawOfWait = ({ kind, undo, deadlineMs }: StepDefinition, { event, late }: Wait): string | null => {
  if (!EVENT.test(event)) return "waits for nothing that has a name";
  if (undo) return "holds nothing to undo";
  if (deadlineMs !== undefined) return "has a timeout already";
  if ((kind === "compensatable") !== (late === "goes_back")) return `cannot be late and ${late}`;
  return null;
};

/**
 * Begins to wait, told to the outside first where the step has a call that does so. Past a timeout that lets it go on it is done:
 * it is asked again at that moment, as a retry that was planned.
 */
export const awaitEvent = async (
  saga: Saga,
  { late, timeoutMs }: Wait,
  announce: Call | undefined,
  port: CallPort,
): Promise<Move> => {
  const end = late === "goes_on" ? startOf(currentStep(saga)) + timeoutMs : null;
  if (end !== null && port.now() >= end) return { outcome: "done", result: { verdict: "timed_out" } };
  const told: Move = announce === undefined ? { outcome: "pending", nextPhase: "wait" } : await announce(saga, port);
  return end === null || told.outcome !== "pending" ? told : { ...told, retryInMs: Math.max(1, end - port.now()) };
};

/** The step of a saga that waits for this event; null: it does not. */
export const waitingFor = (saga: Saga, does: StepDefinition["does"] | undefined, event: string): SagaStep | null => {
  const step = saga.steps[saga.cursor];
  const waiting = saga.status === "waiting" && step?.phase === "wait";
  return waiting && does?.type === "wait" && does.event === event ? step : null;
};

/** What a word makes of the step that waited for it. */
export const heard = (
  { result }: SagaStep,
  verdict: "approve" | "decline",
  { by, text }: Word,
  at: string,
): Partial<SagaStep> => ({
  result: { ...result, verdict, by, note: text },
  status: verdict === "approve" ? "done" : "declined",
  ended_at: at,
  next_at: null,
});
