import { describe, expect, it } from "vitest";
import { SHARDS } from "../../schema/ids.ts";
import { sweep } from "./sweep.ts";

const shards = (runDueTimers: (name: string) => Promise<number>) => {
  const asked: string[] = [];
  const getByName = (name: string) => ({
    runDueTimers: () => {
      asked.push(name);
      return runDueTimers(name);
    },
  });
  return { asked, COORDINATORS: { getByName } };
};

describe("the sweep", () => {
  it("asks every shard once", async () => {
    const env = shards(async () => 2);
    expect(await sweep(env)).toBe(2 * SHARDS);
    expect(new Set(env.asked)).toEqual(new Set(Array.from({ length: SHARDS }, (_, shard) => `shard-${shard}`)));
    expect(env.asked).toHaveLength(SHARDS);
  });

  it("goes on past a shard that cannot be reached", async () => {
    const env = shards(async (name) => {
      if (name === "shard-5") throw new Error("gone");
      return 1;
    });
    expect(await sweep(env)).toBe(SHARDS - 1);
  });

  it("keeps to five shards at a time", async () => {
    let open = 0;
    let most = 0;
    const env = shards(async () => {
      most = Math.max(most, ++open);
      await new Promise((resolve) => setImmediate(resolve));
      open--;
      return 0;
    });
    await sweep(env);
    expect(most).toBe(5);
  });
});
