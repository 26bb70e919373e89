export type PaceLimit = {
  /** How many actors may be let in within `windowMs`. */
  readonly most: number;
  readonly windowMs: number;
};

/** The platform's; a test's own are of its own time. */
export type PaceTime = { readonly now: () => number; readonly wait: (ms: number) => Promise<unknown> };

const PLATFORM: PaceTime = { now: () => Date.now(), wait: (ms) => scheduler.wait(ms) };

/**
 * Whoever asks after every actor there is wakes them, however long each has slept. One that is awake is three open files in a local
 * runtime, which lets it sleep ten to twenty seconds after its last call, and no process may open more than so many.
 */
export const AWAKE: PaceLimit = { most: 4_000, windowMs: 20_000 };

/**
 * Lets in at most so many in any window of that length, and whoever else is waiting between one group and the next. Any number of
 * callers may share one.
 */
export class Pace {
  readonly #limit: PaceLimit;
  readonly #time: PaceTime;
  /** Who was let in within the last window, and when last: oldest first. */
  readonly #awake = new Map<string, number>();

  constructor(limit: PaceLimit, time: PaceTime = PLATFORM) {
    this.#limit = limit;
    this.#time = time;
  }

  /** Resolves when all of them may be asked; a group larger than the limit is let in alone. */
  async letIn(streams: readonly string[]): Promise<void> {
    // Calls between actors of one process are no I/O, and the local runtime looks at its sockets and timers only when there is
    // nothing else to do: without a pause a long run would keep everybody out until its end.
    await this.#time.wait(0);
    for (let ms = this.#fullFor(streams); ms > 0; ms = this.#fullFor(streams)) await this.#time.wait(ms);
    const now = this.#time.now();
    for (const stream of streams) {
      this.#awake.delete(stream);
      this.#awake.set(stream, now);
    }
  }

  /** Milliseconds until there may be room; none when there is. */
  #fullFor(streams: readonly string[]): number {
    const since = this.#time.now() - this.#limit.windowMs;
    for (const [stream, at] of this.#awake) {
      if (at > since) break;
      this.#awake.delete(stream);
    }
    const others = streams.filter((stream) => !this.#awake.has(stream)).length;
    const [oldest] = this.#awake.values();
    return oldest === undefined || this.#awake.size + others <= this.#limit.most ? 0 : oldest - since;
  }
}
