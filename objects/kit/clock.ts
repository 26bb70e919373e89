import { type Clock, createIdSource, type IdSource } from "../../schema/ids.ts";

/**
 * The clock of the process. On one machine every actor shares one isolate, so a test clock is one number here: `advanceClock`
 * moves it for all of them at once. A deployment never calls it.
 */
let offsetMs = 0;

export const systemClock: Clock = { now: () => Date.now() + offsetMs };

/** Moves the process's clock forward. Only the test clock's route calls it. */
export const advanceClock = (ms: number): void => {
  if (!Number.isSafeInteger(ms) || ms < 0) throw new RangeError("the clock only moves forward");
  offsetMs += ms;
};

/** Alarms are kept by the platform in real time; this is a due time of ours in the platform's. */
export const toPlatformTime = (dueAtMs: number): number => dueAtMs - offsetMs;

/** Randomness may not be drawn while a module loads, only inside a handler; the source is made at load and draws later. */
export const systemIds: IdSource = createIdSource((bytes) => crypto.getRandomValues(bytes));

export const isoTime = (ms: number): string => new Date(ms).toISOString();
