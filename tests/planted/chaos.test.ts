import { rmSync } from "node:fs";
import { expect, test } from "vitest";
import { plantTree } from "../../tools/mutation/plant-tree.ts";
import { plantedBug } from "../../tools/mutation/planted.ts";
import { runChaos } from "../chaos/run.ts";

/** The real server with a bug in it, under chaos, and the verdict that is there for such a bug. */
test("chaos notices that a lost answer of the provider is taken for a decline", { timeout: 600_000 }, async () => {
  const root = plantTree(plantedBug("a lost answer of the provider is a decline"));
  const failed = new Set<string>();
  try {
    // On a busy machine little happens in a quarter of a minute, and perhaps no answer is lost.
    for (let seed = 1; seed <= 4 && !failed.has("captures"); seed++) {
      const { verdicts } = await runChaos({ seed, lengthMs: seed * 15_000, root });
      for (const { name, ok } of verdicts) if (!ok) failed.add(name);
    }
    // The books may agree all the same: a capture that a webhook brings to light is booked to suspense.
    expect([...failed]).toContain("captures");
  } finally {
    rmSync(root, { recursive: true, force: true });
  }
});
