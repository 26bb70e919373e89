import type { Breaker, GatewayEventType } from "./state.ts";

/**
 * When a breaker opens and closes. `faults` in a row open it, but only when the first of them is `spanMs` old: calls that were
 * made together and time out together are one burst, not an outage. `forgetMs` without a fault starts the row anew.
 */
export const BREAKER_POLICY = {
  faults: 8,
  spanMs: 2_000,
  forgetMs: 60_000,
  openMs: 10_000,
  longestOpenMs: 60_000,
  probes: 2,
  probeRetryMs: 1_000,
} as const;

/** What is counted in memory since the last transition; lost on eviction, which only makes the breaker more patient. */
export type Tally = {
  epoch: number;
  /** Faults in a row. */
  faults: number;
  firstFaultAt: number;
  lastFaultAt: number;
  /** When a call last went well. */
  lastGoodAt: number;
  /** Probes under way, while half open. */
  probes: number;
};

export const freshTally = (epoch: number): Tally => ({
  epoch,
  faults: 0,
  firstFaultAt: 0,
  lastFaultAt: 0,
  lastGoodAt: Number.NEGATIVE_INFINITY,
  probes: 0,
});

export type Admission =
  | { pass: true; transition: "breaker.half_opened" | null }
  | { pass: false; retryAfterMs: number };

/** Whether a call may be made now. A breaker whose time is up becomes half open with the first call that asks. */
export const admit = (breaker: Breaker, tally: Tally, nowMs: number): Admission => {
  switch (breaker.state) {
    case "closed":
      return { pass: true, transition: null };
    case "open": {
      const elapsed = nowMs - (breaker.openedAt ?? 0);
      // A clock that was set far back must not keep it open until it has caught up.
      const over = elapsed >= breaker.openMs || elapsed < -breaker.openMs;
      return over
        ? { pass: true, transition: "breaker.half_opened" }
        : { pass: false, retryAfterMs: breaker.openMs - elapsed };
    }
    case "half_open":
      return tally.probes < BREAKER_POLICY.probes
        ? { pass: true, transition: null }
        : { pass: false, retryAfterMs: BREAKER_POLICY.probeRetryMs };
  }
};

/** A call that was let in: under which epoch, and when. */
export type Pass = { epoch: number; startedAt: number };

export type Recorded = {
  tally: Tally;
  transition: { type: Exclude<GatewayEventType, "breaker.half_opened">; failures: number; openMs: number } | null;
};

/**
 * What the outcome of a call makes of the breaker. Guards, in this order: a call let in before the last transition has no say; a
 * fault of a call during which another one went well says nothing of the provider, only of that call.
 */
export const record = (breaker: Breaker, tally: Tally, pass: Pass, fault: boolean, nowMs: number): Recorded => {
  if (pass.epoch !== breaker.epoch) return { tally, transition: null };
  if (breaker.state === "half_open") return recordProbe(breaker, tally, fault);
  if (!fault) return { tally: { ...freshTally(tally.epoch), lastGoodAt: nowMs }, transition: null };
  if (tally.lastGoodAt > pass.startedAt) return { tally, transition: null };
  const { faults, spanMs, forgetMs, openMs } = BREAKER_POLICY;
  const goesOn = tally.faults > 0 && nowMs - tally.lastFaultAt < forgetMs;
  const counted: Tally = {
    ...tally,
    faults: goesOn ? tally.faults + 1 : 1,
    firstFaultAt: goesOn ? tally.firstFaultAt : nowMs,
    lastFaultAt: nowMs,
  };
  const opens = counted.faults >= faults && nowMs - counted.firstFaultAt >= spanMs;
  return {
    tally: counted,
    transition: opens ? { type: "breaker.opened", failures: counted.faults, openMs } : null,
  };
};

const recordProbe = (breaker: Breaker, tally: Tally, fault: boolean): Recorded => {
  const openMs = Math.min(breaker.openMs * 2, BREAKER_POLICY.longestOpenMs);
  return {
    tally: { ...tally, probes: tally.probes - 1 },
    transition: fault
      ? { type: "breaker.opened", failures: 1, openMs }
      : { type: "breaker.closed", failures: 0, openMs: 0 },
  };
};
