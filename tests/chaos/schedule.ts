import { type Random, seeded } from "../../objects/saga-coordinator/testing/random.ts";

/** One thing that is done to the server, `after` so many milliseconds since the last one was over and the server answered again. */
export type Blow = { after: number } & (
  | { kind: "kill" }
  /** SIGSTOP, and SIGCONT after so long. */
  | { kind: "pause"; ms: number }
  /** The test clock jumps ahead; a kill takes it back, since the step is the process's own. */
  | { kind: "clock"; advance: string }
);

/** From a start to the next kill, milliseconds: a few seconds of traffic, however slow the machine is to start. */
export const LIFE = { least: 4_000, most: 9_000 };
const PAUSE = { least: 500, most: 4_000 };
/** Short of the minute after which whatever was lost is looked for again. */
const CLOCK_STEPS = ["PT5S", "PT20S", "PT45S"] as const;

const between = (random: Random, { least, most }: { least: number; most: number }): number =>
  Math.round(least + random.next() * (most - least));

/** What is done in a run, without end, and the same for the same seed. Each life ends with a kill. */
export function* scheduleOf(seed: number): Generator<Blow, never> {
  const random = seeded(seed);
  for (;;) {
    // Drawn whether used or not: one more kind of blow does not change the moments of all the others.
    const [life, ms, advance] = [between(random, LIFE), between(random, PAUSE), random.pick(CLOCK_STEPS)];
    const [pauses, steps] = [random.chance(0.4), random.chance(0.4)];
    const blows: Blow[] = [];
    if (pauses) blows.push({ after: 1_500, kind: "pause", ms });
    if (steps) blows.push({ after: 1_000, kind: "clock", advance });
    const waited = blows.reduce((sum, { after }) => sum + after, 0);
    yield* blows;
    yield { after: life - waited, kind: "kill" };
  }
}
