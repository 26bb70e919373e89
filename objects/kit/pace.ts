/** An actor that is awake sleeps ten to twenty seconds after its last call. */
const SLEEPS_WITHIN_MS = 20_000;
/** The longest a caller goes without a word while it waits. */
const LONGEST_WAIT_MS = 3_000;

/** Who may still be awake, and when they were last let in: in that order. */
export type Awake = Map<string, number>;

/** The platform's; a test's own are of its own time. */
export type PaceTime = { readonly now: () => number; readonly wait: (ms: number) => Promise<unknown> };

const PLATFORM: PaceTime = { now: () => Date.now(), wait: (ms) => scheduler.wait(ms) };

/**
 * For whoever asks after every actor there is, and so wakes them, however long each has slept: lets in so many that no more are awake
 * for it than the machine can bear, and whoever else is waiting between one group and the next. Its callers take turns.
 */
export class Pace {
  readonly #most: number;
  readonly #time: PaceTime;
  readonly #awake: Awake;
  #turn: Promise<void> = Promise.resolve();

  /**
   * `most`: actors awake at once. Without end where they are on as many machines as there are. `awake`: whom others have let in, where
   * they go on one after another.
   */
  constructor(most = Number.POSITIVE_INFINITY, time: PaceTime = PLATFORM, awake: Awake = new Map()) {
    this.#most = most;
    this.#time = time;
    this.#awake = awake;
  }

  /**
   * Resolves when all of them may be asked; a group larger than the limit is let in alone. `meanwhile` is called every three seconds
   * of a wait, and rejects it when it rejects itself.
   */
  letIn(streams: readonly string[], meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
    const entered = this.#turn.then(() => this.#enter(streams, meanwhile));
    this.#turn = entered.catch(() => undefined);
    return entered;
  }

  async #enter(streams: readonly string[], meanwhile: () => Promise<unknown>): Promise<void> {
    // Calls between actors of one process are no I/O, and the local runtime looks at its sockets and timers only when there is
    // nothing else to do: without a pause a long run would keep everybody out until its end.
    await this.#time.wait(0);
    for (let ms = this.#fullFor(streams); ms > 0; ms = this.#fullFor(streams)) {
      await this.#time.wait(Math.min(ms, LONGEST_WAIT_MS));
      await meanwhile();
    }
    if (this.#most === Number.POSITIVE_INFINITY) return;
    const now = this.#time.now();
    for (const stream of streams) {
      this.#awake.delete(stream);
      this.#awake.set(stream, now);
    }
  }

  /** Milliseconds until there may be room; none when there is. */
  #fullFor(streams: readonly string[]): number {
    const now = this.#time.now();
    for (const [stream, at] of this.#awake) {
      // A clock that was set back says nothing of who came before.
      if (at > now - SLEEPS_WITHIN_MS && at <= now) break;
      this.#awake.delete(stream);
    }
    const others = streams.filter((stream) => !this.#awake.has(stream)).length;
    const [oldest] = this.#awake.values();
    return oldest === undefined || this.#awake.size + others <= this.#most ? 0 : oldest + SLEEPS_WITHIN_MS - now;
  }
}
