/** At most this many commands share one commit. */
export const MAX_BATCH = 256;
/** With this many waiting the door is shut: `overloaded`, at once. */
export const MAX_WAITING = 2_000;

type Waiting<C> = { command: C; resolve: (value: unknown) => void; reject: (error: unknown) => void };

/** What became of one command of a batch: its value, or what it threw. */
export type Settled = { ok: true; value: unknown } | { ok: false; error: unknown };

/**
 * Group commit: everything that has arrived shares one commit, first in first out. `arrived` (`arrivals.ts`) says when that is: into an idle
 * mailbox the first command is alone, and under load what comes meanwhile is waited for.
 */
export class Mailbox<C> {
  readonly #commit: (commands: C[]) => Settled[];
  readonly #arrived: () => Promise<unknown>;
  #waiting: Waiting<C>[] = [];
  #armed = false;

  /** `commit` settles every command of a batch or throws, which answers nobody: the object is about to be reset. */
  constructor(commit: (commands: C[]) => Settled[], arrived: () => Promise<unknown>) {
    this.#commit = commit;
    this.#arrived = arrived;
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
    await this.#arrived();
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      const settled = this.#commit(batch.map(({ command }) => command));
      batch.forEach(({ resolve, reject }, index) => {
        const result = settled[index];
        if (result?.ok) resolve(result.value);
        else reject(result?.error ?? new Error("a batch lost a command"));
      });
      if (this.#waiting.length > 0) await this.#arrived();
    }
    this.#armed = false;
  }
}
