import type { Saga } from "../../schema/sagas.ts";
import { advance, canGoBack, needsCall, type StepReport } from "./decide.ts";
import { stepDefinition } from "./definitions/index.ts";

/**
 * The saga as a report will leave it, where the next call leaves before that report is journalled, so that both are one entry; null
 * where the journal comes first. A step that may be called ahead has the same answer for ever, so a crash finds the older entry, makes
 * the same calls again and hears the same of each.
 *
 * Before the pivot: what is taken back meanwhile takes back the steps that may have been called ahead as well (`turnBack`).
 * Past it nothing goes back, and a leg is let out only under a tag that stands in the journal: a cut that moves meanwhile lists it.
 * The pivot itself is never called ahead.
 */
export const aheadOf = (saga: Saga, report: StepReport, now: number): Saga | null => {
  if (report.outcome !== "done" || report.park !== undefined) return null;
  const next = asItWillBe(saga, report, now);
  if (next?.status !== "running" || !needsCall(next)) return null;
  const { ahead, kind } = stepDefinition(next, next.cursor);
  const isSafe = canGoBack(saga) ? kind === "compensatable" : saga.tag !== null;
  return ahead && isSafe ? next : null;
};

/** A bug in the rules is met again where the report is journalled, and stops the saga there. */
const asItWillBe = (saga: Saga, report: StepReport, now: number): Saga | null => {
  try {
    // No step that takes a tag is entered here: its own stands already, or it is past reach.
    return advance(saga, report, now, saga.tag ?? 0);
  } catch {
    return null;
  }
};

/** A saga after some reports, each of the state that the one before it leads to; null when the first one has lost its epoch. */
export const advanceAll = (
  saga: Saga,
  reports: readonly StepReport[],
  now: number,
  cutEpoch: number,
  chance: number,
): Saga | null =>
  reports.reduce<Saga | null>(
    (before, report) => (before === null ? null : advance(before, report, now, cutEpoch, chance)),
    saga,
  );
