import { DECLINE_WINDOW, VELOCITY_WINDOW } from "../../schema/risk-rules.ts";

/** Declines are kept for at most this many instruments of one person; the one whose last decline is oldest goes first. */
export const MAX_INSTRUMENTS = 200;

/** EUR minor units counted in one grain of time; `grain` is the number of grains since the epoch. */
export type AmountBucket = { grain: number; minor: bigint };
export type CountBucket = { grain: number; count: number };
export type InstrumentDeclines = { instrument: string; buckets: readonly CountBucket[] };

type Geometry = { keptS: number; grainS: number };

const grainOf = (atMs: number, { grainS }: Geometry): number => Math.floor(atMs / (grainS * 1000));

/** The oldest grain that still reaches into a window of `windowS` ending at `nowMs`. */
const oldestGrain = (nowMs: number, windowS: number, geometry: Geometry): number =>
  grainOf(nowMs - windowS * 1000, geometry);

const within = <B extends { grain: number }>(
  buckets: readonly B[],
  nowMs: number,
  windowS: number,
  geometry: Geometry,
) => {
  const oldest = oldestGrain(nowMs, windowS, geometry);
  return buckets.filter(({ grain }) => grain >= oldest);
};

/** The amounts without what has left the 24 hours: at most 145 buckets. */
export const pruneAmounts = (amounts: readonly AmountBucket[], nowMs: number): readonly AmountBucket[] =>
  within(amounts, nowMs, VELOCITY_WINDOW.keptS, VELOCITY_WINDOW);

export const addAmount = (amounts: readonly AmountBucket[], atMs: number, minor: bigint): readonly AmountBucket[] => {
  const grain = grainOf(atMs, VELOCITY_WINDOW);
  const last = amounts.at(-1);
  // A log's times never decrease, so a new amount belongs to the last bucket or to one after it.
  if (last?.grain === grain) return [...amounts.slice(0, -1), { grain, minor: last.minor + minor }];
  return [...amounts, { grain, minor }];
};

/**
 * The amounts without `minor` of what was counted at `atMs`; as they are where that has left the 24 hours. Throws where less was counted
 * then.
 */
export const takeAmount = (amounts: readonly AmountBucket[], atMs: number, minor: bigint): readonly AmountBucket[] => {
  const grain = grainOf(atMs, VELOCITY_WINDOW);
  return amounts.map((bucket) => {
    if (bucket.grain !== grain) return bucket;
    if (bucket.minor < minor) throw new Error("more is taken out of a window than was counted");
    return { grain, minor: bucket.minor - minor };
  });
};

/** EUR minor units counted in the `windowS` seconds before `nowMs`. */
export const amountWithin = (amounts: readonly AmountBucket[], nowMs: number, windowS: number): bigint =>
  within(amounts, nowMs, windowS, VELOCITY_WINDOW).reduce((sum, { minor }) => sum + minor, 0n);

/** The declines without what has left the 10 minutes: at most 11 buckets an instrument. */
export const pruneDeclines = (declines: readonly InstrumentDeclines[], nowMs: number): readonly InstrumentDeclines[] =>
  declines.flatMap(({ instrument, buckets }) => {
    const kept = within(buckets, nowMs, DECLINE_WINDOW.keptS, DECLINE_WINDOW);
    return kept.length === 0 ? [] : [{ instrument, buckets: kept }];
  });

/** One more decline on an instrument; instruments stand in the order of their last decline. */
export const addDecline = (
  declines: readonly InstrumentDeclines[],
  atMs: number,
  instrument: string,
): readonly InstrumentDeclines[] => {
  const grain = grainOf(atMs, DECLINE_WINDOW);
  const before = declines.find((entry) => entry.instrument === instrument)?.buckets ?? [];
  const last = before.at(-1);
  const buckets =
    last?.grain === grain
      ? [...before.slice(0, -1), { grain, count: last.count + 1 }]
      : [...before, { grain, count: 1 }];
  return [...declines.filter((entry) => entry.instrument !== instrument), { instrument, buckets }].slice(
    -MAX_INSTRUMENTS,
  );
};

/** Declines on an instrument in the `windowS` seconds before `nowMs`. */
export const declinesWithin = (
  declines: readonly InstrumentDeclines[],
  instrument: string,
  nowMs: number,
  windowS: number,
): number => {
  const buckets = declines.find((entry) => entry.instrument === instrument)?.buckets ?? [];
  return within(buckets, nowMs, windowS, DECLINE_WINDOW).reduce((sum, { count }) => sum + count, 0);
};
