import type { JsonObject } from "../../schema/events.ts";
import type { Rejection } from "../../schema/rejections.ts";
import {
  isLive,
  type Outcome,
  type Saga,
  type SagaFailure,
  type SagaStep,
  type StepPhase,
} from "../../schema/sagas.ts";
import { freshStep, jittered, retryGapMs, type SagaDefinition } from "./definitions/definition.ts";
import { definitionOf, stepDefinition } from "./definitions/index.ts";
import { canGoBack, currentStep, stepEndsAt } from "./standing.ts";
import { heard, type Word, waitingFor } from "./steps/wait.ts";

export { canGoBack, currentStep, isDue, needsCall, nextLook } from "./standing.ts";

/** What one attempt of a step came to, reported to the journal. */
export type StepReport = {
  step: number;
  epoch: number;
  outcome: Outcome;
  /** `done`, `pending`: what later steps and readers need of the answer; merged into what the step knows. */
  result?: JsonObject;
  /** `declined`: the refusal, and what a resource that already exists fails with. */
  declined?: {
    rejection: Rejection;
    code: string;
    decline_reason: string | null;
    /** The resource exists and ends so, though nobody was told of it yet. */
    exists?: true;
  };
  /** What to do next about a step that has not ended; the same again when left out. */
  nextPhase?: StepPhase;
  /** How long to wait before that, milliseconds; a growing gap by the step's policy when left out. */
  retryInMs?: number;
  /** At least how long that gap is, milliseconds: the callee asked for it. */
  notBeforeMs?: number;
  error?: Rejection;
  /** Legs that an account refused for good, by index, and the suspense stripe each goes to instead. */
  redirects?: Readonly<Record<string, string>>;
  /** Set when no rule covers what happened: the saga stops here for a person, whatever it holds stays held. */
  park?: string;
};

export type BeginSaga = Pick<Saga, "id" | "kind" | "subject" | "input" | "principal" | "correlation" | "parent">;

export const iso = (ms: number): string => new Date(ms).toISOString();

export const replaceStep = (saga: Saga, index: number, change: Partial<SagaStep>): Saga => ({
  ...saga,
  steps: saga.steps.map((step, at) => (at === index ? { ...step, ...change } : step)),
});

/** A saga as it is first journalled: the intent of its first step is in the same commit. */
export const begin = (definition: SagaDefinition, command: BeginSaga, now: number, cutEpoch: number): Saga => {
  const saga: Saga = {
    ...command,
    version: definition.version,
    status: "running",
    epoch: 1,
    cursor: 0,
    steps: definition.steps.map(({ name }) => freshStep(name)),
    tag: null,
    failure: null,
    shown: false,
    parked_reason: null,
    deadline_at: iso(now + definition.deadlineMs),
    created_at: iso(now),
    updated_at: iso(now),
  };
  return enter(saga, 0, now, cutEpoch);
};

/** A word that waits for a second one is about the step at hand: it ends with it. */
export const withoutApproval = ({ approval: _, ...saga }: Saga): Saga => saga;

/**
 * Moves to the first step from `index` on that is not left out, its intent written; completed when there is none. Past the door
 * the caller may be told of the resource.
 */
const enter = (saga: Saga, index: number, now: number, cutEpoch: number): Saga => {
  const { door } = definitionOf(saga);
  let next = withoutApproval(saga);
  for (let at = index; at < next.steps.length; at++) {
    const definition = stepDefinition(next, at);
    if (next.steps[at - 1]?.name === door) next = { ...next, shown: true };
    if (definition.skip?.(next)) {
      next = replaceStep(next, at, { status: "skipped", started_at: iso(now), ended_at: iso(now) });
      continue;
    }
    next = replaceStep(next, at, {
      status: "intent",
      phase: "forward",
      attempts: 1,
      started_at: iso(now),
      first_sent_at: iso(now),
      last_sent_at: iso(now),
      next_at: null,
    });
    return { ...next, status: "running", cursor: at, tag: next.tag ?? (definition.posts ? cutEpoch : null) };
  }
  return { ...next, status: "completed", cursor: next.steps.length };
};

/** Goes back: the latest step that may hold something is undone first. Compensated when none is left. */
const goBack = (standing: Saga, from: number, now: number): Saga => {
  const saga = withoutApproval(standing);
  for (let at = from; at >= 0; at--) {
    const step = saga.steps[at];
    const definition = stepDefinition(saga, at);
    const holds = step !== undefined && step.status !== "pending" && step.status !== "skipped" && definition.undo;
    if (!holds) continue;
    const sent = { first_sent_at: iso(now), last_sent_at: iso(now) };
    const undoing = replaceStep(saga, at, { phase: "compensate", attempts: 1, next_at: null, ...sent });
    return { ...undoing, status: "compensating", cursor: at };
  }
  return { ...saga, status: "compensated", cursor: saga.steps.length };
};

/**
 * The steps after the one at hand that may have been called ahead of the journal, in their order. Whoever called them may be gone, or
 * still be at it.
 */
const maybeCalled = (saga: Saga): number[] => {
  const { steps } = definitionOf(saga);
  const found: number[] = [];
  if (currentStep(saga).phase !== "forward") return found;
  for (let at = saga.cursor + 1; at < steps.length; at++) {
    const step = steps[at];
    const isLeftOut = step?.skip?.(saga) === true;
    if (step?.kind !== "compensatable" || (!step.ahead && !isLeftOut)) break;
    if (!isLeftOut) found.push(at);
  }
  return found;
};

/** Turns a saga back with a reason; whether it may be is the caller's to have asked. */
export const turnBack = (saga: Saga, failure: SagaFailure, now: number): Saga => {
  const ended = { ended_at: iso(now), next_at: null };
  const waited = currentStep(saga).phase === "wait" ? replaceStep(saga, saga.cursor, ended) : saga;
  const reached = maybeCalled(saga);
  const marked = reached.reduce((before, at) => replaceStep(before, at, { status: "unknown" }), waited);
  return goBack({ ...marked, failure, epoch: saga.epoch + 1 }, reached.at(-1) ?? saga.cursor, now);
};

/**
 * What a report makes of a saga. Null when the report is of an attempt that has lost its epoch: it writes nothing. Rules, in
 * order: ended or another epoch → nothing; beyond all rules → parked; going back → forward to the next undo, or again; `done` → next step; `declined` →
 * back, or parked where nothing may decline; otherwise the step stays, and says when and how it is tried again. `chance`: 0 to 1,
 * where in its gap the next try falls.
 */
export const advance = (saga: Saga, report: StepReport, now: number, cutEpoch: number, chance = 1): Saga | null => {
  if (!isLive(saga) || report.epoch !== saga.epoch || report.step !== saga.cursor) return null;
  const step = currentStep(saga);
  const definition = stepDefinition(saga, saga.cursor);
  const result = learned(step, report, cutEpoch);
  const knowing = replaceStep({ ...saga, epoch: saga.epoch + 1 }, saga.cursor, { result });
  if (report.park !== undefined) return park(knowing, report.park, now);
  if (step.phase === "compensate") {
    if (report.outcome !== "done") return tryAgain(knowing, report, now, chance);
    const undone = replaceStep(knowing, saga.cursor, { status: "compensated", ended_at: iso(now), next_at: null });
    return goBack(undone, saga.cursor - 1, now);
  }
  if (report.outcome === "done") {
    const done = { status: "done", ended_at: iso(now), next_at: null, error: null } as const;
    return enter(replaceStep(knowing, saga.cursor, done), saga.cursor + 1, now, cutEpoch);
  }
  if (report.outcome === "declined" && report.declined !== undefined) {
    if (definition.kind === "retriable") return park(knowing, `${step.name}: ${report.declined.rejection.code}`, now);
    return decline(knowing, report.declined, definition.undo, now);
  }
  if (report.outcome === "pending") {
    const waiting = { phase: report.nextPhase ?? "wait", next_at: dueAt(report, now) } as const;
    const heard = { ...result, heard_at: iso(now) };
    const told = replaceStep(withoutApproval(knowing), saga.cursor, { ...waiting, result: heard });
    return { ...told, status: "waiting", shown: true };
  }
  return tryAgain(knowing, report, now, chance);
};

/**
 * What the step knows after a report. A redirected leg carries the cut epoch of this commit, not the transfer's: whatever cut has
 * listed the leg at its first account already counts it as in transit.
 */
const learned = (step: SagaStep, report: StepReport, cutEpoch: number): JsonObject | null => {
  if (report.redirects === undefined)
    return report.result === undefined ? step.result : { ...step.result, ...report.result };
  const tag = String(cutEpoch);
  const gone = Object.entries(report.redirects).map(([leg, account]) => [leg, { account, tag }]);
  const before = (step.result?.redirects ?? {}) as JsonObject;
  return { ...step.result, ...report.result, redirects: { ...before, ...Object.fromEntries(gone) } };
};

const decline = (saga: Saga, declined: NonNullable<StepReport["declined"]>, held: boolean, now: number): Saga => {
  const { rejection, code, decline_reason } = declined;
  const shown = saga.shown || declined.exists === true;
  const failure: SagaFailure = shown ? { cause: "failed", code, decline_reason } : { cause: "refused", rejection };
  const marked = replaceStep(saga, saga.cursor, {
    status: "declined",
    error: rejection,
    ended_at: iso(now),
    next_at: null,
  });
  // A step that said no is undone too: its no is stored there, and a tombstone keeps a late twin of the call out.
  return goBack({ ...marked, failure, shown }, held ? saga.cursor : saga.cursor - 1, now);
};

const dueAt = (report: StepReport, now: number): string | null =>
  report.retryInMs === undefined ? null : iso(now + report.retryInMs);

/** Since when a step has been without any answer that says something: a payment that is pending for days is no trouble. */
const troubledSince = (step: SagaStep): number => {
  const own = step.phase === "compensate" ? step.first_sent_at : (step.result?.heard_at ?? step.started_at);
  return Math.max(Date.parse(String(own ?? "")), Date.parse(step.retried_at ?? new Date(0).toISOString()));
};

/** The step stays: another try after a gap, or, when it has been at it for as long as its policy says, a person. */
const tryAgain = (saga: Saga, report: StepReport, now: number, chance: number): Saga => {
  const step = currentStep(saga);
  const { retry, unknown } = stepDefinition(saga, saga.cursor);
  if (now - troubledSince(step) > retry.parkAfterMs && !canGoBack(saga)) {
    return park(saga, `${step.name}: ${report.outcome} for a day`, now);
  }
  // Nothing an undo hears turns it round.
  const phase = step.phase === "compensate" ? step.phase : (report.nextPhase ?? step.phase);
  // `unknown` shows where a provider may have acted; a call to an actor of ours is simply made again.
  const asked = unknown === "ask" && phase !== "compensate";
  const grown = jittered(retryGapMs(step.attempts, retry.baseMs, retry.capMs), chance);
  const gapMs = report.retryInMs ?? Math.max(report.notBeforeMs ?? 0, grown);
  return {
    ...replaceStep(saga, saga.cursor, {
      phase,
      status: asked && report.outcome === "unknown" ? "unknown" : step.status,
      // What never left the house spends no attempt.
      attempts: report.outcome === "not_sent" ? Math.max(0, step.attempts - 1) : step.attempts,
      next_at: iso(now + gapMs),
      error: report.error ?? step.error,
    }),
    status: phase === "compensate" ? "compensating" : "running",
  };
};

/** Parked is out of the rules' hands, so the caller is told of the resource, unless it was refused before there was one. */
const park = (saga: Saga, reason: string, now: number): Saga => ({
  ...replaceStep(saga, saga.cursor, { status: "parked", ended_at: iso(now), next_at: null }),
  status: "parked",
  shown: saga.shown || saga.failure?.cause !== "refused",
  parked_reason: reason,
});

/** Parks a saga whose own rules failed it: one saga's bug is nobody else's. */
export const parkBroken = (saga: Saga, detail: string, now: number): Saga =>
  park({ ...saga, epoch: saga.epoch + 1 }, `internal: ${detail}`, now);

/** What a saga fails with that ran out of time: itself, or the step at hand. */
const expired = ({ shown }: Saga, step: string | null): SagaFailure =>
  shown
    ? { cause: "failed", code: "expired", decline_reason: step }
    : { cause: "refused", rejection: { code: "conflict", detail: `${step ?? "it"} was not decided in time` } };

/** A saga whose own deadline has passed, or its step's: back if it still may, else to a person. Null: it has time. */
const runOut = (saga: Saga, now: number): Saga | null => {
  const { name } = currentStep(saga);
  const isOver = canGoBack(saga) && now >= Date.parse(saga.deadline_at);
  if (isOver) return turnBack(saga, expired(saga, null), now);
  const end = stepEndsAt(saga);
  if (end === null || now < end) return null;
  if (canGoBack(saga)) return turnBack(saga, expired(saga, name), now);
  return park({ ...saga, epoch: saga.epoch + 1 }, `${name}: not done in time`, now);
};

/**
 * Takes a live saga up again, by its timer or after a restart: past a deadline it goes back if it still may; otherwise the
 * call at hand is made again under a new epoch. An intent found without an outcome is unknown: a provider is asked first.
 * Null when there is nothing to do now.
 */
export const takeUp = (saga: Saga, now: number): Saga | null => {
  if (!isLive(saga)) return null;
  const over = runOut(saga, now);
  if (over !== null) return over;
  const step = currentStep(saga);
  const due = step.next_at === null || Date.parse(step.next_at) <= now;
  if (!due || (step.phase === "wait" && step.next_at === null)) return null;
  const asks = stepDefinition(saga, saga.cursor).unknown === "ask";
  const planned = step.next_at !== null;
  let phase = step.phase;
  if (phase === "wait") phase = asks ? "query" : "forward";
  if (asks && phase === "forward" && !planned) phase = "query";
  const sends = phase === "forward" || phase === "compensate";
  const again = replaceStep(saga, saga.cursor, {
    phase,
    // Nobody knows whether the attempt that left no outcome had left the house: it counts as sent.
    ...(asks && !planned ? { result: { ...step.result, maybe_sent: true } } : {}),
    next_at: null,
    attempts: step.attempts + 1,
    ...(sends ? { last_sent_at: iso(now) } : {}),
  });
  return { ...again, epoch: saga.epoch + 1, status: saga.status === "compensating" ? "compensating" : "running" };
};

/** Takes a saga back on somebody's word; null once the pivot's intent stands, or when it goes back already. */
export const cancel = (saga: Saga, now: number): Saga | null =>
  canGoBack(saga) ? turnBack(saga, { cause: "cancelled" }, now) : null;

/**
 * Somebody's word on what a saga waits for: on, or back; where only forward is left, a no is for a person to look at. Null when the
 * saga does not wait for this event: whoever sends it says it again, or is told that it is too late.
 */
export const resolveWait = (
  saga: Saga,
  event: string,
  verdict: "approve" | "decline",
  word: Word,
  now: number,
  cutEpoch: number,
): Saga | null => {
  const definition = definitionOf(saga).steps[saga.cursor];
  const waiting = waitingFor(saga, definition?.does, event);
  if (waiting === null || definition?.does.type !== "wait") return null;
  const told = heard(waiting, verdict, word, iso(now));
  const knowing = replaceStep({ ...saga, epoch: saga.epoch + 1 }, saga.cursor, told);
  if (verdict === "approve") return enter(knowing, saga.cursor + 1, now, cutEpoch);
  if (definition.kind === "retriable") return park(knowing, `${waiting.name}: declined`, now);
  const failure: SagaFailure = { cause: "failed", code: definition.does.refusal, decline_reason: null };
  return goBack({ ...knowing, failure }, saga.cursor - 1, now);
};
