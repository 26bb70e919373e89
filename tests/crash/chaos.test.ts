import { expect, test } from "vitest";
import { runChaos } from "../chaos/run.ts";
import { faultsIn } from "../support/checker.ts";

/** A short run of `npm run chaos`; SEED=<number> runs another schedule. */
const seed = Number(process.env.SEED ?? 40);

test("forty seconds of chaos lose and double nothing that was acknowledged", { timeout: 600_000 }, async () => {
  console.log(`npm run chaos -- --seed ${seed} --minutes 0.67`);
  const { records, struck, verdicts } = await runChaos({ seed, lengthMs: 40_000 });
  expect(faultsIn(verdicts)).toEqual([]);
  expect(struck.killed).toBeGreaterThanOrEqual(2);
  expect(records.charges.size).toBeGreaterThan(0);
  expect(records.transfers.size).toBeGreaterThan(0);
});
