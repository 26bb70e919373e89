import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PRODUCT, SANDBOX } from "./bundle.ts";
import { ROOT } from "./settings.ts";

interface Tally {
  readonly passed: number;
  readonly failed: number;
}

/** The part of vitest's JSON report that is counted. */
interface Report {
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[];
}

const scratch = mkdtempSync(join(tmpdir(), "crowdpay-test-"));

/** Runs a script and prints what it said once it has ended: stages run side by side, and their lines would mix. */
async function run(title: string, script: string, args: readonly string[]): Promise<boolean> {
  const started = performance.now();
  const child = spawn(process.execPath, [join(ROOT, "node_modules", script), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  const said: Buffer[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => said.push(chunk));
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("error", reject);
    child.once("close", resolve);
  });
  const seconds = ((performance.now() - started) / 1_000).toFixed(0);
  process.stdout.write(`\n— ${title} (${seconds} s)\n`);
  process.stdout.write(Buffer.concat(said));
  return code === 0;
}

async function step(title: string, script: string, args: readonly string[]): Promise<Tally> {
  return (await run(title, script, args)) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

async function vitest(...projects: string[]): Promise<Tally> {
  const report = join(scratch, `${projects.join("-")}.json`);
  const green = await run(`tests: ${projects.join(", ")}`, "vitest/vitest.mjs", [
    "run",
    "--passWithNoTests",
    ...projects.flatMap((project) => ["--project", project]),
    "--reporter=default",
    "--reporter=json",
    `--outputFile.json=${report}`,
  ]);
  try {
    const { numPassedTests, numFailedTests, testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
    // A file that cannot be loaded has no tests to fail, and an unhandled error fails the run but no test of it.
    const broken = testResults.filter(
      ({ status, assertionResults }) => status === "failed" && assertionResults.length === 0,
    );
    const failed = numFailedTests + broken.length;
    return { passed: numPassedTests, failed: green || failed > 0 ? failed : 1 };
  } catch {
    return { passed: 0, failed: green ? 0 : 1 };
  }
}

function dryRun({ name, configPath }: { name: string; configPath: string }): Promise<Tally> {
  const args = ["deploy", "--dry-run", "--config", join(ROOT, configPath), "--outdir", join(scratch, name)];
  return step(`deploys (dry run): ${name}`, "wrangler/bin/wrangler.js", args);
}

type Stage = () => Promise<Tally>;

/**
 * Stages one after another, and three such lanes side by side: much of what servers and runtimes do is waiting, and no test is timed
 * by a clock. The two that take longest begin at once.
 */
const LANES: readonly (readonly Stage[])[] = [
  [
    () => step("format and lint", "@biomejs/biome/bin/biome", ["ci", "--error-on-warnings", "."]),
    () => step("types", "typescript/bin/tsc", ["-p", "."]),
    () => vitest("http"),
  ],
  [() => vitest("actors"), () => vitest("crash")],
  [() => vitest("kit", "sandbox"), () => vitest("unit"), ...[PRODUCT, SANDBOX].map((worker) => () => dryRun(worker))],
];

async function inOrder(stages: readonly Stage[]): Promise<Tally[]> {
  const tallies: Tally[] = [];
  for (const stage of stages) tallies.push(await stage());
  return tallies;
}

try {
  const tallies = (await Promise.all(LANES.map(inOrder))).flat();
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  process.exitCode = failed === 0 ? 0 : 1;
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
