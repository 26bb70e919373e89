import type { Clock } from "../../schema/ids.ts";
import type { Offer } from "./pricing.ts";
import type { Circuit } from "./provider-stats.ts";
import type { FirmRequest, LiquidityProvider } from "./providers/adapter.ts";

/** Requests for quotes under way at once; one more is `overloaded`. */
export const MAX_ASKING = 64;

export type AskingPorts = {
  providers: readonly LiquidityProvider[];
  deadlineMs: number;
  clock: Clock;
  circuitOf(provider: string): Circuit;
  /** A probe answered, or ran out of time, after the request it belonged to had been answered without it. */
  straggler(request: FirmRequest, offer: Offer): void;
};

type Running = { name: string; offer: Promise<Offer>; settled: Offer | null };

/**
 * Asks the providers, all at once and under one deadline. Those whose circuit is closed are waited for, at most until the deadline.
 * One whose circuit is half open is probed, one request at a time, and nobody waits for it, unless there is nobody else.
 */
export class Asking {
  readonly #ports: AskingPorts;
  readonly #probing = new Set<string>();
  #underway = 0;

  constructor(ports: AskingPorts) {
    this.#ports = ports;
  }

  /** What each provider offers, in the order they are configured; null when too many requests are under way. */
  async ask(request: FirmRequest): Promise<Offer[] | null> {
    if (this.#underway >= MAX_ASKING) return null;
    this.#underway++;
    try {
      return await this.#ask(request);
    } finally {
      this.#underway--;
    }
  }

  async #ask(request: FirmRequest): Promise<Offer[]> {
    const { providers, circuitOf, straggler } = this.#ports;
    const awaited: Running[] = [];
    const probes: Running[] = [];
    for (const provider of providers) {
      const circuit = circuitOf(provider.name);
      if (circuit === "closed") awaited.push(this.#start(provider, request));
      else if (circuit === "half_open" && !this.#probing.has(provider.name))
        probes.push(this.#probe(provider, request));
    }
    await Promise.all((awaited.length > 0 ? awaited : probes).map(({ offer }) => offer));
    const running = new Map([...awaited, ...probes].map((one) => [one.name, one]));
    return providers.map(({ name }): Offer => {
      const one = running.get(name);
      if (one === undefined) return { provider: name, latencyMs: null, answer: { outcome: "not_asked" } };
      if (one.settled !== null) return one.settled;
      void one.offer.then((offer) => straggler(request, offer));
      return { provider: name, latencyMs: null, answer: { outcome: "late" } };
    });
  }

  #probe(provider: LiquidityProvider, request: FirmRequest): Running {
    this.#probing.add(provider.name);
    const probe = this.#start(provider, request);
    void probe.offer.then(() => this.#probing.delete(provider.name));
    return probe;
  }

  #start(provider: LiquidityProvider, request: FirmRequest): Running {
    const running: Running = { name: provider.name, offer: this.#askOne(provider, request), settled: null };
    void running.offer.then((offer) => {
      running.settled = offer;
    });
    return running;
  }

  /** Never rejects, and takes no longer than the deadline, whatever the provider or the network does. */
  async #askOne(provider: LiquidityProvider, request: FirmRequest): Promise<Offer> {
    const { clock, deadlineMs } = this.#ports;
    const startedAt = clock.now();
    const deadline = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Offer["answer"]>((resolve) => {
      timer = setTimeout(() => {
        resolve({ outcome: "late" });
        deadline.abort();
      }, deadlineMs);
    });
    const firm = provider.firm(request, deadline.signal).catch((error: unknown): Offer["answer"] => {
      console.error(`fx: the adapter of ${provider.name} failed: ${error instanceof Error ? error.message : "?"}`);
      return { outcome: "unreachable" };
    });
    const answer = await Promise.race([firm, late]);
    clearTimeout(timer);
    const latencyMs = Math.max(answer.outcome === "late" ? deadlineMs + 1 : 0, clock.now() - startedAt);
    return { provider: provider.name, latencyMs, answer };
  }
}
