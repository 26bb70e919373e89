/** What is added so many at a time, and so many times at once. `add` is told how many, and rejects unless all of them were added. */
export type Filler = { each: number; inFlight: number; add(count: number): Promise<void> };

/** Time to fill a server in, before each of several measurements. What passes between two fillings takes none of it. */
export class Filling {
  readonly seconds: number;
  readonly #now: () => number;
  #leftMs: number;

  constructor(seconds: number, now: () => number = () => performance.now()) {
    this.seconds = seconds;
    this.#now = now;
    this.#leftMs = seconds * 1_000;
  }

  /** Adds `count`, or as many as there is time left to begin with. Answers how many were added; rejects with what the first failed of. */
  async fill(count: number, { each, inFlight, add }: Filler): Promise<{ added: number; seconds: number }> {
    const started = this.#now();
    const deadline = started + this.#leftMs;
    let [begun, added] = [0, 0];
    const adder = async () => {
      while (begun < count && this.#now() < deadline) {
        const size = Math.min(each, count - begun);
        begun += size;
        await add(size);
        added += size;
      }
    };
    await Promise.all(Array.from({ length: inFlight }, adder));
    const tookMs = this.#now() - started;
    this.#leftMs = Math.max(0, this.#leftMs - tookMs);
    return { added, seconds: tookMs / 1_000 };
  }
}
