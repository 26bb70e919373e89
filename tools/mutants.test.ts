import { execFile } from "node:child_process";
import { join } from "node:path";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { ROOT } from "./settings.ts";

test("five mutants of the guards, spread over all of them, are caught", { timeout: 600_000 }, async () => {
  const { VITEST: _, VITEST_WORKER_ID: __, VITEST_POOL_ID: ___, ...env } = process.env;
  const arguments_ = [join(ROOT, "tools/mutants.ts"), "--sample", "5", "--jobs", "1"];
  const { stdout } = await promisify(execFile)(process.execPath, arguments_, { cwd: ROOT, env });
  expect(stdout.trim().split("\n").at(-1)).toBe("caught 5 of 5");
});
