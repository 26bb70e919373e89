import { setTimeout as delay } from "node:timers/promises";
import { faultsIn } from "../tests/support/checker.ts";
import type { Verdict } from "../tests/support/verdict.ts";
import { closedLoop, type Load, openLoop } from "./load/loops.ts";
import type { RunOptions } from "./options.ts";
import type { LoadScenario, ProbeScenario, Scenario, Stage, Target, Timed } from "./scenarios/scenario.ts";

/** A share of the best a closed loop has shown: where a server is busy, and not yet drowning. */
const OPEN_SHARE = 0.7;
const WARM_UP_IN_FLIGHT = 16;

/** What came of a scenario. With faults there are no figures: they would be of something that does not work. */
export type Outcome = {
  scenario: Pick<Scenario, "name" | "about" | "kind">;
  unit: string;
  units: number;
  loads: Load[];
  timed: Timed[];
  notes: string[];
  verdicts: Verdict[];
  faults: string[];
};

/** Warms up, loads a server at each level and at a steady rate, and checks what it left. */
export const loaded = async (
  url: string,
  { operation, check }: Pick<Stage, "operation" | "check">,
  scenario: Pick<LoadScenario, "inFlight">,
  options: RunOptions,
): Promise<Pick<Outcome, "loads" | "verdicts" | "faults">> => {
  const numbering = { next: 0 };
  const levels = scenario.inFlight ?? options.inFlight;
  const warm = Math.min(WARM_UP_IN_FLIGHT, Math.max(...levels));
  const loads: Load[] = [];
  const cold = await closedLoop(url, operation, warm, options.warmUpSeconds, numbering);
  for (const level of levels) loads.push(await closedLoop(url, operation, level, options.seconds, numbering));
  const best = Math.max(...loads.map(({ perSecond }) => perSecond));
  loads.push(await openLoop(url, operation, best * OPEN_SHARE, options.seconds, numbering));
  const verdicts = await check();
  const refused = [cold, ...loads].filter(({ failed, lost }) => failed + lost > 0);
  const faults = refused.map(({ failed, lost, kind, inFlight, faults: found }) => {
    const which = kind === "open" ? "in the open loop" : `at ${inFlight} in flight`;
    return `${failed} refused and ${lost} unanswered ${which}: ${found.join("; ")}`;
  });
  return { loads, verdicts, faults: [...faultsIn(verdicts), ...faults] };
};

const runLoad = async (scenario: LoadScenario, target: Target, options: RunOptions): Promise<Partial<Outcome>> => {
  const stage = await scenario.setup(target, options.seed);
  try {
    await delay(options.restSeconds * 1_000);
    return await loaded(target.url, stage, scenario, options);
  } finally {
    stage.close?.();
  }
};

const runProbe = async (scenario: ProbeScenario, target: Target, options: RunOptions): Promise<Partial<Outcome>> => {
  const { timed, notes = [], check } = await scenario.run(target, options);
  return { timed, notes, verdicts: check, faults: faultsIn(check) };
};

/** Sets a scenario up, loads it, and checks the invariants once nothing is under way. Never rejects: what failed is a fault. */
export const runScenario = async (scenario: Scenario, target: Target, options: RunOptions): Promise<Outcome> => {
  const { name, about, kind } = scenario;
  const [unit, units] = scenario.kind === "load" ? [scenario.unit, scenario.units] : ["", 1];
  const empty = { scenario: { name, about, kind }, unit, units, loads: [], timed: [], notes: [], verdicts: [] };
  try {
    const found = await (scenario.kind === "load"
      ? runLoad(scenario, target, options)
      : runProbe(scenario, target, options));
    return { ...empty, faults: [], ...found };
  } catch (error) {
    return { ...empty, faults: [error instanceof Error ? error.message : String(error)] };
  }
};

/** The best of the closed loops, units a second; null where there is no figure. */
export const bestOf = ({ faults, loads, units }: Outcome): number | null => {
  const closed = loads.filter(({ kind }) => kind === "closed");
  return faults.length > 0 || closed.length === 0 ? null : Math.max(...closed.map((load) => load.perSecond)) * units;
};
