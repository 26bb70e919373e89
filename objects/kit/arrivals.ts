/** Whoever had nothing to do for so long acts at once. Longer than a turn of the event loop takes by itself, milliseconds. */
const IDLE_MS = 5;

/**
 * How long to wait for what comes together: not at all for whoever has been idle, else until everything that has arrived has been
 * heard. Calls arrive as separate events, so only a macrotask lets the others in; on the platform that is a millisecond at least, which a
 * payment alone would pay a dozen times. The first of many at once so goes ahead, and the others go together.
 */
export const arrivals = (
  now: () => number = Date.now,
  macrotask: () => Promise<unknown> = () => scheduler.wait(0),
): (() => Promise<unknown>) => {
  let last = Number.NEGATIVE_INFINITY;
  let underWay: Promise<unknown> | null = null;
  return () => {
    if (underWay !== null) return underWay;
    const idle = now() - last >= IDLE_MS;
    last = now();
    // What is submitted in the same breath goes along.
    underWay = (idle ? Promise.resolve() : macrotask()).then(() => {
      underWay = null;
    });
    return underWay;
  };
};
