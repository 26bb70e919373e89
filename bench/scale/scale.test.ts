import { describe, expect, test } from "vitest";
import { needed, SHIPPED, stations } from "./model.ts";
import { simulate } from "./queueing.ts";

const PODS = 1_000;
const first = () => {
  const [full] = stations(SHIPPED, PODS);
  if (full === undefined) throw new Error("nothing is ever full");
  return full;
};

describe("the capacity model", () => {
  test("as it ships, the provider's gateway is full first", () => {
    expect(first().name).toBe("gateway, its bulkhead");
  });

  test("needs nothing more for a thousand charges a minute", () => {
    expect(needed(1_000 / 60, PODS)).toEqual({ made: SHIPPED, short: [] });
  });

  test("says of ten million a minute that one pod cannot be more than one actor and two shards", () => {
    const short = ["hottest pod's shards", "hottest pod", "hottest pod's account"];
    expect(needed(10_000_000 / 60, PODS).short).toEqual(short);
  });
});

describe("the simulation", () => {
  test("gives the same figures for the same seed, and others for another", () => {
    const run = (seed: number) => simulate(SHIPPED, PODS, 100, 5, seed);
    expect(run(7)).toEqual(run(7));
    expect(run(7)).not.toEqual(run(8));
  });

  test("keeps up with what the model plans for, and not with more than it says is full", () => {
    const { capacity } = first();
    const within = simulate(SHIPPED, PODS, capacity * 0.7, 10, 1);
    const beyond = simulate(SHIPPED, PODS, capacity * 1.5, 10, 1);
    expect(within.perSecond).toBeGreaterThan(capacity * 0.7 * 0.9);
    expect(within.p99S).toBeLessThan(3);
    expect(beyond.perSecond).toBeLessThan(capacity * 1.05);
    expect(beyond.p99S).toBeGreaterThan(within.p99S * 1.5);
  });

  test("a hot pod holds up the charges of nobody else: with one pod most of them wait, with many few do", () => {
    const roomy = { ...SHIPPED, gateways: 8, shards: 64, stripes: 64 };
    const hot = simulate(roomy, 1, 800, 5, 1);
    const spread = simulate(roomy, PODS, 800, 5, 1);
    expect(hot.busiest.pod ?? 0).toBeGreaterThan(spread.busiest.pod ?? 1);
    expect(hot.p50S).toBeGreaterThan(spread.p50S);
  });

  test("needs what the model says at a hundred thousand a minute, and does it in time", () => {
    const perSecond = 100_000 / 60;
    const { made } = needed(perSecond, PODS);
    const { perSecond: done, p99S, busiest } = simulate(made, PODS, perSecond, 8, 1);
    expect(done).toBeGreaterThan(perSecond * 0.9);
    expect(p99S).toBeLessThan(5);
    expect(Math.max(...Object.values(busiest))).toBeLessThanOrEqual(1);
  });
});
