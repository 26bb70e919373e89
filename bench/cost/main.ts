import { parseArgs } from "node:util";
import { COUNTS } from "../../objects/kit/meter/tally.ts";
import { endWhenTold } from "../ending.ts";
import { startMeasured } from "../started.ts";
import { grown, readBudget, writeBudget } from "./budget.ts";
import { METERED, type Measured, measureAll } from "./measure.ts";
import { PARTS, priceOf, sumOf } from "./prices.ts";

/** `npm run cost [-- --update]`: what each flow costs, held against the table; `--update` makes it the table. */

const figure = (value: number): string => (Number.isInteger(value) ? String(value) : value.toFixed(2));
const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;

const printActors = ({ flow, byActor, methods }: Measured): void => {
  const counts = COUNTS.filter((count) => Object.values(byActor).some((tally) => tally[count] > 0));
  process.stdout.write(`\n${flow.name}, a ${flow.unit}\n${line(["", ...counts])}\n`);
  for (const [actor, tally] of Object.entries(byActor)) {
    if (counts.some((count) => tally[count] > 0)) {
      process.stdout.write(`${line([actor, ...counts.map((count) => figure(tally[count]))])}\n`);
    }
  }
  const called = Object.entries(methods).map(([method, calls]) => `${method} ${figure(calls)}`);
  process.stdout.write(`called: ${called.sort().join(", ")}\n`);
};

const printPrices = (measured: readonly Measured[]): void => {
  process.stdout.write(`\nUS dollars a million, list price\n${line(["flow", ...PARTS, "sum"])}\n`);
  for (const { flow, unit } of measured) {
    const parts = priceOf(unit, flow.asksProvider);
    const cells = [...PARTS.map((part) => parts[part]), sumOf(parts)];
    process.stdout.write(`${line([flow.name, ...cells.map((cell) => cell.toFixed(2))])}\n`);
  }
};

const { update } = parseArgs({ options: { update: { type: "boolean", default: false } } }).values;
endWhenTold();
const { server, close } = await startMeasured(METERED);
try {
  const measured = await measureAll(server);
  for (const each of measured) printActors(each);
  printPrices(measured);
  if (update) writeBudget(measured);
  const faults = grown(measured, readBudget());
  for (const fault of faults) process.stderr.write(`cost: ${fault}\n`);
  process.exitCode = faults.length > 0 ? 1 : 0;
} finally {
  await close();
}
