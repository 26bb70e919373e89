import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import type { Tier } from "./targets.ts";

/** A file said otherwise, and the tests to run with it; null: everything as it stands. */
export type Order = { changed: { file: string; source: string } | null; tier: Tier };

/** A tier that takes longer runs for ever: a loop has lost its end. Milliseconds. */
const ENDLESS_MS = 120_000;

/** What became of the tests: `endless` when they had to be stopped. */
export type Verdict = "passed" | "failed" | "endless";

type Reply = { fails?: boolean; error?: string };

/** Runs tests in a process of its own, which is replaced when a mutant will not let it end. */
export class Session {
  #child: ChildProcess | null = null;
  readonly #env: Readonly<Record<string, string>>;

  constructor(env: Readonly<Record<string, string>>) {
    this.#env = env;
  }

  /** Failed: some test did, or could not be loaded. */
  async run(order: Order): Promise<Verdict> {
    const child = await this.#tester();
    const over = new AbortController();
    const { signal } = over;
    child.send(order);
    try {
      const reply = await Promise.race([
        once(child, "message", { signal }).then(([message]) => message as Reply),
        once(child, "exit", { signal }).then((): Reply => ({ error: "the tests' process ended" })),
        delay(ENDLESS_MS, null, { signal }),
      ]);
      if (reply === null) {
        this.close();
        return "endless";
      }
      if (reply.fails === undefined) throw new Error(reply.error ?? "no reply");
      return reply.fails ? "failed" : "passed";
    } finally {
      over.abort();
    }
  }

  close(): void {
    this.#child?.kill("SIGKILL");
    this.#child = null;
  }

  async #tester(): Promise<ChildProcess> {
    if (this.#child !== null) return this.#child;
    const { SEED: _, ...inherited } = process.env;
    const child = fork(join(import.meta.dirname, "tester.ts"), { env: { ...inherited, ...this.#env } });
    this.#child = child;
    await once(child, "message");
    return child;
  }
}
