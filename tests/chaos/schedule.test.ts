import { expect, test } from "vitest";
import { type Blow, LIFE, scheduleOf } from "./schedule.ts";

const first = (seed: number, count: number): Blow[] => {
  const blows = scheduleOf(seed);
  return Array.from({ length: count }, () => blows.next().value);
};

test("one seed is one schedule, and another seed another", () => {
  expect(first(7, 50)).toEqual(first(7, 50));
  expect(first(7, 50)).not.toEqual(first(8, 50));
});

test("every life ends with a kill, no sooner and no later than it may", () => {
  let life = 0;
  for (const { after, kind } of first(3, 1_000)) {
    expect(after).toBeGreaterThanOrEqual(1_000);
    life += after;
    if (kind !== "kill") continue;
    expect(life).toBeGreaterThanOrEqual(LIFE.least);
    expect(life).toBeLessThanOrEqual(LIFE.most);
    life = 0;
  }
});

test("forty blows pause the server and step its clock, whatever the seed", () => {
  for (let seed = 1; seed <= 100; seed++) {
    const kinds = new Set(first(seed, 40).map(({ kind }) => kind));
    expect(kinds).toEqual(new Set(["kill", "pause", "clock"]));
  }
});
