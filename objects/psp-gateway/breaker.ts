import { type Admission, admit, freshTally, type Pass, record, type Tally } from "./decide.ts";
import type { Breaker, GatewayEventType, Operation } from "./state.ts";

/** What the breakers need of their actor: where each stands by the log, and a way to write a transition. */
export type BreakerPort = {
  breaker(operation: Operation): Breaker;
  /** Commits one transition. `cause`: the call that brought it about. */
  write(
    type: GatewayEventType,
    operation: Operation,
    cause: string,
    detail: { failures: number; openMs: number },
  ): void;
};

/** The breakers of one gateway: the log's word on each, and what is counted since. Nothing is written but transitions. */
export class Breakers {
  readonly #port: BreakerPort;
  readonly #tallies = new Map<Operation, Tally>();

  constructor(port: BreakerPort) {
    this.#port = port;
  }

  /** Whether a call would be let in; changes nothing. */
  look(operation: Operation, nowMs: number): Admission {
    return admit(this.#port.breaker(operation), this.#tally(operation), nowMs);
  }

  /** Lets a call in, as a probe when the breaker is half open, or says when to come back. */
  enter(operation: Operation, cause: string, nowMs: number): Pass | { retryAfterMs: number } {
    const admission = this.look(operation, nowMs);
    if (!admission.pass) return admission;
    if (admission.transition !== null) {
      this.#port.write(admission.transition, operation, cause, { failures: 0, openMs: 0 });
    }
    const { epoch, state } = this.#port.breaker(operation);
    if (state === "half_open") {
      const tally = this.#tally(operation);
      this.#tallies.set(operation, { ...tally, probes: tally.probes + 1 });
    }
    return { epoch, startedAt: nowMs };
  }

  /** What became of a call that was let in. */
  leave(operation: Operation, cause: string, pass: Pass, fault: boolean, nowMs: number): void {
    const breaker = this.#port.breaker(operation);
    const { tally, transition } = record(breaker, this.#tally(operation), pass, fault, nowMs);
    this.#tallies.set(operation, tally);
    if (transition !== null) this.#port.write(transition.type, operation, cause, transition);
  }

  /** Faults in a row since the last good call. */
  faults(operation: Operation): number {
    return this.#tally(operation).faults;
  }

  #tally(operation: Operation): Tally {
    const { epoch } = this.#port.breaker(operation);
    const tally = this.#tallies.get(operation);
    return tally?.epoch === epoch ? tally : freshTally(epoch);
  }
}
