import type { Gather } from "./gather.ts";

/** At most this many commands share one commit. */
export const MAX_BATCH = 256;
/** With this many waiting the door is shut: `overloaded`, at once. */
export const MAX_WAITING = 2_000;

type Waiting<C> = { command: C; resolve: (value: unknown) => void; reject: (error: unknown) => void };

/** What became of one command of a batch: its value, or what it threw. */
export type Settled = { ok: true; value: unknown } | { ok: false; error: unknown };

/**
 * Group commit. The first command into an idle mailbox gathers; everything that arrives before that is over shares one commit, first
 * in first out. From a microtask every batch would have size one, because calls arrive as separate events.
 */
export class Mailbox<C> {
  readonly #commit: (commands: C[]) => Settled[];
  readonly #gather: Gather;
  #waiting: Waiting<C>[] = [];
  #armed = false;
  #crowded = false;

  /** `commit` settles every command of a batch or throws, which answers nobody: the object is about to be reset. */
  constructor(commit: (commands: C[]) => Settled[], gather: Gather) {
    this.#commit = commit;
    this.#gather = gather;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  get full(): boolean {
    return this.#waiting.length >= MAX_WAITING;
  }

  /** Rejects with what the command threw; resolves after the commit that holds it. */
  submit(command: C): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ command, resolve, reject });
      if (this.#armed) return;
      this.#armed = true;
      // A commit that throws has reset the object, and there is nobody left to tell.
      this.#drainSoon().catch(() => undefined);
    });
  }

  async #drainSoon(): Promise<void> {
    await this.#gather(this.#crowded);
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      this.#crowded = batch.length > 1;
      const settled = this.#commit(batch.map(({ command }) => command));
      batch.forEach(({ resolve, reject }, index) => {
        const result = settled[index];
        if (result?.ok) resolve(result.value);
        else reject(result?.error ?? new Error("a batch lost a command"));
      });
      if (this.#waiting.length > 0) await this.#gather(this.#crowded);
    }
    this.#armed = false;
  }
}
