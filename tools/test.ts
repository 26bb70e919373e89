import { spawnSync } from "node:child_process";
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

/** Groups run one after another: the timing of a server under test is worth nothing beside a busy runtime. */
const VITEST_GROUPS: readonly (readonly string[])[] = [["unit", "kit", "actors", "sandbox"], ["http"], ["crash"]];

const scratch = mkdtempSync(join(tmpdir(), "crowdpay-test-"));

function run(title: string, script: string, args: readonly string[]): boolean {
  process.stdout.write(`\n— ${title}\n`);
  const { status } = spawnSync(process.execPath, [join(ROOT, "node_modules", script), ...args], {
    cwd: ROOT,
    stdio: ["ignore", "inherit", "inherit"],
    env: { ...process.env, WRANGLER_SEND_METRICS: "false" },
  });
  return status === 0;
}

function step(title: string, script: string, args: readonly string[]): Tally {
  return run(title, script, args) ? { passed: 1, failed: 0 } : { passed: 0, failed: 1 };
}

function vitest(projects: readonly string[]): Tally {
  const report = join(scratch, `${projects.join("-")}.json`);
  const green = run(`tests: ${projects.join(", ")}`, "vitest/vitest.mjs", [
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

function dryRun(name: string, configPath: string): Tally {
  const args = ["deploy", "--dry-run", "--config", join(ROOT, configPath), "--outdir", join(scratch, name)];
  return step(`deploys (dry run): ${name}`, "wrangler/bin/wrangler.js", args);
}

try {
  const tallies = [
    step("format and lint", "@biomejs/biome/bin/biome", ["ci", "--error-on-warnings", "."]),
    step("types", "typescript/bin/tsc", ["-p", "."]),
    ...VITEST_GROUPS.map(vitest),
    ...[PRODUCT, SANDBOX].map(({ name, configPath }) => dryRun(name, configPath)),
  ];
  const passed = tallies.reduce((sum, tally) => sum + tally.passed, 0);
  const failed = tallies.reduce((sum, tally) => sum + tally.failed, 0);
  process.exitCode = failed === 0 ? 0 : 1;
  process.stdout.write(`\n${passed} passed, ${failed} failed\n`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
