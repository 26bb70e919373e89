import { bestOf, type Outcome } from "./run.ts";
import { ADMISSION, ONE_ROW_CALL, TO_FRAME } from "./scenarios/feeds.ts";
import type { Timed } from "./scenarios/scenario.ts";

/** What came of a scenario on either side, and of its bare calls and commits; absent: it was not run. */
export type Pair = { ours?: Outcome; theirs?: Outcome; floor?: Outcome };

export type Judged = {
  what: string;
  wanted: string;
  ratio: number | null;
  /** The same of the bare actors: more than this no product on this runtime has here. */
  floor: number | null;
  verdict: "held" | "missed" | "not measured";
  why?: string;
};

/** The baseline is no straw man: through HTTP it does at least this share of what pgbench does with the same statement. */
export const HONEST_SHARE = 0.7;
const P99_IN_FLIGHT = 16;

type Rule = {
  what: string;
  /** Scenarios: ours, and the baseline's it is held against; null: what it is held against was measured in ours. */
  of: readonly [ours: string, theirs: string | null];
  bound: { least: number } | { most: number };
  /** Of a scenario that is held against itself both are the same. */
  ratio(ours: Outcome, theirs: Outcome): number | null;
};

const byRate = (ours: Outcome, theirs: Outcome): number | null => {
  const [left, right] = [bestOf(ours), bestOf(theirs)];
  return left === null || right === null || right === 0 ? null : left / right;
};

const p99 = ({ faults, loads }: Outcome): number | null => {
  const load = loads.find(({ kind, inFlight }) => kind === "closed" && inFlight === P99_IN_FLIGHT);
  return faults.length > 0 || load === undefined ? null : load.latency.p99;
};

/** Theirs by ours: above one, ours is the shorter. */
const byP99 = (ours: Outcome, theirs: Outcome): number | null => {
  const [left, right] = [p99(ours), p99(theirs)];
  return left === null || right === null || left === 0 ? null : right / left;
};

const timedIn = ({ faults, timed }: Outcome, wanted: string): Timed | undefined =>
  faults.length > 0 ? undefined : timed.find(({ what }) => what === wanted);

const byFrames = (ours: Outcome, theirs: Outcome): number | null => {
  const [left, right] = [timedIn(ours, TO_FRAME)?.perSecond, timedIn(theirs, TO_FRAME)?.perSecond];
  return left === undefined || right === undefined || right === 0 ? null : left / right;
};

/** The lag's p99 by what a durable call of one actor takes at the median, what it costs to get there taken off. */
const byOneRowCall = (ours: Outcome): number | null => {
  const [lag, call, admission] = [TO_FRAME, ONE_ROW_CALL, ADMISSION].map((what) => timedIn(ours, what)?.latency);
  if (lag === undefined || call === undefined || admission === undefined) return null;
  const alone = call.p50 - admission.p50;
  return alone <= 0 ? null : lag.p99 / alone;
};

const same = (name: string): readonly [string, string] => [name, name];

export const RULES: readonly Rule[] = [
  { what: "charges, one hot pod", of: same("charges one pod"), bound: { least: 3 }, ratio: byRate },
  { what: "charges, 1000 pods", of: same("charges 1000 pods"), bound: { least: 1 }, ratio: byRate },
  { what: "transfers, one hot account credited", of: same("transfers hot credit"), bound: { least: 5 }, ratio: byRate },
  { what: "transfers, one hot account debited", of: same("transfers hot debit"), bound: { least: 5 }, ratio: byRate },
  { what: "transfers, uniform", of: same("transfers uniform"), bound: { least: 0.5 }, ratio: byRate },
  { what: "batches by single transfers", of: ["batches", "transfers uniform"], bound: { least: 10 }, ratio: byRate },
  {
    what: `p99 at ${P99_IN_FLIGHT}, charges, one hot pod`,
    of: same("charges one pod"),
    bound: { least: 1 },
    ratio: byP99,
  },
  {
    what: `p99 at ${P99_IN_FLIGHT}, charges, 1000 pods`,
    of: same("charges 1000 pods"),
    bound: { least: 1 },
    ratio: byP99,
  },
  { what: "feed fan-out, frames a second", of: same("feed fan-out"), bound: { least: 1 }, ratio: byFrames },
  {
    what: "commit to feed p99 by a one-row call's p50",
    of: ["lag feed", null],
    bound: { most: 5 },
    ratio: byOneRowCall,
  },
];

const wantedOf = (bound: Rule["bound"]): string => ("least" in bound ? `≥ ${bound.least}` : `≤ ${bound.most}`);
const holds = (ratio: number, bound: Rule["bound"]): boolean =>
  "least" in bound ? ratio >= bound.least : ratio <= bound.most;

/** Whether the baseline is as fast as its database lets it: null where pgbench or the transfers were not measured. */
export const honesty = (
  uniform: Outcome | undefined,
  pgbench: number | null,
): { share: number; honest: boolean } | null => {
  const best = uniform === undefined ? null : bestOf(uniform);
  if (best === null || pgbench === null || pgbench === 0) return null;
  const share = best / pgbench;
  return { share, honest: share >= HONEST_SHARE };
};

/** Why no ratio counts: a baseline that is held back by how it is called, or of which that is not known. Null: they count. */
export const voidReason = (found: ReturnType<typeof honesty>, asked: ReadonlySet<string>): string | null => {
  if (found !== null) return found.honest ? null : `the baseline does ${found.share.toFixed(2)} of what pgbench does`;
  return asked.has("transfers uniform") ? "the baseline was not held against pgbench" : null;
};

/** Each rule whose scenarios were asked for, held against what was measured. `voided`: why no ratio to the baseline counts at all. */
export const judge = (pairs: ReadonlyMap<string, Pair>, asked: ReadonlySet<string>, voided: string | null): Judged[] =>
  RULES.filter(({ of: [ours] }) => asked.has(ours)).map(({ what, of: [mine, other], bound, ratio }) => {
    const ours = pairs.get(mine)?.ours;
    const theirs = other === null ? ours : pairs.get(other)?.theirs;
    const measured = ours === undefined || theirs === undefined ? null : ratio(ours, theirs);
    const bare = mine === other ? pairs.get(mine)?.floor : undefined;
    const floor = bare === undefined || theirs === undefined ? null : ratio(bare, theirs);
    const row = { what, wanted: wantedOf(bound), ratio: measured, floor };
    if (measured === null) {
      const why = theirs === undefined && other !== null ? "no baseline" : "no figure";
      return { ...row, verdict: "not measured", why };
    }
    if (voided !== null && other !== null) return { ...row, verdict: "not measured", why: voided };
    return { ...row, verdict: holds(measured, bound) ? "held" : "missed" };
  });

/** 0: all held · 1: a ratio missed, or a scenario has no figure · 2: something was not measured. */
export const exitCode = (judged: readonly Judged[], outcomes: readonly Outcome[]): number => {
  if (judged.some(({ verdict }) => verdict === "missed") || outcomes.some(({ faults }) => faults.length > 0)) return 1;
  return judged.some(({ verdict }) => verdict === "not measured") ? 2 : 0;
};
