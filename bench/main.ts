import { bestPgbench } from "./baseline/pgbench.ts";
import { postgresFolder } from "./baseline/programs.ts";
import { baseline } from "./baseline/target.ts";
import { endWhenTold } from "./ending.ts";
import { runFloor } from "./floor/run.ts";
import { type BenchOptions, benchOptions, USAGE } from "./options.ts";
import { tableOf, verdictTable, writeResults } from "./report.ts";
import { type Outcome, runScenario } from "./run.ts";
import { MISSING, SCENARIOS } from "./scenarios/index.ts";
import { ours } from "./target.ts";
import { exitCode, honesty, judge, type Pair, voidReason } from "./verdict.ts";

const fail = (why: string): never => {
  process.stderr.write(`bench: ${why}\n${USAGE}\n`);
  process.exit(2);
};

const given = (): BenchOptions => {
  try {
    return benchOptions(process.argv.slice(2));
  } catch (error) {
    return fail((error as Error).message);
  }
};

const { run, only, withBaseline } = given();
endWhenTold();
const chosen = SCENARIOS.filter(({ name }) => name.includes(only ?? ""));
if (chosen.length === 0)
  fail(`no scenario is called ${only}; there are ${SCENARIOS.map(({ name }) => name).join(", ")}`);

const programs = withBaseline ? postgresFolder() : null;
const why = withBaseline ? "no PostgreSQL was found on the PATH or where distributions put it" : "it was left out";
if (programs === null) process.stdout.write(`baseline: skipped, ${why}\n\n`);

const pairs = new Map<string, Pair>();
let pgbench: number | null = null;

const show = (outcome: Outcome, side: string): void => {
  process.stdout.write(`${tableOf(outcome, side)}\n\n`);
};

for (const scenario of chosen) {
  // Each on a server of its own: none inherits another's logs, and each check is of its own money.
  const { target, close } = await ours();
  const pair: Pair = {};
  pairs.set(scenario.name, pair);
  try {
    pair.ours = await runScenario(scenario, target, run);
    show(pair.ours, "crowdpay");
  } finally {
    await close();
  }
  if (programs === null || scenario.oursAlone) continue;
  const beside = await baseline(programs);
  try {
    pair.theirs = await runScenario(scenario, beside.target, { ...run, restSeconds: 0 });
    show(pair.theirs, "baseline");
    if (scenario.name === "transfers uniform") pgbench = await bestPgbench(beside.cluster, run);
  } finally {
    await beside.close();
  }
  if (scenario.kind !== "load" || scenario.steps === undefined) continue;
  pair.floor = await runFloor(scenario, run);
  show(pair.floor, "floor");
}

const asked = new Set(chosen.map(({ name }) => name));
const outcomes = [...pairs.values()].flatMap(({ ours: mine, theirs, floor }) =>
  [mine, theirs, floor].filter((each) => each !== undefined),
);
const honest = honesty(pairs.get("transfers uniform")?.theirs, pgbench);
const judged = judge(pairs, asked, programs === null ? null : voidReason(honest, asked));
if (honest !== null) {
  process.stdout.write(
    `baseline · uniform transfers are ${honest.share.toFixed(2)} of pgbench's ${pgbench?.toFixed(0)} a second with the same statement\n`,
  );
}
if (judged.length > 0) process.stdout.write(`${verdictTable(judged)}\n`);
if (only === null) for (const each of MISSING) process.stdout.write(`${each.name}: missing, ${each.why}\n`);
process.stdout.write(
  `written to ${writeResults({ run, pairs: Object.fromEntries(pairs), pgbench, judged, missing: MISSING })}\n`,
);
process.exit(exitCode(judged, outcomes));
