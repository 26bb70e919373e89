import { hashParts } from "../../schema/ids.ts";
import type { InstrumentAnswer } from "../../schema/rpc/gateway.ts";

export type CacheLimits = { entries: number; ttlMs: number };

export const INSTRUMENT_CACHE: CacheLimits = { entries: 1_000, ttlMs: 10 * 60 * 1000 };

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/**
 * The house's name for an instrument: a hash of the connector and the provider's fingerprint, so that whatever a provider puts into
 * a fingerprint, nothing of it reaches a log.
 */
export const houseFingerprint = (connector: string, providersFingerprint: string): string =>
  `fp_${hex(hashParts("instrument", connector, providersFingerprint)).slice(0, 32)}`;

type Known = { answer: Extract<InstrumentAnswer, { known: true }>; until: number };

/**
 * Instruments the provider was found to know, for a while; an unknown one is asked about every time. Keys are hashes: a token is
 * held in clear no longer than its call lasts. Calls for one token at one time share one question.
 */
export class Instruments {
  readonly #connector: string;
  readonly #limits: CacheLimits;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<InstrumentAnswer>>();

  constructor(connector: string, limits: CacheLimits = INSTRUMENT_CACHE) {
    this.#connector = connector;
    this.#limits = limits;
  }

  get size(): number {
    return this.#known.size;
  }

  /** The answer for a token; `ask` is only called when it is not known by now. */
  async lookup(token: string, nowMs: number, ask: () => Promise<InstrumentAnswer>): Promise<InstrumentAnswer> {
    const key = hex(hashParts(token));
    const known = this.#known.get(key);
    if (known !== undefined && nowMs < known.until) return known.answer;
    const asking = this.#asking.get(key) ?? this.#ask(key, nowMs, ask);
    return asking;
  }

  #ask(key: string, nowMs: number, ask: () => Promise<InstrumentAnswer>): Promise<InstrumentAnswer> {
    const asking = ask()
      .then((answer) => (answer.known === true ? this.#remember(key, answer.fingerprint, nowMs) : answer))
      .finally(() => this.#asking.delete(key));
    this.#asking.set(key, asking);
    return asking;
  }

  #remember(key: string, fingerprint: string, nowMs: number): InstrumentAnswer {
    const answer: Known["answer"] = { known: true, fingerprint: houseFingerprint(this.#connector, fingerprint) };
    this.#known.delete(key);
    this.#known.set(key, { answer, until: nowMs + this.#limits.ttlMs });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= this.#limits.entries) break;
      this.#known.delete(oldest);
    }
    return answer;
  }
}
