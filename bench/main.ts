import { parseArgs } from "node:util";
import { bestPgbench } from "./baseline/pgbench.ts";
import { postgresFolder } from "./baseline/postgres.ts";
import { baseline } from "./baseline/target.ts";
import { tableOf, verdictTable, writeResults } from "./report.ts";
import { type Outcome, type RunOptions, runScenario } from "./run.ts";
import { MISSING, SCENARIOS } from "./scenarios/index.ts";
import { ours } from "./target.ts";
import { COMPARED, exitCode, honesty, judge, type Pair, voidReason } from "./verdict.ts";

const USAGE = `usage: npm run bench -- [--only NAME] [--seconds N] [--in-flight N,N,…] [--quick] [--seed N] [--without-baseline]
  --only       scenarios whose name holds this text
  --seconds    how long each loop lasts (10)
  --in-flight  requests at once, one loop each (1,16,64,256)
  --quick      loops of 2 seconds, at 1, 16 and 64
  --seed       draws the same accounts again
  --without-baseline  ours alone

Exit: 0 every ratio held · 1 one missed, or a scenario left something that does not hold · 2 something was not measured`;

const fail = (why: string): never => {
  process.stderr.write(`bench: ${why}\n${USAGE}\n`);
  process.exit(2);
};

const options = () => {
  const string = { type: "string" } as const;
  try {
    return parseArgs({
      options: {
        only: string,
        seconds: string,
        "in-flight": string,
        seed: string,
        quick: { type: "boolean" },
        "without-baseline": { type: "boolean" },
      },
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

const programs = given["without-baseline"] === true ? null : postgresFolder();
const why =
  given["without-baseline"] === true
    ? "it was left out"
    : "no PostgreSQL was found on the PATH or where distributions put it";
if (programs === null) process.stdout.write(`baseline: skipped, ${why}\n\n`);

const pairs = new Map<string, Pair>();
let pgbench: number | null = null;

const show = (outcome: Outcome, side: string): void => {
  process.stdout.write(`${tableOf(outcome, side)}\n\n`);
};

for (const scenario of chosen) {
  // Each on a server of its own: none inherits another's logs, and each check is of its own money.
  const { target, server } = await ours();
  const pair: Pair = {};
  pairs.set(scenario.name, pair);
  try {
    pair.ours = await runScenario(scenario, target, run);
    show(pair.ours, "crowdpay");
  } finally {
    await server[Symbol.asyncDispose]();
  }
  if (programs === null || !COMPARED.has(scenario.name)) continue;
  const beside = await baseline(programs);
  try {
    pair.theirs = await runScenario(scenario, beside.target, run);
    show(pair.theirs, "baseline");
    if (scenario.name === "transfers uniform") pgbench = await bestPgbench(beside.cluster, run);
  } finally {
    await beside.close();
  }
}

const asked = new Set(chosen.map(({ name }) => name));
const outcomes = [...pairs.values()].flatMap(({ ours: mine, theirs }) =>
  [mine, theirs].filter((each) => each !== undefined),
);
const honest = honesty(pairs.get("transfers uniform")?.theirs, pgbench);
const judged = judge(pairs, asked, programs === null ? null : voidReason(honest, asked));
if (honest !== null) {
  process.stdout.write(
    `baseline · uniform transfers are ${honest.share.toFixed(2)} of pgbench's ${pgbench?.toFixed(0)} a second with the same statement\n`,
  );
}
if (judged.length > 0) process.stdout.write(`${verdictTable(judged)}\n`);
if (given.only === undefined) for (const each of MISSING) process.stdout.write(`${each.name}: missing, ${each.why}\n`);
process.stdout.write(
  `written to ${writeResults({ run, pairs: Object.fromEntries(pairs), pgbench, judged, missing: MISSING })}\n`,
);
process.exit(exitCode(judged, outcomes));
