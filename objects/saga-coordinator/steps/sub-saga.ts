import { shardOf } from "../../../schema/ids.ts";
import { type Rejection, reject } from "../../../schema/rejections.ts";
import { pivotStands } from "../../../schema/saga-operations.ts";
import { currentStep, type Saga, type SagaStep } from "../../../schema/sagas.ts";
import type { BeginSaga } from "../decide.ts";
import type { SagaDefinition, StepDefinition } from "../definitions/definition.ts";
import { nameOf } from "../definitions/name.ts";
import type { Move } from "./move.ts";

/** A saga that another begins: its definition, and what it begins with, under an id that follows from the other's journal. */
export type Kin = { definition: SagaDefinition; first: (saga: Saga) => { id: string; input: object } };

/**
 * A step that is a saga of its own, in the same shard: begun in the commit of the step's intent, its end is the step's outcome.
 * `undoneBy`: the saga that takes it back when it has completed; one that is under way goes back itself, if it still may.
 */
export type SubSaga = { type: "saga"; child: Kin; undoneBy: Kin | null };

export const runs = (child: Kin, undoneBy: Kin | null = null): Pick<StepDefinition, "does"> => ({
  does: { type: "saga", child, undoneBy },
});

const kinOf = ({ does }: StepDefinition): Kin[] =>
  does.type === "saga" ? [does.child, ...(does.undoneBy === null ? [] : [does.undoneBy])] : [];

/** True when a saga of this definition would, sooner or later, begin one of the other. */
const begins = ({ steps }: SagaDefinition, other: SagaDefinition): boolean =>
  steps.flatMap(kinOf).some(({ definition }) => nameOf(definition) === nameOf(other) || begins(definition, other));

/** What is wrong with such a step; null: nothing. */
export const flawOfSubSaga = (step: StepDefinition, { undoneBy }: SubSaga, parent: SagaDefinition): string | null => {
  if (step.unknown === "ask" || step.posts) return "leaves its calls to another saga";
  if ((step.kind === "compensatable") !== (undoneBy !== null)) return "must be undone by a saga, if it can be undone";
  return begins({ ...parent, steps: [step] }, parent) ? "is its own ancestor" : null;
};

/** The first entry of a saga that this one begins; throws where that could not be in the same commit. */
export const beginningOf = (parent: Saga, { definition, first }: Kin): BeginSaga => {
  const { id, input } = first(parent);
  const shard = shardOf("sag", id);
  if (shard === null || shard !== shardOf("sag", parent.id)) throw new Error(`${parent.id} begins no saga elsewhere`);
  const { subject, principal, correlation } = parent;
  const own = { id, kind: definition.kind, input: input as BeginSaga["input"] };
  return { ...own, subject, principal, correlation, parent: parent.id };
};

/** The saga that a step from one state to the next begins: that of the step whose intent it writes. Null: none. */
export const begunBy = (before: Saga | null, after: Saga, does: StepDefinition["does"] | undefined): Kin | null => {
  if (does?.type !== "saga" || after.steps[after.cursor]?.status !== "intent") return null;
  const then = before?.steps[after.cursor]?.status ?? "pending";
  return then === "pending" ? does.child : null;
};

/** True when a step from one state to the next begins to undo what the step at hand was. */
export const beginsToUndo = (before: Saga | null, after: Saga): boolean => {
  const isUndoing = (saga: Saga): boolean => saga.steps[after.cursor]?.phase === "compensate";
  return after.status === "compensating" && isUndoing(after) && (before === null || !isUndoing(before));
};

/** The saga that is a step of another, and the one that undoes it, as they stand; null: not begun. */
export const sagasOf = (
  saga: Saga,
  { child, undoneBy }: SubSaga,
  load: (id: string) => Saga | null,
): [child: Saga | null, undoing: Saga | null] => [
  load(child.first(saga).id),
  undoneBy === null ? null : load(undoneBy.first(saga).id),
];

/**
 * What a step makes of how its sagas stand. Going back: undone once the child is, or, when it had completed, once the saga that
 * takes it back has. Otherwise: the child's end is its own; until then it waits, and knows whether the child can still go back.
 */
export const moveOfKin = (saga: Saga, child: Saga | null, undoing: Saga | null): Move => {
  const step = currentStep(saga);
  if (step.phase === "compensate") return undoneWith(step, child, undoing);
  switch (child?.status) {
    case "completed":
      return { outcome: "done", result: { child: "completed" } };
    case "compensated":
      return { outcome: "declined", result: { child: "compensated" }, declined: declinedBy(child) };
    case undefined:
      return { outcome: "unknown", park: `${step.name}: its saga was never begun` };
    default: {
      const stands = child !== null && pivotStands(child);
      return { outcome: "pending", nextPhase: "wait", result: { child: stands ? "stands" : "runs" } };
    }
  }
};

const undoneWith = ({ name }: SagaStep, child: Saga | null, undoing: Saga | null): Move => {
  if (child === null || child.status === "compensated" || undoing?.status === "completed") return { outcome: "done" };
  if (undoing?.status === "compensated") return { outcome: "unknown", park: `${name}: was not taken back` };
  return { outcome: "unknown" };
};

/** A child's failure, as its parent's own refusal. */
const declinedBy = ({ failure, kind }: Saga): NonNullable<Move["declined"]> => {
  const rejection = (detail: string): Rejection => reject("conflict", detail).rejection;
  switch (failure?.cause) {
    case "refused":
      return { rejection: failure.rejection, code: "upstream_unavailable", decline_reason: failure.rejection.code };
    case "failed": {
      const { code, decline_reason } = failure;
      return { rejection: rejection(`its ${kind} failed: ${code}`), code, decline_reason };
    }
    default:
      return {
        rejection: rejection(`its ${kind} was taken back`),
        code: "upstream_unavailable",
        decline_reason: "cancelled",
      };
  }
};

/** True when a parent has to hear a move: the child has ended, or can from now on only go forward. */
export const isNews = ({ result }: SagaStep, move: Move): boolean =>
  move.outcome === "pending"
    ? result?.child !== move.result?.child
    : move.outcome !== "unknown" || move.park !== undefined;
