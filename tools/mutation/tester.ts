import { join } from "node:path";
import { createVitest, type TestSpecification, type Vitest } from "vitest/node";
import { ROOT } from "../settings.ts";
import { sqlAsText } from "../sql-as-text.ts";
import { rewriting } from "./rewrite.ts";
import type { Order } from "./session.ts";

/**
 * The process that runs the tests of a session, again and again, each time with one file said otherwise. What a run costs is
 * loading the modules that depend on it, and the tests.
 */
class Tester {
  readonly #vitest: Vitest;
  readonly #state: { changed: Order["changed"] };

  private constructor(vitest: Vitest, state: { changed: Order["changed"] }) {
    this.#vitest = vitest;
    this.#state = state;
  }

  static async open(): Promise<Tester> {
    const state: { changed: Order["changed"] } = { changed: null };
    const change = (file: string) => (state.changed?.file === file ? state.changed.source : null);
    const vitest = await createVitest(
      {
        config: false,
        root: ROOT,
        watch: false,
        include: ["{schema,objects}/**/*.test.ts"],
        exclude: ["**/node_modules/**", "**/*.workerd.test.ts"],
        testTimeout: 60_000,
        pool: "threads",
        maxWorkers: 1,
        silent: true,
        reporters: [{}],
        // A transform that was stored knows nothing of what is changed.
        fsModuleCache: false,
      },
      { plugins: [sqlAsText, rewriting(change)] },
    );
    return new Tester(vitest, state);
  }

  /** True when some test fails, or a file of tests cannot be loaded. */
  async fails({ changed, tier: { tests, name } }: Order): Promise<boolean> {
    const before = this.#state.changed;
    this.#state.changed = changed;
    for (const file of [before?.file, changed?.file]) {
      if (file !== undefined) this.#vitest.invalidateFile(join(ROOT, file));
    }
    if (name === undefined) this.#vitest.resetGlobalTestNamePattern();
    else this.#vitest.setGlobalTestNamePattern(new RegExp(name));
    this.#vitest.state.clearErrors();
    const result = await this.#vitest.runTestSpecifications(await this.#find(tests), false);
    return result.unhandledErrors.length > 0 || result.testModules.some((module) => module.state() === "failed");
  }

  async #find(tests: readonly string[]): Promise<TestSpecification[]> {
    const found = await this.#vitest.globTestSpecifications([...tests]);
    if (found.length !== tests.length) throw new Error(`some of these are no tests: ${tests.join(" ")}`);
    return found;
  }
}

const tester = await Tester.open();
process.on("message", (order: Order) => {
  tester.fails(order).then(
    (fails) => process.send?.({ fails }),
    (error: Error) => process.send?.({ error: error.message }),
  );
});
process.send?.({ ready: true });
