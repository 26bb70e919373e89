import { parseArgs } from "node:util";
import { tableOf, writeResults } from "./report.ts";
import { type Outcome, type RunOptions, runScenario } from "./run.ts";
import { MISSING, SCENARIOS } from "./scenarios/index.ts";
import { ours } from "./target.ts";

const USAGE = `usage: npm run bench -- [--only NAME] [--seconds N] [--in-flight N,N,…] [--quick] [--seed N]
  --only       scenarios whose name holds this text
  --seconds    how long each loop lasts (10)
  --in-flight  requests at once, one loop each (1,16,64,256)
  --quick      loops of 2 seconds, at 1, 16 and 64
  --seed       draws the same accounts again`;

const fail = (why: string): never => {
  process.stderr.write(`bench: ${why}\n${USAGE}\n`);
  process.exit(2);
};

const options = () => {
  const string = { type: "string" } as const;
  try {
    return parseArgs({
      options: { only: string, seconds: string, "in-flight": string, seed: string, quick: { type: "boolean" } },
    }).values;
  } catch (error) {
    return fail((error as Error).message);
  }
};

const whole = (text: string, what: string): number =>
  /^[1-9]\d{0,5}$/.test(text) ? Number(text) : fail(`${what} must be a whole number above zero, not ${text}`);

const given = options();
const quick = given.quick === true;
const seconds = whole(given.seconds ?? (quick ? "2" : "10"), "--seconds");
const run: RunOptions = {
  seconds,
  warmUpSeconds: Math.min(3, seconds),
  inFlight: (given["in-flight"] ?? (quick ? "1,16,64" : "1,16,64,256"))
    .split(",")
    .map((text) => whole(text, "--in-flight")),
  seed: whole(given.seed ?? "1", "--seed"),
};
const chosen = SCENARIOS.filter(({ name }) => name.includes(given.only ?? ""));
if (chosen.length === 0)
  fail(`no scenario is called ${given.only}; there are ${SCENARIOS.map(({ name }) => name).join(", ")}`);

const outcomes: Outcome[] = [];
for (const scenario of chosen) {
  // Each on a server of its own: none inherits another's logs, and each check is of its own money.
  const { target, server } = await ours();
  try {
    const outcome = await runScenario(scenario, target, run);
    outcomes.push(outcome);
    process.stdout.write(`${tableOf(outcome, "crowdpay")}\n\n`);
  } finally {
    await server[Symbol.asyncDispose]();
  }
}
if (given.only === undefined) for (const { name, why } of MISSING) process.stdout.write(`${name}: missing, ${why}\n`);
process.stdout.write(`written to ${writeResults({ run, outcomes, missing: MISSING })}\n`);
process.exit(outcomes.some(({ faults }) => faults.length > 0) ? 1 : 0);
