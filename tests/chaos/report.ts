import { formatMinor } from "../../schema/money.ts";
import type { Verdict } from "../support/checker.ts";
import type { Outcome } from "./run.ts";
import { tally } from "./verdict.ts";

/** A run that did less proves less: this much must have happened in each minute, or the run itself has failed. */
export const LEAST_A_MINUTE = { killed: 2, acknowledged: 400 };

const enoughVerdict = ({ struck, records }: Outcome, minutes: number): Verdict => {
  const acknowledged = records.charges.size + records.transfers.size;
  const faults = [
    ...(struck.killed < Math.floor(LEAST_A_MINUTE.killed * minutes) ? [`${struck.killed} kills are too few`] : []),
    ...(acknowledged < LEAST_A_MINUTE.acknowledged * minutes ? [`${acknowledged} payments are too few`] : []),
  ];
  return { name: "enough", ok: faults.length === 0, detail: faults.join(", ") || "as much happened as a proof needs" };
};

/** The figures and the verdict of a run, a line each; `minutes`: how long the load was to run. */
export const report = (outcome: Outcome, minutes: number): { ok: boolean; lines: string[] } => {
  const { records, struck, finding } = outcome;
  const verdicts = [...outcome.verdicts, enoughVerdict(outcome, minutes)];
  const ok = verdicts.every((verdict) => verdict.ok);
  const figures = [...records.figures.values()];
  const count = (what: "tried" | "refused") => figures.reduce((sum, each) => sum + each[what], 0);
  const ends = Object.entries(tally(records)).map(([status, number]) => `${number} ${status}`);
  const names = new Map<string, number>();
  for (const { name } of verdicts) names.set(name, (names.get(name) ?? 0) + 1);
  const lines = [
    `struck       killed ${struck.killed} times, restarted ${struck.restarted}, paused ${struck.paused}, clock stepped ${struck.clockSteps}`,
    `payments     tried ${count("tried")}, acknowledged ${records.charges.size + records.transfers.size}, refused ${count("refused")}`,
    `charges      ${records.charges.size} acknowledged: ${ends.join(", ")}`,
    ...finding.captures.map(
      ({ currency, count: captures, captured, posted }) =>
        `captures     ${captures} of ${formatMinor(captured, currency)} ${currency} in the provider's books, ${formatMinor(posted, currency)} posted`,
    ),
    ...finding.currencies.map(({ currency, difference }) => `difference   ${difference} ${currency}`),
    `chains       ${finding.chains} verified`,
    `invariants   ${[...names].map(([name, number]) => `${name}${number === 1 ? "" : ` × ${number}`}`).join(", ")}`,
    ...verdicts.map((verdict) => `${verdict.ok ? "✔" : "✘"} ${verdict.name}: ${verdict.detail}`),
    ok ? "every cent accounted for" : "THE PROOF FAILED",
  ];
  return { ok, lines };
};
