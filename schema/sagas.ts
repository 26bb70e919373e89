import type { JsonObject, Principal } from "./events.ts";
import type { MoneyJson } from "./money.ts";
import type { Rejection } from "./rejections.ts";

/**
 * Sagas as data: what a step is, what the journal holds, and how a saga folds from its journal. The coordinator decides with it,
 * the read model shows it; there is one fold.
 */
export const SAGA_KINDS = ["charge", "ledger_transfer", "hedge"] as const;
export type SagaKind = (typeof SAGA_KINDS)[number];

export const SAGA_STATUSES = ["running", "waiting", "compensating", "parked", "completed", "compensated"] as const;
export type SagaStatus = (typeof SAGA_STATUSES)[number];

export const STEP_STATUSES = [
  "pending",
  "intent",
  "done",
  "declined",
  "unknown",
  "compensated",
  "skipped",
  "parked",
] as const;
export type StepStatus = (typeof STEP_STATUSES)[number];

/**
 * Why a saga went back. `refused`: before anybody was told of the resource, so the answer is a problem and nothing exists.
 * `failed`: the resource exists and ends so. `cancelled`: somebody took it back before the pivot.
 */
export type SagaFailure =
  | { cause: "refused"; rejection: Rejection }
  | { cause: "failed"; code: string; decline_reason: string | null }
  | { cause: "cancelled" };

/**
 * What one attempt of a step came to. `unknown` never advances and never compensates; `pending` waits for the outside world;
 * `not_sent` is known not to have left the house.
 */
export type Outcome = "done" | "declined" | "pending" | "not_sent" | "unknown";

/** What a step in flight is doing: its own call, asking what became of it, taking it back, or waiting for somebody. */
export type StepPhase = "forward" | "query" | "void" | "wait" | "compensate";

export type SagaStep = {
  name: string;
  status: StepStatus;
  phase: StepPhase;
  attempts: number;
  started_at: string | null;
  ended_at: string | null;
  /** Not driven again before this; null: due now, or ended. */
  next_at: string | null;
  /** When an attempt that may have reached the other side last left; null: none has. */
  last_sent_at: string | null;
  /** When the first attempt that may have reached the other side left: the provider's key memory counts from here. */
  first_sent_at: string | null;
  error: Rejection | null;
  /** What the callee answered, as far as later steps and readers need it. */
  result: JsonObject | null;
  /** When an operator last had it tried again: its attempts, and how long it has been in trouble, count from here. */
  retried_at?: string;
};

/** What people do to a saga, beside the command that began it. */
export type SagaAction = "cancel" | "review" | "retry" | "compensate" | "resolve";

/** Somebody's word on a saga, as its journal keeps it; the entry's principal is whoever gave it. */
export type SagaWord = {
  action: SagaAction;
  by: string;
  note: string | null;
  /** `resolve` and `review`: of which step, and how it is to end. */
  step?: string;
  verdict?: string;
  provider_ref?: string | null;
};

/** A resolution that needs a second person, and has the first one's word. */
export type SagaApproval = {
  step: string;
  verdict: "succeeded" | "declined";
  provider_ref: string | null;
  by: string;
  note: string;
  at: string;
};

/** A capture nobody expected, booked to suspense by a saga of its own. */
export type StrayCapture = { provider_ref: string; amount: MoneyJson; saga: string };

/** The latest of these many words are kept with a saga; the journal has them all. */
export const WORDS_KEPT = 20;

export type Saga = {
  id: string;
  kind: SagaKind;
  version: number;
  /** The user whose command began it. */
  subject: string;
  status: SagaStatus;
  /** Bumped by every drive; an answer that carries another epoch writes nothing. */
  epoch: number;
  /** Index of the current step; the number of steps when it has ended. */
  cursor: number;
  input: JsonObject;
  steps: SagaStep[];
  /** The shard's cut epoch, taken in the commit that first lets a leg be posted; null before. */
  tag: number | null;
  /** Why the saga went back; null while it goes forward. */
  failure: SagaFailure | null;
  /** True when the caller was already told of the resource, so that a later refusal is a failed resource, not a problem. */
  shown: boolean;
  parked_reason: string | null;
  principal: Principal;
  correlation: string;
  deadline_at: string;
  created_at: string;
  updated_at: string;
  /** The saga whose step it is, in the same shard. Absent: it is nobody's. */
  parent?: string;
  /** Absent: nobody's word waits for a second one. */
  approval?: SagaApproval;
  /** How often it was parked and taken up again, each counted once: odd while it is parked. Absent: never. */
  stops?: number;
  /** Absent: none. */
  strays?: StrayCapture[];
  /** What people did to it, oldest first. Absent: nothing. */
  words?: (SagaWord & { at: string })[];
};

/** A step as the journal writes it: integers are strings, as in every event. */
export type JournalStep = Omit<SagaStep, "attempts"> & { attempts: string };
type Counted = "version" | "epoch" | "cursor" | "tag" | "steps";
/** What only a saga's later entries speak of. */
type Later = "approval" | "stops" | "strays" | "words";
export type JournalSaga = Omit<Saga, Counted | Later | "updated_at" | "created_at" | "id"> & {
  saga: string;
  version: string;
  epoch: string;
  cursor: string;
  tag: string | null;
  steps: JournalStep[];
};

/** The journal of a shard: each entry is one commit's word on one saga; `saga.stepped` carries the whole of each step it changes. */
export type SagaEventData = {
  "saga.began": JournalSaga;
  "saga.stepped": {
    saga: string;
    status: SagaStatus;
    epoch: string;
    cursor: string;
    changed: { index: string; step: JournalStep }[];
    tag: string | null;
    failure: SagaFailure | null;
    shown: boolean;
    parked_reason: string | null;
    deadline_at: string;
    /** Somebody's word that led to this entry. */
    word?: SagaWord;
    /** A word that waits for a second one; absent: none does any more. */
    approval?: SagaApproval;
    /** A capture that this entry's commit books to suspense. */
    stray?: StrayCapture;
  };
};

const toJournalStep = (step: SagaStep): JournalStep => ({ ...step, attempts: String(step.attempts) });
const fromJournalStep = (step: JournalStep): SagaStep => ({ ...step, attempts: Number(step.attempts) });

export const sagaBegan = (saga: Saga): SagaEventData["saga.began"] => ({
  saga: saga.id,
  kind: saga.kind,
  version: String(saga.version),
  subject: saga.subject,
  status: saga.status,
  epoch: String(saga.epoch),
  cursor: String(saga.cursor),
  input: saga.input,
  steps: saga.steps.map(toJournalStep),
  tag: saga.tag === null ? null : String(saga.tag),
  failure: saga.failure,
  shown: saga.shown,
  parked_reason: saga.parked_reason,
  principal: saga.principal,
  correlation: saga.correlation,
  deadline_at: saga.deadline_at,
  ...(saga.parent === undefined ? {} : { parent: saga.parent }),
});

/** The journal entry that leads from one state of a saga to the next; `word`: on whose word. */
export const sagaStepped = (before: Saga, after: Saga, word?: SagaWord): SagaEventData["saga.stepped"] => ({
  saga: after.id,
  status: after.status,
  epoch: String(after.epoch),
  cursor: String(after.cursor),
  changed: after.steps.flatMap((step, index) =>
    step === before.steps[index] ? [] : [{ index: String(index), step: toJournalStep(step) }],
  ),
  tag: after.tag === null ? null : String(after.tag),
  failure: after.failure,
  shown: after.shown,
  parked_reason: after.parked_reason,
  deadline_at: after.deadline_at,
  ...(word === undefined ? {} : { word }),
  ...(after.approval === undefined ? {} : { approval: after.approval }),
  ...newStray(before, after),
});

const newStray = (before: Saga, after: Saga): { stray?: StrayCapture } => {
  const stray = after.strays?.[before.strays?.length ?? 0];
  return stray === undefined ? {} : { stray };
};

type SagaEvent =
  | { type: "saga.began"; recorded_at: string; data: SagaEventData["saga.began"] }
  | { type: "saga.stepped"; recorded_at: string; data: SagaEventData["saga.stepped"] };

/** The fold of a saga's journal. Pure; throws on a journal that no coordinator can have written. */
export const evolveSaga = (saga: Saga | null, event: SagaEvent): Saga => {
  if (event.type === "saga.began") {
    const { saga: id, ...rest } = event.data;
    return {
      ...rest,
      id,
      version: Number(rest.version),
      epoch: Number(rest.epoch),
      cursor: Number(rest.cursor),
      tag: rest.tag === null ? null : Number(rest.tag),
      steps: rest.steps.map(fromJournalStep),
      created_at: event.recorded_at,
      updated_at: event.recorded_at,
    };
  }
  if (saga === null) throw new Error(`saga ${event.data.saga} stepped before it began`);
  const steps = [...saga.steps];
  for (const { index, step } of event.data.changed) steps[Number(index)] = fromJournalStep(step);
  const { status, failure, shown, parked_reason, deadline_at, word, approval, stray } = event.data;
  const { approval: _settled, ...standing } = saga;
  const stopped = (saga.status === "parked") !== (status === "parked");
  return {
    ...standing,
    ...(approval === undefined ? {} : { approval }),
    ...(stopped ? { stops: (saga.stops ?? 0) + 1 } : {}),
    ...(stray === undefined ? {} : { strays: [...(saga.strays ?? []), stray] }),
    ...(word === undefined
      ? {}
      : { words: [...(saga.words ?? []), { ...word, at: event.recorded_at }].slice(-WORDS_KEPT) }),
    status,
    failure,
    shown,
    parked_reason,
    deadline_at,
    epoch: Number(event.data.epoch),
    cursor: Number(event.data.cursor),
    tag: event.data.tag === null ? null : Number(event.data.tag),
    steps,
    updated_at: event.recorded_at,
  };
};

/** The step a saga is at; throws past the end. */
export const currentStep = (saga: Saga): SagaStep => {
  const step = saga.steps[saga.cursor];
  if (step === undefined) throw new Error(`${saga.id} has ended`);
  return step;
};

/** True while the saga may still be driven: it has a timer, and nothing it reserved is forgotten. */
export const isLive = (saga: Pick<Saga, "status">): boolean =>
  saga.status === "running" || saga.status === "waiting" || saga.status === "compensating";
