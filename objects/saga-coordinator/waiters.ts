import type { Saga } from "../../schema/sagas.ts";
import { type StartTimeout, startTimeout } from "../kit/timeout.ts";

type Listener = (saga: Saga) => void;

/** Calls held open until a saga comes to something. Only patience lives here: what they wait for is in the journal. */
export class Waiters {
  readonly #listeners = new Map<string, Set<Listener>>();
  readonly #timeout: StartTimeout;

  constructor(timeout: StartTimeout = startTimeout) {
    this.#timeout = timeout;
  }

  /** True while somebody is waiting for the first answer of this saga. */
  has(saga: string): boolean {
    return this.#listeners.has(saga);
  }

  notify(saga: Saga): void {
    for (const listener of this.#listeners.get(saga.id) ?? []) listener(saga);
  }

  /** The saga as soon as `enough` says so, or as it is when patience ends, for which `current` is read once more. */
  async until(id: string, current: () => Saga, enough: (saga: Saga) => boolean, patienceMs: number): Promise<Saga> {
    const early = current();
    if (enough(early)) return early;
    const listeners = this.#listeners.get(id) ?? new Set();
    this.#listeners.set(id, listeners);
    const { promise, resolve } = Promise.withResolvers<Saga | null>();
    const listener: Listener = (saga) => {
      if (enough(saga)) resolve(saga);
    };
    listeners.add(listener);
    const callOff = this.#timeout(patienceMs, () => resolve(null));
    try {
      return (await promise) ?? current();
    } finally {
      callOff();
      listeners.delete(listener);
      if (listeners.size === 0) this.#listeners.delete(id);
    }
  }
}
