import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PLANTED, type PlantedBug } from "../../tools/mutation/planted.ts";
import { ROOT } from "../../tools/settings.ts";

type Result = { title: string; status: string; failureMessages: string[] };
type Report = { testResults: { assertionResults: Result[] }[] };

/** Histories a simulation may take to notice. */
const SEEDS = "1000";

/** Runs the check a bug is for, with the bug in the code; answers what became of it. */
const checked = async ({ name, check }: PlantedBug): Promise<Result[]> => {
  const folder = mkdtempSync(join(tmpdir(), "crowdpay-planted-"));
  const report = join(folder, "report.json");
  try {
    const pattern = check.test.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
    const reporting = ["--reporter=json", `--outputFile.json=${report}`];
    const run = ["run", "--project", check.project, check.file, "-t", pattern, "--bail", "1", ...reporting];
    const { SEED: _, VITEST_POOL_ID: __, ...inherited } = process.env;
    const env = { ...inherited, SEEDS, CROWDPAY_PLANTED: name, WRANGLER_SEND_METRICS: "false" };
    const child = spawn(process.execPath, [join(ROOT, "node_modules/vitest/vitest.mjs"), ...run], {
      cwd: ROOT,
      env,
      stdio: "ignore",
    });
    await once(child, "exit");
    const { testResults } = JSON.parse(readFileSync(report, "utf8")) as Report;
    const ran = testResults.flatMap(({ assertionResults }) => assertionResults);
    return ran.filter(({ title }) => title === check.test);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

describe("a planted bug is noticed by the check that is there for it", () => {
  for (const bug of PLANTED) {
    test(bug.name, { timeout: 180_000 }, async () => {
      const results = await checked(bug);
      console.log(
        `${bug.name}: ${results
          .flatMap(({ failureMessages }) => failureMessages)
          .join()
          .slice(0, 300)}`,
      );
      expect(results.map(({ status }) => status)).toEqual(["failed"]);
    });
  }
});
