import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";

const LIMIT = { most: 20, windowMs: 1_000 };

/** Lets groups of actors in one after another, each of which takes so long; answers when each came in. */
const entering = async (groups: readonly { streams: readonly number[]; takesMs: number }[], limit = LIMIT) => {
  let now = 1_000;
  const wait = async (ms: number) => {
    now += ms;
  };
  const pace = new Pace(limit, { now: () => now, wait });
  const entries: { at: number; streams: readonly number[] }[] = [];
  for (const { streams, takesMs } of groups) {
    await pace.letIn(streams.map(String));
    entries.push({ at: now, streams });
    now += takesMs;
  }
  return entries;
};
const tens = (groups: number, offset = 0) =>
  Array.from({ length: groups }, (_, group) => ({
    streams: Array.from({ length: 10 }, (_, index) => offset + group * 10 + index),
    takesMs: 30,
  }));

describe("actors that are woken one after another", () => {
  it("are all woken without delay as long as they are few", async () => {
    const entries = await entering(tens(10), { most: 100, windowMs: 20_000 });
    expect(entries.map(({ at }) => at)).toEqual(Array.from({ length: 10 }, (_, index) => 1_000 + index * 30));
  });

  it("wait until those before them sleep once they are many", async () => {
    expect((await entering(tens(5))).map(({ at }) => at)).toEqual([1_000, 1_030, 2_000, 2_030, 3_000]);
  });

  it("do not wait while they are awake already", async () => {
    const again = await entering([...tens(2), ...tens(2), ...tens(1, 20)]);
    expect(again.map(({ at }) => at)).toEqual([1_000, 1_030, 1_060, 1_090, 2_060]);
  });

  it("let others in between one group and the next", async () => {
    const order: string[] = [];
    const wait = () => new Promise((resolve) => setTimeout(resolve));
    const pace = new Pace(LIMIT, { now: () => 0, wait });
    setTimeout(() => order.push("another"));
    for (const group of ["first", "second"]) {
      await pace.letIn([group]);
      order.push(group);
    }
    expect(order).toEqual(["another", "first", "second"]);
  });

  it("are never more than so many in any window", async () => {
    const streams = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 25 });
    const group = fc.record({ streams, takesMs: fc.integer({ min: 0, max: 400 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(group, { maxLength: 60 }), async (groups) => {
        const entries = await entering(groups);
        entries.forEach(({ at }, last) => {
          const within = entries.filter((other, index) => index <= last && other.at > at - LIMIT.windowMs);
          const awake = new Set(within.flatMap((entry) => entry.streams)).size;
          expect(awake <= LIMIT.most || within.length === 1, `${awake} within a window at ${at}`).toBe(true);
        });
      }),
    );
  });
});
