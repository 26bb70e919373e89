import { isLive, type Saga } from "../../schema/sagas.ts";
import { streamOf } from "../../schema/streams.ts";
import { fixEnd, requireCharge } from "./answers.ts";
import { hedgeBegunBy } from "./begin-hedge.ts";
import { transferRecord } from "./begin-transfer.ts";
import { advance, type BeginSaga, begin, parkBroken, type StepReport } from "./decide.ts";
import type { SagaDefinition } from "./definitions/definition.ts";
import { hedge } from "./definitions/hedge.ts";
import { DEFINITIONS } from "./definitions/index.ts";
import { ledgerTransfer } from "./definitions/ledger-transfer.ts";
import { nameOf } from "./definitions/name.ts";
import {
  accountsNamedBy,
  journalBegin,
  journalStep,
  loadSaga,
  nameActors,
  type Said,
  type ShardTurn,
} from "./journal.ts";
import { takenBack, unparked } from "./operate.ts";
import { leaveOriginal } from "./reversals.ts";
import { beginningOf, beginsToUndo, begunBy, isNews, type Kin, moveOfKin, sagasOf } from "./steps/sub-saga.ts";
import { strayBookedBy } from "./stray-captures.ts";

/** One saga's change in a commit; `before` null: it began there. */
export type Committed = { before: Saga | null; saga: Saga };

/** What the step at hand does; nothing, where the saga's definition is gone: it is parked, and that must not fail. */
export const doesAt = (saga: Saga) => DEFINITIONS.get(nameOf(saga))?.steps[saga.cursor]?.does;

/** The saga that this change of a saga begins as its step; throws where it cannot. Null: none. */
export const childBegunBy = (before: Saga | null, after: Saga): { kin: Kin; first: BeginSaga } | null => {
  const does = doesAt(after);
  const kin = begunBy(before, after, does);
  if (kin === null || does?.type !== "saga") return null;
  // Whether it could be undone is found out now, not when it must be.
  if (does.undoneBy !== null) beginningOf(after, does.undoneBy);
  return { kin, first: beginningOf(after, kin) };
};

/**
 * Begins a saga, and with it whatever its first step begins: all that this commit journals of sagas, in its order. `scope`: of the
 * command whose answer its end fixes; null: nobody's.
 */
export const beginFamily = (
  turn: ShardTurn,
  definition: SagaDefinition,
  first: BeginSaga,
  scope: string | null = null,
): Committed[] => {
  const saga = journalBegin(turn, begin(definition, first, turn.now, turn.state.cutEpoch), scope);
  nameActors(turn, accountsNamedBy(saga).map(streamOf.account));
  return [{ before: null, saga }, ...kinMoved(turn, null, saga)];
};

/**
 * Journals a change of a saga, and in the same commit all that follows from it: its answer where it has ended, what is begun beside
 * it, the saga that its step begins or takes back, and what its parent makes of it. A crash finds all of it or nothing.
 */
export const changeFamily = (turn: ShardTurn, before: Saga, after: Saga, said?: Said): Committed[] => {
  const saga = journalStep(turn, before, after, said);
  if (saga.kind !== "hedge") fixEnd(turn, saga, saga.kind === "charge" ? requireCharge : transferRecord);
  leaveOriginal(turn, saga);
  return [{ before, saga }, ...begunBeside(turn, before, saga), ...kinMoved(turn, before, saga)];
};

/** The sagas that one's step begins and nobody waits for: the hedge of a conversion, the booking of a stray capture. */
const begunBeside = (turn: ShardTurn, before: Saga, after: Saga): Committed[] => {
  const covering = hedgeBegunBy(before, after);
  const booking = strayBookedBy(before, after);
  return [
    ...(covering === null ? [] : beginFamily(turn, hedge, covering)),
    ...(booking === null ? [] : beginFamily(turn, ledgerTransfer, booking)),
  ];
};

const kinMoved = (turn: ShardTurn, before: Saga | null, saga: Saga): Committed[] => {
  const child = childBegunBy(before, saga);
  const down =
    child === null ? takeBackChild(turn, before, saga) : beginFamily(turn, child.kin.definition, child.first);
  return [...down, ...tellParent(turn, saga)];
};

/** A saga that begins to undo what was a saga takes that one back; one that has completed, by a saga that undoes it. */
const takeBackChild = (turn: ShardTurn, before: Saga | null, saga: Saga): Committed[] => {
  const does = doesAt(saga);
  if (does?.type !== "saga" || does.undoneBy === null || !beginsToUndo(before, saga)) return [];
  const child = loadSaga(turn.sql, does.child.first(saga).id);
  if (child?.status === "completed") {
    return beginFamily(turn, does.undoneBy.definition, beginningOf(saga, does.undoneBy));
  }
  const back = child === null ? null : takenBack(child, "what it was a step of was taken back", turn.now);
  return child === null || back === null ? [] : changeFamily(turn, child, back);
};

/** What the parent makes of a saga that has ended, or has its pivot behind it. */
const tellParent = (turn: ShardTurn, { id, parent: parentId }: Saga): Committed[] => {
  const parent = parentId === undefined ? null : loadSaga(turn.sql, parentId);
  if (parent === null || doesAt(parent)?.type !== "saga") return [];
  const after = ruled(unparked(parent), turn.now, (standing) => {
    const report = newsOf(parent, id, (kin) => loadSaga(turn.sql, kin));
    return report === null ? null : advance(standing, report, turn.now, turn.state.cutEpoch);
  });
  return after === null ? [] : changeFamily(turn, parent, after);
};

/** What a saga hears of `kin`, one of its step's; null: nothing. Parked, it hears of an end only; for a bug of its own, of nothing. */
const newsOf = (saga: Saga, kin: string, load: (id: string) => Saga | null): StepReport | null => {
  const does = doesAt(saga);
  const step = saga.steps[saga.cursor];
  if (does?.type !== "saga" || step === undefined) return null;
  const sagas = sagasOf(saga, does, load);
  if (!sagas.some((one) => one?.id === kin)) return null;
  const move = moveOfKin(saga, ...sagas);
  const isDeaf = saga.status === "parked" && (move.outcome === "pending" || isBroken(saga));
  return isDeaf || !isNews(step, move) ? null : { step: saga.cursor, epoch: saga.epoch, ...move };
};

const isBroken = ({ parked_reason }: Saga): boolean => parked_reason?.startsWith("internal:") === true;

/** What a saga's rules make of it. A bug in them stops that saga, not the batch it shares nor its family; throws if it has ended. */
export const ruled = (before: Saga, now: number, change: (saga: Saga) => Saga | null): Saga | null => {
  try {
    const after = change(before);
    // One that cannot begin what its step is has a bug too.
    if (after !== null) childBegunBy(before, after);
    return after;
  } catch (error) {
    if (!isLive(before)) throw error;
    console.error(`saga ${before.id} parked: ${error instanceof Error ? error.message : "failed"}`);
    return parkBroken(before, error instanceof Error ? error.name : "error", now);
  }
};
