import { type Random, seeded } from "../../objects/saga-coordinator/testing/random.ts";

/** One thing that is done to the server, `at` milliseconds after the load began. */
export type Blow = { at: number } & (
  | { kind: "kill" }
  /** SIGSTOP, and SIGCONT after so long. */
  | { kind: "pause"; ms: number }
  /** The test clock jumps ahead; a kill takes it back, since the step is the process's own. */
  | { kind: "clock"; advance: string }
);

/** Two kills lie this far apart, milliseconds: a start and a few seconds of traffic fit in between. */
const BETWEEN_KILLS = { least: 5_000, most: 11_000 };
/** Nothing is done in the last of it: what was begun last should meet a living server once. Milliseconds. */
const QUIET_END_MS = 3_000;
/** Short of the minute after which whatever was lost is looked for again. */
const CLOCK_STEPS = ["PT5S", "PT20S", "PT45S"] as const;

const between = (random: Random, { least, most }: { least: number; most: number }): number =>
  Math.round(least + random.next() * (most - least));

/** What is done in a run, in order. The same for the same seed and length, whatever the server makes of it. */
export const scheduleOf = (seed: number, lengthMs: number): Blow[] => {
  const random = seeded(seed);
  const blows: Blow[] = [];
  const end = lengthMs - QUIET_END_MS;
  for (let at = between(random, BETWEEN_KILLS); at < end; at += between(random, BETWEEN_KILLS)) {
    blows.push({ at, kind: "kill" });
    // Drawn whether used or not: one more kind of blow does not change the moments of all the others.
    const pause: Blow = { at: at + 2_500, kind: "pause", ms: between(random, { least: 500, most: 4_000 }) };
    const step: Blow = { at: at + 3_500, kind: "clock", advance: random.pick(CLOCK_STEPS) };
    const [pauses, steps] = [random.chance(0.4), random.chance(0.4)];
    if (pauses && pause.at < end) blows.push(pause);
    if (steps && step.at < end) blows.push(step);
  }
  return blows.sort((left, right) => left.at - right.at);
};
