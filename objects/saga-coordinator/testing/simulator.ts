/** One life of an object, from a boot to a crash. What belongs to a dead one never happens. */
export type Life = { alive: boolean };

type Happening = { at: number; order: number; owner: Life | null; run: () => void };

/**
 * Far ahead of any real clock: the kit's timers never ask for an alarm in the real past, and would take a virtual past for one.
 */
const START = Date.UTC(2100, 0, 1);

/**
 * Virtual time and a queue of happenings. Everything that is waited for is a happening; between two of them all promises that can
 * settle have settled, so that each is a place where a process may die.
 */
export class Simulator {
  now = START;
  /** How many have happened. */
  happened = 0;
  /** Who is running: what it schedules dies with it. */
  current: Life | null = null;
  /** Called before each happening with its number. */
  before: (index: number) => void = () => undefined;
  readonly #tie: () => number;
  #queue: Happening[] = [];

  /** `tie` orders what falls on the same millisecond. */
  constructor(tie: () => number) {
    this.#tie = tie;
  }

  /** Lets something happen after a delay, milliseconds; answers how to call it off. */
  after(delayMs: number, run: () => void, owner: Life | null = this.current): () => void {
    const happening = { at: this.now + Math.max(0, Math.ceil(delayMs)), order: this.#tie(), owner, run };
    this.#queue.push(happening);
    return () => {
      this.#queue = this.#queue.filter((other) => other !== happening);
    };
  }

  /** The platform's `scheduler`, in virtual time. */
  readonly scheduler = {
    wait: (ms: number): Promise<void> => new Promise((resolve) => this.after(ms, resolve)),
  };

  /** Runs the next happening and everything that follows from it at once. False when there is none. */
  async step(): Promise<boolean> {
    this.before(this.happened);
    const next = this.#take();
    if (next === null) return false;
    this.now = Math.max(this.now, next.at);
    this.happened++;
    if (next.owner?.alive === false) return true;
    this.current = next.owner;
    next.run();
    await settle();
    this.current = null;
    return true;
  }

  #take(): Happening | null {
    let first = 0;
    for (let at = 1; at < this.#queue.length; at++) {
      const [one, other] = [this.#queue[first], this.#queue[at]];
      if (one === undefined || other === undefined) break;
      if (other.at < one.at || (other.at === one.at && other.order < one.order)) first = at;
    }
    return this.#queue.splice(first, 1)[0] ?? null;
  }
}

/** Lets every promise settle that can: macrotasks come after all microtasks. */
const settle = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
