import { parseArgs } from "node:util";
import { report } from "./report.ts";
import { runChaos } from "./run.ts";

/** `npm run chaos -- --seed S --minutes M`: exit 0 only when everything that was acknowledged is accounted for. */

const USAGE = "usage: npm run chaos -- [--seed 1] [--minutes 5]";
/** Tokens live an hour, and a run makes them once. */
const LONGEST_MINUTES = 45;

const refuse = (reason: string): never => {
  process.stderr.write(`chaos: ${reason}; ${USAGE}\n`);
  process.exit(2);
};

const options = () => {
  const string = { type: "string" } as const;
  try {
    return parseArgs({ options: { seed: string, minutes: string }, strict: true }).values;
  } catch (error) {
    return refuse((error as Error).message.split(". ")[0] ?? "bad arguments");
  }
};

const { seed = "1", minutes = "5" } = options();
if (!/^\d{1,9}$/.test(seed)) refuse("--seed must be a whole number");
if (!(Number(minutes) >= 0.25 && Number(minutes) <= LONGEST_MINUTES)) {
  refuse(`--minutes must be from 0.25 to ${LONGEST_MINUTES}`);
}

const say = (line: string) => process.stderr.write(`${line}\n`);
const replay = `npm run chaos -- --seed ${seed} --minutes ${minutes}`;
try {
  const outcome = await runChaos({ seed: Number(seed), lengthMs: Number(minutes) * 60_000, say });
  const { ok, lines } = report(outcome, Number(minutes));
  process.stdout.write(`${lines.join("\n")}\n`);
  if (!ok) process.stdout.write(`the same schedule again: ${replay}\n`);
  process.exit(ok ? 0 : 1);
} catch (error) {
  process.stderr.write(`chaos: ${(error as Error).stack}\nthe same schedule again: ${replay}\n`);
  process.exit(1);
}
