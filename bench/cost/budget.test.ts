import { describe, expect, test } from "vitest";
import { noReport, noTally, operationsOf, since, totalOf } from "../../objects/kit/meter/tally.ts";
import { grown } from "./budget.ts";
import { FLOWS } from "./flows.ts";
import { priceOf, sumOf } from "./prices.ts";

const [alone] = FLOWS;
if (alone === undefined) throw new Error("there is no flow");
const costing = (part: object) => [{ flow: alone, unit: { ...noTally(), ...part } }];

describe("the table of costs", () => {
  test("lets a payment alone make as many calls as it is known to make, and not one more", () => {
    const budget = { [alone.name]: { calls: 13 } };
    expect(grown(costing({ calls: 13 }), budget)).toEqual([]);
    expect(grown(costing({ calls: 14 }), budget)).toEqual([`${alone.name}: calls 14 a charge, at most 13 may be`]);
  });

  test("says so when a payment begins to write where it never wrote", () => {
    expect(grown(costing({ r2_class_a: 1 }), { [alone.name]: {} })).toHaveLength(1);
  });

  test("does not let a flow through that it does not name", () => {
    expect(grown(costing({}), {})).toEqual([`${alone.name} is not in the table`]);
  });
});

describe("what is counted", () => {
  const report = (calls: number) => ({
    asked: { CrowdPod: { ...noTally(), calls } },
    timed: { CrowdPod: { ...noTally(), calls: 100 } },
    woken: {},
    methods: { "CrowdPod.see": calls },
  });

  test("is the difference of two reports, by cause", () => {
    const between = since({ ...noReport(), timed: report(0).timed }, report(3));
    expect(totalOf(between, ["asked"]).calls).toBe(3);
    expect(totalOf(between, ["timed"]).calls).toBe(0);
    expect(between.methods).toEqual({ "CrowdPod.see": 3 });
  });

  test("bills a message by every 64 KB begun", () => {
    expect([1, 64_000, 64_001, 128_000].map(operationsOf)).toEqual([1, 1, 2, 2]);
  });

  test("is priced by what the platform bills: a million written rows are a dollar, a commit is nothing", () => {
    expect(sumOf(priceOf({ ...noTally(), rows_written: 1 }, false))).toBeCloseTo(1);
    expect(sumOf(priceOf({ ...noTally(), commits: 1 }, false))).toBe(0);
  });
});
