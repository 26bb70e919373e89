import { hashParts } from "../../schema/ids.ts";
import type { InstrumentAnswer } from "../../schema/rpc/gateway.ts";

export type CacheLimits = { entries: number; ttlMs: number };

export const INSTRUMENT_CACHE: CacheLimits = { entries: 1_000, ttlMs: 10 * 60 * 1000 };

type Known = { answer: Extract<InstrumentAnswer, { known: true }>; until: number };

/**
 * Instruments that a provider was found to know, for a while: whoever pays with one again costs no call. An unknown one is asked about
 * every time. Keys are hashes: a token is held in clear no longer than its call lasts. Calls for one token at one time share one
 * question.
 */
export class Instruments {
  readonly #limits: CacheLimits;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<InstrumentAnswer>>();

  constructor(limits: CacheLimits = INSTRUMENT_CACHE) {
    this.#limits = limits;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The answer for a token; `ask` is only called when it is not known by now. */
  async lookup(token: string, nowMs: number, ask: () => Promise<InstrumentAnswer>): Promise<InstrumentAnswer> {
    const key = Buffer.from(hashParts(token)).toString("base64");
    const known = this.#known.get(key);
    if (known !== undefined && nowMs < known.until) return known.answer;
    return this.#asking.get(key) ?? this.#ask(key, nowMs, ask);
  }

  #ask(key: string, nowMs: number, ask: () => Promise<InstrumentAnswer>): Promise<InstrumentAnswer> {
    const asking = ask()
      .then((answer) => {
        if (answer.known === true) this.#remember(key, answer, nowMs);
        return answer;
      })
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  #remember(key: string, answer: Known["answer"], nowMs: number): void {
    this.#known.delete(key);
    this.#known.set(key, { answer, until: nowMs + this.#limits.ttlMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#limits.entries) break;
      this.#known.delete(oldest);
    }
  }
}
