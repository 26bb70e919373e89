import { describe, expect, test } from "vitest";
import { arrivals } from "./arrivals.ts";

/** A clock and the macrotasks that were asked for: `next` lets one happen. */
const world = () => {
  const time = { now: 1_000 };
  const asked: (() => void)[] = [];
  const arrived = arrivals(
    () => time.now,
    () => new Promise<void>((resolve) => asked.push(resolve)),
  );
  return { time, asked, arrived };
};

describe("what comes together", () => {
  test("to somebody idle is not waited for", async () => {
    const { time, asked, arrived } = world();
    await arrived();
    time.now += 5;
    await arrived();
    expect(asked).toHaveLength(0);
  });

  test("to somebody busy is heard first", async () => {
    const { time, asked, arrived } = world();
    await arrived();
    time.now += 4;
    let heard = false;
    const second = arrived().then(() => {
      heard = true;
    });
    await Promise.resolve();
    expect([asked.length, heard]).toEqual([1, false]);
    asked[0]?.();
    await second;
    expect(heard).toBe(true);
  });

  test("in the same breath is one arrival", async () => {
    const { asked, arrived } = world();
    await Promise.all([arrived(), arrived(), arrived()]);
    expect(asked).toHaveLength(0);
    const together = [arrived(), arrived()];
    expect(asked).toHaveLength(1);
    asked[0]?.();
    await Promise.all(together);
  });
});
