import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { plantTree } from "../../tools/mutation/plant-tree.ts";
import { plantedBug } from "../../tools/mutation/planted.ts";
import { runChaos } from "../chaos/run.ts";

/** The real server with a bug in it, under chaos, and the verdicts that are there for such a bug. */
test("chaos notices that a lost answer of the provider is taken for a decline", { timeout: 400_000 }, async () => {
  const root = plantTree(plantedBug("a lost answer of the provider is a decline"));
  try {
    const { verdicts } = await runChaos({ seed: 1, lengthMs: 15_000, root });
    const failed = verdicts.filter(({ ok }) => !ok).map(({ name }) => name);
    expect(failed).toEqual(expect.arrayContaining(["captures", "posted once"]));
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
