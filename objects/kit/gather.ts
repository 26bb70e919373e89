/** Resolves when whoever comes in the same moment is here, and never rejects. `crowded`: the last time several were. */
export type Gather = (crowded: boolean) => Promise<unknown>;

/**
 * How long the first of a group waits for others: alone, no time at all. `sync()` lets in what has already reached this object and
 * resolves, a turn of the event loop later, when what it wrote is durable: whoever comes during a commit shares the next. A timer of
 * none is a millisecond and more here, which a payment on its own would wait a dozen times; in a crowd it makes the group larger, and
 * gives the runtime the idle moment in which it looks at its sockets.
 */
export const gathering =
  (storage: Pick<DurableObjectStorage, "sync">): Gather =>
  (crowded) =>
    // A write that failed ends the object and all who wait here with it: there is nobody to tell.
    crowded ? scheduler.wait(0) : storage.sync().catch(() => undefined);

/** An object meets fewer crowds than this at a time, and to forget one costs a call. */
const MOST_CROWDS = 256;

/** Which targets were met by several at once the last time. In memory: it only says how long to wait. */
export class Crowds {
  readonly #names = new Set<string>();

  has(target: string): boolean {
    return this.#names.has(target);
  }

  note(target: string, several: boolean): void {
    if (!several) {
      this.#names.delete(target);
      return;
    }
    if (this.#names.size >= MOST_CROWDS) this.#names.clear();
    this.#names.add(target);
  }
}
