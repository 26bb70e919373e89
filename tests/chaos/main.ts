import { rmSync } from "node:fs";
import { parseArgs } from "node:util";
import { plantTree } from "../../tools/mutation/plant-tree.ts";
import { plantedBug } from "../../tools/mutation/planted.ts";
import { report } from "./report.ts";
import { runChaos } from "./run.ts";

/**
 * `npm run chaos -- --seed S --minutes M`: exit 0 only when everything that was acknowledged is accounted for. `--plant NAME`
 * harms a server with that bug in it (tools/mutation/planted.ts): then exit 0 would mean that nobody noticed.
 */

const USAGE = "usage: npm run chaos -- [--seed 1] [--minutes 5] [--plant NAME]";
/** Tokens live an hour, and a run makes them once. */
const LONGEST_MINUTES = 45;

const refuse = (reason: string): never => {
  process.stderr.write(`chaos: ${reason}; ${USAGE}\n`);
  process.exit(2);
};

const options = () => {
  const string = { type: "string" } as const;
  try {
    return parseArgs({ options: { seed: string, minutes: string, plant: string }, strict: true }).values;
  } catch (error) {
    return refuse((error as Error).message.split(". ")[0] ?? "bad arguments");
  }
};

const { seed = "1", minutes = "5", plant } = options();
if (!/^\d{1,9}$/.test(seed)) refuse("--seed must be a whole number");
if (!(Number(minutes) >= 0.25 && Number(minutes) <= LONGEST_MINUTES)) {
  refuse(`--minutes must be from 0.25 to ${LONGEST_MINUTES}`);
}

const say = (line: string) => process.stderr.write(`${line}\n`);
const planted = plant === undefined ? "" : ` --plant ${JSON.stringify(plant)}`;
const replay = `npm run chaos -- --seed ${seed} --minutes ${minutes}${planted}`;
const root = plant === undefined ? undefined : plantTree(plantedBug(plant));
process.once("exit", () => root !== undefined && rmSync(root, { recursive: true, force: true }));
try {
  const harmed = root === undefined ? {} : { root };
  const outcome = await runChaos({ seed: Number(seed), lengthMs: Number(minutes) * 60_000, say, ...harmed });
  const { ok, lines } = report(outcome, Number(minutes));
  process.stdout.write(`${lines.join("\n")}\n`);
  if (!ok) process.stdout.write(`the same schedule again: ${replay}\n`);
  process.exit(ok ? 0 : 1);
} catch (error) {
  process.stderr.write(`chaos: ${(error as Error).stack}\nthe same schedule again: ${replay}\n`);
  process.exit(1);
}
