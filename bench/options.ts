import { parseArgs } from "node:util";

export const USAGE = `usage: npm run bench -- [--only NAME] [--seconds N] [--in-flight N,N,…] [--quick] [--seed N] [--rest N] [--fill N] [--without-baseline]
  --only       scenarios whose name holds this text
  --seconds    how long each loop lasts (10)
  --in-flight  requests at once, one loop each (1,16,64,256)
  --rest       seconds between setting up and warming up (30)
  --fill       the longest that growth fills, in seconds, all its sizes together (180)
  --quick      loops of 2 seconds, at 1, 16 and 64, without a rest, and fills for 20
  --seed       draws the same accounts again
  --without-baseline  ours alone

Exit: 0 every ratio held · 1 one missed, or a scenario left something that does not hold · 2 something was not measured`;

export type RunOptions = {
  /** Each loop's length. */
  seconds: number;
  warmUpSeconds: number;
  /** Between setting up and warming up: what an actor has left to do until it sleeps, 20 seconds after its last call, is no part of what is measured. */
  restSeconds: number;
  /** The longest that a growing scenario fills, all its sizes together. */
  fillSeconds: number;
  inFlight: readonly number[];
  seed: number;
};

/** Long enough for every actor of a setup to have looked once whether its events were consumed, and to have been put to sleep. */
const REST_S = 30;
/** A slow machine does not get to the last sizes in as long: which it did get to is said. */
const FILL_S = 180;
const QUICK_FILL_S = 20;

export type BenchOptions = { run: RunOptions; only: string | null; withBaseline: boolean };

const whole = (text: string, what: string, least: number): number => {
  if (!/^\d{1,6}$/.test(text) || Number(text) < least)
    throw new Error(`${what} must be a whole number from ${least}, not ${text}`);
  return Number(text);
};

/** What the command line asks for. Throws a one-line error for what it cannot mean. */
export const benchOptions = (args: readonly string[]): BenchOptions => {
  const string = { type: "string" } as const;
  const boolean = { type: "boolean" } as const;
  const { values: given } = parseArgs({
    args: [...args],
    options: {
      only: string,
      seconds: string,
      "in-flight": string,
      seed: string,
      rest: string,
      fill: string,
      quick: boolean,
      "without-baseline": boolean,
    },
  });
  const quick = given.quick === true;
  const seconds = whole(given.seconds ?? (quick ? "2" : "10"), "--seconds", 1);
  const levels = (given["in-flight"] ?? (quick ? "1,16,64" : "1,16,64,256")).split(",");
  return {
    run: {
      seconds,
      warmUpSeconds: Math.min(3, seconds),
      restSeconds: whole(given.rest ?? String(quick ? 0 : REST_S), "--rest", 0),
      fillSeconds: whole(given.fill ?? String(quick ? QUICK_FILL_S : FILL_S), "--fill", 1),
      inFlight: levels.map((text) => whole(text, "--in-flight", 1)),
      seed: whole(given.seed ?? "1", "--seed", 1),
    },
    only: given.only ?? null,
    withBaseline: given["without-baseline"] !== true,
  };
};
