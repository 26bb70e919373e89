import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Pace } from "./pace.ts";

const WINDOW_MS = 20_000;

/** A clock that goes on by whatever is waited for, and as the test says. */
const clock = () => {
  const time = { ms: 1_000 };
  const wait = async (ms: number) => {
    time.ms += ms;
  };
  return { time, port: { now: () => time.ms, wait, awake: new Map<string, number>() } };
};

/** Lets groups of actors in one after another, each of which takes so long; answers when each came in. */
const entering = async (groups: readonly { streams: readonly number[]; takesMs: number }[], most?: number) => {
  const { time, port } = clock();
  const pace = new Pace(most, port);
  const entries: { at: number; streams: readonly number[] }[] = [];
  for (const { streams, takesMs } of groups) {
    await pace.letIn(streams.map(String));
    entries.push({ at: time.ms, streams });
    time.ms += takesMs;
  }
  return entries;
};
const tens = (groups: number, offset = 0) =>
  Array.from({ length: groups }, (_, group) => ({
    streams: Array.from({ length: 10 }, (_, index) => offset + group * 10 + index),
    takesMs: 30,
  }));

describe("actors that are woken one after another", () => {
  it("are all woken without delay as long as they are few, or where there is no limit", async () => {
    const atOnce = Array.from({ length: 10 }, (_, index) => 1_000 + index * 30);
    expect((await entering(tens(10), 100)).map(({ at }) => at)).toEqual(atOnce);
    expect((await entering(tens(10))).map(({ at }) => at)).toEqual(atOnce);
  });

  it("wait until those before them sleep once they are many", async () => {
    expect((await entering(tens(5), 20)).map(({ at }) => at)).toEqual([1_000, 1_030, 21_000, 21_030, 41_000]);
  });

  it("have whoever waits for them say every three seconds that it is there", async () => {
    const { time, port } = clock();
    const pace = new Pace(10, port);
    const said: number[] = [];
    const say = async () => said.push(time.ms);
    await pace.letIn(["a"], say);
    await pace.letIn(
      Array.from({ length: 10 }, (_, index) => String(index)),
      say,
    );
    expect(said).toEqual([4_000, 7_000, 10_000, 13_000, 16_000, 19_000, 21_000]);
  });

  it("are let in after one whose caller gave up waiting", async () => {
    const { time, port } = clock();
    const pace = new Pace(1, port);
    await pace.letIn(["a"]);
    const gone = pace.letIn(["b"], () => Promise.reject(new Error("superseded")));
    const next = pace.letIn(["c"]);
    await expect(gone).rejects.toThrow("superseded");
    await next;
    expect(time.ms).toBe(21_000);
  });

  it("do not wait while they are awake already", async () => {
    const again = await entering([...tens(2), ...tens(2), ...tens(1, 20)], 20);
    expect(again.map(({ at }) => at)).toEqual([1_000, 1_030, 1_060, 1_090, 21_060]);
  });

  it("do not wait for a time to come, should the clock have gone back", async () => {
    const { time, port } = clock();
    const pace = new Pace(10, port);
    await pace.letIn(tens(1)[0]?.streams.map(String) ?? []);
    time.ms -= 900;
    await pace.letIn(["11"]);
    expect(time.ms).toBe(100);
  });

  it("wait for those whom anybody has let in, for all are awake in one process", async () => {
    const { time, port } = clock();
    await new Pace(10, port).letIn(Array.from({ length: 8 }, (_, index) => `early${index}`));
    time.ms += 500;
    await new Pace(10, port).letIn(["a", "b"]);
    expect(time.ms).toBe(1_500);
    await new Pace(10, port).letIn(["c"]);
    expect(time.ms).toBe(21_000);
  });

  it("are let in by turns where several ask, however large their groups", async () => {
    const { port } = clock();
    const pace = new Pace(10, port);
    const order: string[] = [];
    const ask = async (who: string, each: number) => {
      for (let round = 0; round < 3; round++) {
        await pace.letIn(Array.from({ length: each }, (_, index) => `${who}${round}.${index}`));
        order.push(who);
      }
    };
    await Promise.all([ask("large", 8), ask("small", 4)]);
    expect(order).toEqual(["large", "small", "large", "small", "large", "small"]);
  });

  it("let others in between one group and the next", async () => {
    const order: string[] = [];
    const wait = () => new Promise((resolve) => setTimeout(resolve));
    const pace = new Pace(10, { now: () => 0, wait, awake: new Map() });
    setTimeout(() => order.push("another"));
    for (const group of ["first", "second"]) {
      await pace.letIn([group]);
      order.push(group);
    }
    expect(order).toEqual(["another", "first", "second"]);
  });

  it("are never more than so many in any window", async () => {
    const streams = fc.uniqueArray(fc.integer({ min: 0, max: 60 }), { minLength: 1, maxLength: 25 });
    const group = fc.record({ streams, takesMs: fc.integer({ min: 0, max: 8_000 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(group, { maxLength: 60 }), async (groups) => {
        const entries = await entering(groups, 20);
        entries.forEach(({ at }, last) => {
          const within = entries.filter((other, index) => index <= last && other.at > at - WINDOW_MS);
          const awake = new Set(within.flatMap((entry) => entry.streams)).size;
          expect(awake <= 20 || within.length === 1, `${awake} within a window at ${at}`).toBe(true);
        });
      }),
    );
  });
});
