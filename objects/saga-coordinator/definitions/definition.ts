import type { Saga, SagaKind, SagaStep } from "../../../schema/sagas.ts";

/**
 * A saga kind is data. Compensatable steps may be undone; the one pivot decides; retriable steps after it only go forward.
 * `repeat` steps call actors of ours, where the same call has the same answer for ever; `ask` steps call a provider, where an
 * unknown outcome is first asked about.
 */
export type StepDefinition = {
  name: string;
  kind: "compensatable" | "pivot" | "retriable";
  /** Undone by a call of its own when the saga goes back. Every compensatable step that reserves something has one. */
  undo: boolean;
  unknown: "repeat" | "ask";
  /** Entering this step's intent lets a leg of the transfer be posted: the cut's tag is taken in that commit. */
  posts: boolean;
  /** Left out, given what the saga knows on arriving at it. */
  skip?: (saga: Saga) => boolean;
};

export type SagaDefinition = {
  kind: SagaKind;
  version: number;
  steps: readonly StepDefinition[];
  /**
   * Name of the step after which, done or left out, the caller may be told of the resource; a refusal up to it is a problem, and
   * nothing exists.
   */
  door: string;
  /** From begin to the moment the saga goes back by itself, unless the pivot's intent stands. Milliseconds. */
  deadlineMs: number;
};

/** Retried this long with growing gaps, then parked. Milliseconds. */
export const PARK_AFTER_MS = 24 * 3_600_000;

/** Gap before the next try: doubling from `baseMs`, capped at a minute. Without jitter: the journal decides, and the journal is pure. */
export const retryGapMs = (attempts: number, baseMs = 250): number =>
  Math.min(60_000, baseMs * 2 ** Math.min(Math.max(0, attempts - 1), 10));

/**
 * Checks a definition where it is made: compensatable* pivot? retriable*, names unique, every compensatable with its undo
 * unless it holds nothing, the door among the steps. Throws at start-up, never in a saga.
 */
export const define = (definition: SagaDefinition, holdsNothing: readonly string[] = []): SagaDefinition => {
  const order = { compensatable: 0, pivot: 1, retriable: 2 };
  const { steps, kind } = definition;
  steps.forEach((step, index) => {
    const before = steps[index - 1];
    if (before !== undefined && order[before.kind] > order[step.kind])
      throw new Error(`${kind}: ${step.name} is out of order`);
    if (step.kind === "compensatable" && !step.undo && !holdsNothing.includes(step.name)) {
      throw new Error(`${kind}: ${step.name} has no undo`);
    }
    if (step.kind !== "compensatable" && step.undo) throw new Error(`${kind}: ${step.name} cannot be undone`);
  });
  if (steps.filter((step) => step.kind === "pivot").length > 1) throw new Error(`${kind}: two pivots`);
  if (new Set(steps.map((step) => step.name)).size !== steps.length) throw new Error(`${kind}: a name twice`);
  if (!steps.some((step) => step.name === definition.door)) throw new Error(`${kind}: no such door`);
  return definition;
};

const step = (name: string, kind: StepDefinition["kind"], rest: Partial<StepDefinition> = {}): StepDefinition => ({
  name,
  kind,
  undo: kind === "compensatable",
  unknown: "repeat",
  posts: false,
  ...rest,
});

export const compensatable = (name: string, rest?: Partial<StepDefinition>) => step(name, "compensatable", rest);
export const pivot = (name: string, rest?: Partial<StepDefinition>) => step(name, "pivot", rest);
export const retriable = (name: string, rest?: Partial<StepDefinition>) => step(name, "retriable", rest);

/** A step before anything has happened to it. */
export const freshStep = (name: string): SagaStep => ({
  name,
  status: "pending",
  phase: "forward",
  attempts: 0,
  started_at: null,
  ended_at: null,
  next_at: null,
  last_sent_at: null,
  first_sent_at: null,
  error: null,
  result: null,
});
