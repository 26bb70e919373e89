export type BulkheadLimits = {
  /** Calls under way at once. */
  inFlight: number;
  /** Calls that wait for one of those to end. */
  waiting: number;
  /** How long one waits, milliseconds. */
  waitMs: number;
};

export const BULKHEAD: BulkheadLimits = { inFlight: 128, waiting: 512, waitMs: 2_000 };

type Waiter = { admit: (admitted: boolean) => void; timer: ReturnType<typeof setTimeout> };

/** A bounded number of calls at once, and a bounded line before it, first come first served. */
export class Bulkhead {
  readonly #limits: BulkheadLimits;
  readonly #line = new Set<Waiter>();
  #inFlight = 0;

  constructor(limits: BulkheadLimits = BULKHEAD) {
    this.#limits = limits;
  }

  get inFlight(): number {
    return this.#inFlight;
  }

  get waiting(): number {
    return this.#line.size;
  }

  /** True: come in, and `leave` when done. False: full, or the wait was too long. */
  enter(): Promise<boolean> {
    if (this.#inFlight < this.#limits.inFlight) {
      this.#inFlight++;
      return Promise.resolve(true);
    }
    if (this.#line.size >= this.#limits.waiting) return Promise.resolve(false);
    return new Promise((admit) => {
      const timer = setTimeout(() => {
        this.#line.delete(waiter);
        admit(false);
      }, this.#limits.waitMs);
      const waiter: Waiter = { admit, timer };
      this.#line.add(waiter);
    });
  }

  /** Ends a call; its place goes to the one who has waited longest. */
  leave(): void {
    const [first] = this.#line;
    if (first === undefined) {
      this.#inFlight--;
      return;
    }
    this.#line.delete(first);
    clearTimeout(first.timer);
    first.admit(true);
  }
}
