import { bestOf, type Outcome } from "./run.ts";

/** What came of a scenario on either side; absent: it was not run. */
export type Pair = { ours?: Outcome; theirs?: Outcome };

export type Judged = {
  what: string;
  wanted: string;
  ratio: number | null;
  verdict: "held" | "missed" | "not measured";
  why?: string;
};

/** The baseline is no straw man: through HTTP it does at least this share of what pgbench does with the same statement. */
export const HONEST_SHARE = 0.7;
const P99_IN_FLIGHT = 16;

type Rule = {
  what: string;
  /** Scenarios: ours, and the baseline's it is held against. */
  of: readonly [ours: string, theirs: string];
  least: number;
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

const same = (name: string): readonly [string, string] => [name, name];

export const RULES: readonly Rule[] = [
  { what: "charges, one hot pod", of: same("charges one pod"), least: 3, ratio: byRate },
  { what: "charges, 1000 pods", of: same("charges 1000 pods"), least: 1, ratio: byRate },
  { what: "transfers, one hot account credited", of: same("transfers hot credit"), least: 5, ratio: byRate },
  { what: "transfers, one hot account debited", of: same("transfers hot debit"), least: 5, ratio: byRate },
  { what: "transfers, uniform", of: same("transfers uniform"), least: 0.5, ratio: byRate },
  { what: "batches by single transfers", of: ["batches", "transfers uniform"], least: 10, ratio: byRate },
  { what: `p99 at ${P99_IN_FLIGHT}, charges, one hot pod`, of: same("charges one pod"), least: 1, ratio: byP99 },
  { what: `p99 at ${P99_IN_FLIGHT}, charges, 1000 pods`, of: same("charges 1000 pods"), least: 1, ratio: byP99 },
];

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

/** Each rule whose scenarios were asked for, held against what was measured. `void`: why no ratio counts at all. */
export const judge = (pairs: ReadonlyMap<string, Pair>, asked: ReadonlySet<string>, voided: string | null): Judged[] =>
  RULES.filter(({ of: [ours] }) => asked.has(ours)).map(({ what, of: [mine, other], least, ratio }) => {
    const [ours, theirs] = [pairs.get(mine)?.ours, pairs.get(other)?.theirs];
    const measured = ours === undefined || theirs === undefined ? null : ratio(ours, theirs);
    const row = { what, wanted: `≥ ${least}`, ratio: measured };
    if (measured === null)
      return { ...row, verdict: "not measured", why: theirs === undefined ? "no baseline" : "no figure" };
    if (voided !== null) return { ...row, verdict: "not measured", why: voided };
    return { ...row, verdict: measured >= least ? "held" : "missed" };
  });

/** 0: all held · 1: a ratio missed, or a scenario has no figure · 2: something was not measured. */
export const exitCode = (judged: readonly Judged[], outcomes: readonly Outcome[]): number => {
  if (judged.some(({ verdict }) => verdict === "missed") || outcomes.some(({ faults }) => faults.length > 0)) return 1;
  return judged.some(({ verdict }) => verdict === "not measured") ? 2 : 0;
};
