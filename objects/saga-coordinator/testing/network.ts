import { CONNECTORS } from "../../../schema/connectors.ts";
import type { GatewayAnswer, GatewayCall } from "../../../schema/rpc/gateway.ts";
import type { ProviderModel } from "./provider.ts";
import type { Random } from "./random.ts";
import type { Life, Simulator } from "./simulator.ts";

/** How often what goes wrong, 0–1 each. */
export type Faults = {
  /** A call that never arrives, and one whose answer does not come back. */
  lost: number;
  lostReply: number;
  /** A call that arrives twice. */
  twice: number;
  /** Takes seconds instead of milliseconds. */
  slow: number;
  /** The gateway does not send: its breaker is open. */
  notSent: number;
  /** A webhook that has to be sent again. */
  webhookLost: number;
};

export const NO_FAULTS: Faults = { lost: 0, lostReply: 0, twice: 0, slow: 0, notSent: 0, webhookLost: 0 };

/** What becomes of calls under way when their caller dies: they arrive as they would have, never, or long after. */
export type InFlight = "kept" | "lost" | "late";

const LATE_MS = 3_000;
const UNKNOWN: GatewayAnswer = { outcome: "unknown", detail: "no answer in time" };

type Flight = { owner: Life | null; arrive: () => void; callOff: () => void };

/** Calls between actors, as the platform makes them: each may be delayed, lost on either way, or delivered twice. */
export class Network {
  faults: Faults;
  readonly #sim: Simulator;
  readonly #random: Random;
  readonly #flights = new Set<Flight>();
  #silentUntil = 0;

  constructor(sim: Simulator, random: Random, faults: Faults) {
    this.#sim = sim;
    this.#random = random;
    this.faults = faults;
  }

  heal(): void {
    this.faults = NO_FAULTS;
    this.#silentUntil = 0;
  }

  get isSilent(): boolean {
    return this.#sim.now < this.#silentUntil;
  }

  /** For this long the provider does what it is asked, and nobody hears of it. Milliseconds. */
  silence(ms: number): void {
    this.#silentUntil = this.#sim.now + ms;
  }

  delay(): number {
    if (this.#random.chance(this.faults.slow)) return this.#random.int(12_000);
    return 1 + this.#random.int(20);
  }

  /** One call from whoever is running: rejected when it is lost, and nobody knows on which way. */
  call<T>(handle: () => T): Promise<T> {
    const { faults } = this;
    const caller = this.#sim.current;
    return new Promise((resolve, reject) => {
      const breakOff = (): void => reject(new Error("the connection was lost"));
      if (this.#random.chance(faults.lost)) {
        this.#sim.after(this.delay(), breakOff, caller);
        return;
      }
      this.#fly(caller, this.delay(), () => {
        const reply = outcomeOf(handle);
        if (this.#random.chance(faults.twice)) this.#fly(null, this.delay(), () => void outcomeOf(handle));
        const back = this.#random.chance(faults.lostReply) ? breakOff : () => reply(resolve, reject);
        this.#sim.after(this.delay(), back, caller);
      });
    });
  }

  /** One call through a provider's gateway, which gives up after the connector's timeout; the request may still arrive then. */
  execute(provider: ProviderModel, call: GatewayCall): Promise<GatewayAnswer> {
    const { faults } = this;
    const caller = this.#sim.current;
    const { timeoutMs } = CONNECTORS.sandbox;
    return new Promise((resolve, reject) => {
      const answer = (value: GatewayAnswer, delayMs: number): void => {
        this.#sim.after(delayMs, () => resolve(value), caller);
      };
      if (this.#random.chance(faults.notSent)) {
        answer({ outcome: "not_sent", retry_after_ms: 100 + this.#random.int(2_000), detail: "breaker" }, this.delay());
        return;
      }
      // The gateway itself may go away, before or after it sends.
      if (this.#random.chance(faults.lost)) this.#sim.after(this.delay(), () => reject(new Error("reset")), caller);
      answer(UNKNOWN, timeoutMs);
      if (this.#random.chance(faults.lost)) return;
      this.#fly(caller, this.delay(), () => {
        const exchange = provider.exchange(call, this.#sim.now);
        if (this.#random.chance(faults.twice)) {
          this.#fly(null, this.delay(), () => void provider.exchange(call, this.#sim.now));
        }
        if (exchange === "silence" || this.#random.chance(faults.lostReply)) return;
        if (this.isSilent) return;
        answer(exchange === "server_error" ? UNKNOWN : structuredClone(exchange), this.delay());
      });
    });
  }

  /** What is under way when its caller dies. */
  bereave(caller: Life, fate: InFlight): void {
    for (const flight of [...this.#flights]) {
      if (flight.owner !== caller || fate === "kept") continue;
      flight.callOff();
      this.#flights.delete(flight);
      if (fate === "late") this.#fly(null, LATE_MS, flight.arrive);
    }
  }

  #fly(owner: Life | null, delayMs: number, arrive: () => void): void {
    const flight: Flight = { owner, arrive, callOff: () => undefined };
    flight.callOff = this.#sim.after(
      delayMs,
      () => {
        this.#flights.delete(flight);
        arrive();
      },
      null,
    );
    this.#flights.add(flight);
  }
}

/** Handles now; the answer is a copy, as every answer between actors is. */
const outcomeOf = <T>(handle: () => T): ((resolve: (value: T) => void, reject: (error: unknown) => void) => void) => {
  try {
    const value = structuredClone(handle());
    return (resolve) => resolve(value);
  } catch (error) {
    return (_, reject) => reject(error);
  }
};
