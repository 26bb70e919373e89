import { isLive, type Saga, type SagaKind, type SagaStep } from "./sagas.ts";

/** What an operator can do to a saga. */
export const OPERATIONS = ["retry", "compensate", "resolve"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** From this EUR-equivalent on, a second operator has to repeat a resolution. Minor units of EUR. */
export const SECOND_PERSON_FROM = 100_000n;

/**
 * The steps that decide what may be done to a saga: the pivots of a kind, in whatever version, and those that call a provider.
 * Definitions are checked against it at start-up.
 */
export const DECISIVE_STEPS: Readonly<Record<SagaKind, { pivots: readonly string[]; asked: readonly string[] }>> = {
  charge: { pivots: ["capture", "debit"], asked: ["capture"] },
  ledger_transfer: { pivots: ["decide"], asked: [] },
  hedge: { pivots: ["execute"], asked: [] },
};

/**
 * True from the moment the pivot's intent is in the journal, or was left out: from there on a saga only goes forward. Also while
 * a saga that is a step of it has its own pivot behind it, and has not ended.
 */
export const pivotStands = ({ kind, steps }: Pick<Saga, "kind" | "steps">): boolean => {
  const pivot = steps.findIndex(({ name }) => DECISIVE_STEPS[kind].pivots.includes(name));
  return steps.slice(Math.max(0, pivot)).some(({ status }) => status !== "pending") || steps.some(childStands);
};

const childStands = ({ result }: SagaStep): boolean => result?.child === "stands";

const hasEnded = (saga: Saga): boolean => !isLive(saga) && saga.status !== "parked";

/** A saga that was turned back goes back until everything is undone, whoever has to help it. */
const goesBack = (saga: Saga): boolean => saga.failure !== null;

/** Parked, or waiting for its next try; what waits for a person is not tried again, and a call under way is not doubled. */
export const mayRetry = (saga: Saga): boolean =>
  saga.status === "parked" || (isLive(saga) && (saga.steps[saga.cursor]?.next_at ?? null) !== null);

export const mayCompensate = (saga: Saga): boolean => !hasEnded(saga) && !goesBack(saga) && !pivotStands(saga);

/** At a provider's step whose outcome nobody knows, as long as no call that could still change it is on its way. */
export const mayResolve = (saga: Saga): boolean => {
  const step = saga.steps[saga.cursor];
  if (step === undefined || hasEnded(saga) || goesBack(saga)) return false;
  if (!DECISIVE_STEPS[saga.kind].asked.includes(step.name)) return false;
  if (saga.status === "parked") return true;
  return step.status === "unknown" && !(step.phase === "forward" && step.next_at === null);
};

export const operationsOf = (saga: Saga): Operation[] => {
  const may = { retry: mayRetry(saga), compensate: mayCompensate(saga), resolve: mayResolve(saga) };
  return OPERATIONS.filter((operation) => may[operation]);
};

/**
 * The first word of why a saga is parked (`amount_mismatch`, `internal`, the step's or the account's kind): few enough to count
 * by, and never an id.
 */
export const parkCode = (reason: string): string => /^[a-z_]+(?=:)/.exec(reason)?.[0] ?? "other";
