import type { Saga } from "../../schema/sagas.ts";
import { advance, canGoBack, needsCall, type StepReport } from "./decide.ts";
import { stepDefinition } from "./definitions/index.ts";

/**
 * The saga as a report will leave it, where the next call leaves before that report is journalled, so that both are one entry; null
 * where the journal comes first.
 *
 * Past the pivot's intent nothing goes back, and a step that may be called ahead has the same answer for ever. So a crash finds the
 * older entry, makes the same calls again and hears the same of each. A leg is let out only under a tag that stands in the journal: a
 * cut that moves meanwhile lists it.
 */
export const aheadOf = (saga: Saga, report: StepReport, now: number): Saga | null => {
  if (report.outcome !== "done" || report.park !== undefined || saga.tag === null || canGoBack(saga)) return null;
  const next = asItWillBe(saga, report, now, saga.tag);
  if (next?.status !== "running" || !stepDefinition(next, next.cursor).ahead) return null;
  return needsCall(next) ? next : null;
};

/** A bug in the rules is met again where the report is journalled, and stops the saga there. */
const asItWillBe = (saga: Saga, report: StepReport, now: number, tag: number): Saga | null => {
  try {
    return advance(saga, report, now, tag);
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
