import { expect, test } from "vitest";
import { scheduleOf } from "./schedule.ts";

test("one seed is one schedule, and another seed another", () => {
  expect(scheduleOf(7, 300_000)).toEqual(scheduleOf(7, 300_000));
  expect(scheduleOf(7, 300_000)).not.toEqual(scheduleOf(8, 300_000));
});

test("a longer run begins like a shorter one", () => {
  const long = scheduleOf(3, 600_000);
  expect(long.slice(0, 10)).toEqual(scheduleOf(3, 300_000).slice(0, 10));
});

test("five minutes kill at least twenty times, pause and step the clock, in order, and leave the end in peace", () => {
  for (let seed = 1; seed <= 200; seed++) {
    const blows = scheduleOf(seed, 300_000);
    const count = (kind: string) => blows.filter((blow) => blow.kind === kind).length;
    expect(count("kill")).toBeGreaterThanOrEqual(20);
    expect(Math.min(count("pause"), count("clock"))).toBeGreaterThanOrEqual(1);
    expect(blows.map(({ at }) => at)).toEqual(blows.map(({ at }) => at).sort((a, b) => a - b));
    expect(blows.at(-1)?.at).toBeLessThan(297_000);
  }
});

test("forty seconds kill at least twice", () => {
  for (let seed = 1; seed <= 200; seed++) {
    expect(scheduleOf(seed, 40_000).filter(({ kind }) => kind === "kill").length).toBeGreaterThanOrEqual(2);
  }
});
