/** An actor that is awake sleeps ten to twenty seconds after its last call. */
const SLEEPS_WITHIN_MS = 20_000;
/** The longest a caller goes without a word while it waits. */
const LONGEST_WAIT_MS = 3_000;

/** Where actors are awake; a test's is a world of its own. */
export type PacePort = {
  readonly now: () => number;
  readonly wait: (ms: number) => Promise<unknown>;
  /** Who may still be awake, and when they were last let in: in that order. */
  readonly awake: Map<string, number>;
};

/** Of this process, and so of whoever asks in it: where there is a limit, all actors live in the one that this module is loaded in. */
const PLATFORM: PacePort = { now: () => Date.now(), wait: (ms) => scheduler.wait(ms), awake: new Map() };

/**
 * For whoever asks after every actor there is, and so wakes them, however long each has slept: lets in so many that no more are awake
 * for it than the machine can bear, and whoever else is waiting between one group and the next. Its callers take turns.
 */
export class Pace {
  readonly #most: number;
  readonly #port: PacePort;
  #turn: Promise<void> = Promise.resolve();

  /** `most`: actors awake at once. Without end where they are on as many machines as there are. */
  constructor(most = Number.POSITIVE_INFINITY, port: PacePort = PLATFORM) {
    this.#most = most;
    this.#port = port;
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
    await this.#port.wait(0);
    for (let ms = this.#fullFor(streams); ms > 0; ms = this.#fullFor(streams)) {
      await this.#port.wait(Math.min(ms, LONGEST_WAIT_MS));
      await meanwhile();
    }
    if (this.#most === Number.POSITIVE_INFINITY) return;
    const now = this.#port.now();
    for (const stream of streams) {
      this.#port.awake.delete(stream);
      this.#port.awake.set(stream, now);
    }
  }

  /** Milliseconds until there may be room; none when there is. */
  #fullFor(streams: readonly string[]): number {
    const now = this.#port.now();
    for (const [stream, at] of this.#port.awake) {
      // A clock that was set back says nothing of who came before.
      if (at > now - SLEEPS_WITHIN_MS && at <= now) break;
      this.#port.awake.delete(stream);
    }
    const others = streams.filter((stream) => !this.#port.awake.has(stream)).length;
    const [oldest] = this.#port.awake.values();
    return oldest === undefined || this.#port.awake.size + others <= this.#most ? 0 : oldest + SLEEPS_WITHIN_MS - now;
  }
}
