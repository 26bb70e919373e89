import { DECISIVE_STEPS } from "../../../schema/saga-operations.ts";
import type { Saga, SagaKind, SagaStep } from "../../../schema/sagas.ts";
import { allowedMs } from "../steps/deadline.ts";
import { flawOfGroup, type Group } from "../steps/group.ts";
import { flawOfSubSaga, type SubSaga } from "../steps/sub-saga.ts";
import { flawOfTimer, type Timer } from "../steps/timer.ts";
import { flawOfWait, type Wait } from "../steps/wait.ts";

/**
 * A saga kind is data. Compensatable steps may be undone; the one pivot decides; retriable steps after it only go forward.
 * `repeat` steps call actors of ours, where the same call has the same answer for ever; `ask` steps call a provider, where an
 * unknown outcome is first asked about.
 */
export type StepDefinition = {
  name: string;
  kind: "compensatable" | "pivot" | "retriable";
  /** One call, or what stands for it: see the file of each in `steps/`. */
  does: { type: "call" } | Wait | Timer | Group | SubSaga;
  /** Undone by a call of its own when the saga goes back. Every compensatable step that reserves something has one. */
  undo: boolean;
  unknown: "repeat" | "ask";
  /** Entering this step's intent lets a leg of the transfer be posted: the cut's tag is taken in that commit. */
  posts: boolean;
  /** Its call may leave before the step before it is journalled (`ahead.ts`). */
  ahead: boolean;
  /** How a call that came to nothing is made again. */
  retry: RetryPolicy;
  /**
   * From its begin to the moment it is overdue, milliseconds: then a saga before its pivot goes back, one at its pivot or past it is
   * parked. Absent: as long as the saga has.
   */
  deadlineMs?: number;
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

/** Gaps double from `baseMs` up to `capMs`; after `parkAfterMs` without a word a step that may not go back is parked. Milliseconds. */
export type RetryPolicy = { baseMs: number; capMs: number; parkAfterMs: number };

export const RETRY: RetryPolicy = { baseMs: 250, capMs: 60_000, parkAfterMs: 24 * 3_600_000 };

/** The longest gap before the next try. */
export const retryGapMs = (attempts: number, baseMs = RETRY.baseMs, capMs = RETRY.capMs): number =>
  Math.min(capMs, baseMs * 2 ** Math.min(Math.max(0, attempts - 1), 10));

/**
 * Full jitter: anywhere up to the gap, so that what failed together does not come back together. `chance` is 0 to 1, drawn by
 * whoever drives: what is decided from it is journalled, so the journal stays as it is however often it is read.
 */
export const jittered = (gapMs: number, chance: number): number => Math.max(1, Math.ceil(gapMs * chance));

/** A deadline is at most this far ahead. Milliseconds. */
const LONGEST_MS = 366 * 86_400_000;

/**
 * Checks a definition where it is made: compensatable* pivot? retriable*, names unique, every compensatable with its undo
 * unless it only waits, the door among the steps, gaps that grow, moments that come, what each kind of step asks for, and decisive
 * steps that operators know as such. Throws at start-up, never in a saga.
 */
export const define = (definition: SagaDefinition): SagaDefinition => {
  const order = { compensatable: 0, pivot: 1, retriable: 2 };
  const { steps, kind } = definition;
  steps.forEach((step, index) => {
    const before = steps[index - 1];
    if (before !== undefined && order[before.kind] > order[step.kind])
      throw new Error(`${kind}: ${step.name} is out of order`);
    if (step.kind === "compensatable" && !step.undo && !onlyWaits(step)) {
      throw new Error(`${kind}: ${step.name} has no undo`);
    }
    if (step.kind !== "compensatable" && step.undo) throw new Error(`${kind}: ${step.name} cannot be undone`);
    if (step.ahead && !(step.kind !== "pivot" && step.unknown === "repeat" && step.does.type === "call")) {
      throw new Error(`${kind}: ${step.name} cannot be called ahead`);
    }
  });
  if (!(definition.deadlineMs > 0 && definition.deadlineMs <= LONGEST_MS)) throw new Error(`${kind}: no such deadline`);
  if (steps.filter((step) => step.kind === "pivot").length > 1) throw new Error(`${kind}: two pivots`);
  if (new Set(steps.map((step) => step.name)).size !== steps.length) throw new Error(`${kind}: a name twice`);
  if (!steps.some((step) => step.name === definition.door)) throw new Error(`${kind}: no such door`);
  for (const step of steps) {
    checkStep(kind, step);
    const flaw = flawOf(step, definition) ?? flawOfTime(step, definition);
    if (flaw !== null) throw new Error(`${kind}: ${step.name} ${flaw}`);
  }
  return definition;
};

const onlyWaits = ({ does: { type } }: StepDefinition): boolean => type === "wait" || type === "timer";

/** What is wrong with a step of its kind; null: nothing. */
const flawOf = (step: StepDefinition, definition: SagaDefinition): string | null => {
  const { does } = step;
  switch (does.type) {
    case "call":
      return null;
    case "saga":
      return flawOfSubSaga(step, does, definition);
    default:
      if (step.kind === "pivot") return "cannot decide";
  }
  if (does.type === "group") return flawOfGroup(step, does);
  if (step.posts) return "makes no call";
  return does.type === "wait" ? flawOfWait(step, does) : flawOfTimer(step);
};

/** What is wrong with the times of a step: they come, and where they take the saga back they come before its own deadline. */
const flawOfTime = (step: StepDefinition, { steps, deadlineMs }: SagaDefinition): string | null => {
  const { does, kind } = step;
  const asleep = does.type === "timer" && "afterMs" in does.ends ? does.ends.afterMs : null;
  const goesOn = does.type === "wait" ? does.timeoutMs : null;
  const allowed = allowedMs(step);
  for (const ms of [asleep, goesOn, allowed]) {
    if (ms === null) continue;
    if (!(ms > 0 && ms <= LONGEST_MS)) return "has no such time";
    if (kind === "compensatable" && ms > deadlineMs) return "outlasts its saga";
  }
  const goesBack = kind === "compensatable" && allowed !== null;
  return goesBack && !steps.some((other) => other.kind === "pivot") ? "is overdue where nothing goes back" : null;
};

const checkStep = (kind: SagaKind, { name, kind: role, unknown, retry }: StepDefinition): void => {
  if (!(retry.baseMs > 0 && retry.baseMs <= retry.capMs && retry.capMs <= retry.parkAfterMs)) {
    throw new Error(`${kind}: ${name} has no such retries`);
  }
  const { pivots, asked } = DECISIVE_STEPS[kind];
  if ((role === "pivot") !== pivots.includes(name))
    throw new Error(`${kind}: operators are wrong about the pivot ${name}`);
  if ((unknown === "ask") !== asked.includes(name))
    throw new Error(`${kind}: operators are wrong about whom ${name} asks`);
};

const step = (name: string, kind: StepDefinition["kind"], rest: Partial<StepDefinition> = {}): StepDefinition => ({
  name,
  kind,
  does: { type: "call" },
  undo: kind === "compensatable",
  unknown: "repeat",
  posts: false,
  ahead: false,
  retry: RETRY,
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
