import type { Clock } from "../../schema/ids.ts";
import type { Attempt } from "./adapters/adapter.ts";
import type { Breakers } from "./breaker.ts";
import type { Bulkhead } from "./bulkhead.ts";
import type { Operation } from "./state.ts";

/** What a guarded call came to: an answer, or that it was never made. */
export type Guarded<A> = { made: true; answer: A } | { made: false; retryAfterMs: number; detail: string };

const FULL_RETRY_MS = 500;

const notMade = (retryAfterMs: number, detail: string): Guarded<never> => ({ made: false, retryAfterMs, detail });

/**
 * The way of every call to a provider: breaker, bulkhead, the call under its deadline, and the breaker told. The breaker is asked
 * again after the wait in line, because it may have opened meanwhile.
 */
export class Guard {
  readonly #breakers: Breakers;
  readonly #bulkhead: Bulkhead;
  readonly #clock: Clock;
  readonly #timeoutMs: number;

  constructor(breakers: Breakers, bulkhead: Bulkhead, clock: Clock, timeoutMs: number) {
    this.#breakers = breakers;
    this.#bulkhead = bulkhead;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  /** `cause` names the call in the log, should it tip a breaker: our reference, never anything of the payer's. */
  async run<A>(
    operation: Operation,
    cause: string,
    call: (signal: AbortSignal) => Promise<Attempt<A>>,
  ): Promise<Guarded<A>> {
    const look = this.#breakers.look(operation, this.#clock.now());
    if (!look.pass) return notMade(look.retryAfterMs, "the provider is not asked for a while");
    if (!(await this.#bulkhead.enter())) return notMade(FULL_RETRY_MS, "too many calls to the provider are under way");
    try {
      const pass = this.#breakers.enter(operation, cause, this.#clock.now());
      if ("retryAfterMs" in pass) return notMade(pass.retryAfterMs, "the provider is not asked for a while");
      let fault = true;
      try {
        const attempt = await this.#underDeadline(call);
        fault = attempt.fault;
        return { made: true, answer: attempt.answer };
      } finally {
        this.#breakers.leave(operation, cause, pass, fault, this.#clock.now());
      }
    } finally {
      this.#bulkhead.leave();
    }
  }

  async #underDeadline<A>(call: (signal: AbortSignal) => Promise<Attempt<A>>): Promise<Attempt<A>> {
    const deadline = new AbortController();
    const timer = setTimeout(() => deadline.abort(), this.#timeoutMs);
    try {
      return await call(deadline.signal);
    } finally {
      clearTimeout(timer);
    }
  }
}
