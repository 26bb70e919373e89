import { type Rejection, reject } from "../../schema/rejections.ts";

const GB = 1_000_000_000;
const DAY_MS = 24 * 3_600_000;

/** When an actor's oldest events move to the archive, and when it takes nothing new. */
export type GrowthRules = {
  /** Events in a segment, 1–500. Fewer lie in it only where they are large. Whole segments are sealed, or none. */
  readonly segmentEvents: number;
  /** Bytes of bodies at which a segment is whole, however few its events. */
  readonly segmentBytes: number;
  /** How old the newest event of a segment is before it is sealed, in milliseconds. */
  readonly ageMs: number;
  /** The same once the object holds more than `pressedBytes`. */
  readonly pressedAgeMs: number;
  readonly pressedBytes: number;
  /** From here on nothing is begun, reserved or admitted; what was begun still ends. The platform's own limit is 10 GB. */
  readonly fullBytes: number;
};

export const GROWTH: GrowthRules = {
  segmentEvents: 500,
  segmentBytes: 4_000_000,
  ageMs: 30 * DAY_MS,
  pressedAgeMs: 3_600_000,
  pressedBytes: 5 * GB,
  fullBytes: 8 * GB,
};

/** Asked again this much later: sealing frees room by the hour. Seconds. */
const RETRY_AFTER_S = 60;

/**
 * How large an object is. Measured on waking, with every snapshot and after sealing, not with every command: an event is at most
 * 32 kB, so what lies between two snapshots is far below the distance from `fullBytes` to the platform's limit.
 */
export class Growth {
  readonly #measure: () => number;
  readonly #rules: GrowthRules;
  #bytes: number;

  constructor(measure: () => number, rules: GrowthRules) {
    this.#measure = measure;
    this.#rules = rules;
    this.#bytes = measure();
  }

  measure(): void {
    this.#bytes = this.#measure();
  }

  /** The age at which events are sealed now, in milliseconds. */
  get ageMs(): number {
    return this.#bytes > this.#rules.pressedBytes ? this.#rules.pressedAgeMs : this.#rules.ageMs;
  }

  /** Why nothing new is begun here; null: there is room. */
  get nearlyFull(): Rejection | null {
    return this.#bytes < this.#rules.fullBytes
      ? null
      : reject("overloaded", "this actor is nearly full and takes nothing new until its log is sealed", {
          retry_after: RETRY_AFTER_S,
        }).rejection;
  }
}
