import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { COUNTS, type Count, type Tally } from "../../objects/kit/meter/tally.ts";
import { ROOT } from "../../tools/settings.ts";
import type { Flow } from "./flows.ts";
import type { Measured } from "./measure.ts";

/** What each flow is known to cost, by its name, of one unit. Counts that are zero are left out. */
export type Budget = Record<string, Partial<Tally>>;

const FILE = join(ROOT, "bench/cost.budget.json");

/**
 * How far above the table a count may lie, as a factor. What is said of one payment alone is exact. Rows vary by what happens to
 * fall due (an answer pruned, an index page). A crowd shares more or less, as fast as the machine is. How events are gathered into messages, and messages into batches, is the
 * clock's: a crowd that is over within a second is read and written once, a slower one on its way as well.
 */
const SLACK: Readonly<Record<"exact" | "rows" | "gathered", Record<Flow["pace"], number>>> = {
  exact: { alone: 1, raced: 1.25, apart: 1.25, crowded: 2.5 },
  rows: { alone: 1.2, raced: 1.3, apart: 1.3, crowded: 1.4 },
  gathered: { alone: 2.5, raced: 2.5, apart: 2.5, crowded: 6 },
};

const KIND: Readonly<Record<Count, keyof typeof SLACK>> = {
  calls: "exact",
  frames: "exact",
  commits: "exact",
  rows_read: "rows",
  rows_written: "rows",
  alarms_set: "gathered",
  d1_queries: "gathered",
  d1_rows_read: "gathered",
  d1_rows_written: "gathered",
  queue_writes: "gathered",
  queue_reads: "gathered",
  queue_deletes: "gathered",
  r2_class_a: "exact",
  r2_class_b: "exact",
  worker_requests: "gathered",
};

/** A stripe or a shard met for the first time sets its alarm, and so does an actor that has looked since it was last touched: at most one each. */
const FIRST_ALARMS = 4;

/** The most that a count may come to. */
export const ceiling = (count: Count, known: number, pace: Flow["pace"]): number =>
  known * SLACK[KIND[count]][pace] + (count === "alarms_set" ? FIRST_ALARMS : 0);

/** What has grown past the table: a line a count. A flow the table does not name has grown from nothing. */
export const grown = (measured: readonly Pick<Measured, "flow" | "unit">[], budget: Budget): string[] =>
  measured.flatMap(({ flow, unit }) => {
    const known = budget[flow.name];
    if (known === undefined) return [`${flow.name} is not in the table`];
    return COUNTS.flatMap((count) => {
      const most = ceiling(count, known[count] ?? 0, flow.pace);
      if (unit[count] <= most + 1e-9) return [];
      return [`${flow.name}: ${count} ${rounded(unit[count])} a ${flow.unit}, at most ${rounded(most)} may be`];
    });
  });

const rounded = (value: number): number => Number(value.toFixed(3));

export const readBudget = (): Budget => JSON.parse(readFileSync(FILE, "utf8")) as Budget;

/** Writes down what was measured as what is known from now on. */
export const writeBudget = (measured: readonly Measured[]): void => {
  const budget = Object.fromEntries(
    measured.map(({ flow, unit }) => [
      flow.name,
      Object.fromEntries(COUNTS.filter((count) => unit[count] > 0).map((count) => [count, rounded(unit[count])])),
    ]),
  );
  writeFileSync(FILE, `${JSON.stringify(budget, null, 2)}\n`);
};
