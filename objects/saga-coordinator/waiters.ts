import type { Saga } from "../../schema/sagas.ts";

type Listener = (saga: Saga) => void;

/** Calls held open until a saga comes to something. Only patience lives here: what they wait for is in the journal. */
export class Waiters {
  readonly #listeners = new Map<string, Set<Listener>>();

  /** True while somebody is waiting for the first answer of this saga. */
  has(saga: string): boolean {
    return this.#listeners.has(saga);
  }

  notify(saga: Saga): void {
    for (const listener of this.#listeners.get(saga.id) ?? []) listener(saga);
  }

  /** The saga as soon as `enough` says so, or as it is when patience ends. `current` is read once more after listening begins. */
  async until(id: string, current: () => Saga, enough: (saga: Saga) => boolean, patienceMs: number): Promise<Saga> {
    const early = current();
    if (enough(early)) return early;
    const stop = new AbortController();
    let listener: Listener = () => undefined;
    const heard = new Promise<Saga>((resolve) => {
      listener = (saga) => {
        if (enough(saga)) resolve(saga);
      };
    });
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners.add(listener));
    try {
      const patience = scheduler
        .wait(patienceMs, { signal: stop.signal })
        .then(() => null)
        .catch(() => null);
      return (await Promise.race([heard, patience])) ?? current();
    } finally {
      stop.abort();
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(id);
    }
  }
}
