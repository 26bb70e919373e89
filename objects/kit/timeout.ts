/** Begins a wait of so many milliseconds, after which `over` is called; answers how to call it off. */
export type StartTimeout = (ms: number, over: () => void) => () => void;

/** The platform's. `scheduler.wait` under a signal costs fifteen times as much where it is called off, and nearly every wait is. */
export const startTimeout: StartTimeout = (ms, over) => {
  const timer = setTimeout(over, ms);
  return () => clearTimeout(timer);
};
