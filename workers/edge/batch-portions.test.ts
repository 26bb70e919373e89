import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MAX_LEGS, MAX_TRANSFERS, portionsOf } from "./batch-portions.ts";

const leg = { account: "fee:EUR", direction: "debit" as const, amount: { amount: "1.00", currency: "EUR" } };
const placed = (...legs: number[]) =>
  legs.map((count, index) => ({ index, command: { legs: Array(count).fill(leg) } }));
const sizes = (...legs: number[]) => portionsOf(placed(...legs)).map(({ length }) => length);

describe("a shard's share of a batch", () => {
  it("goes in one call up to 256 transfers, and in two from one more", () => {
    expect(sizes(...Array(MAX_TRANSFERS).fill(2))).toEqual([MAX_TRANSFERS]);
    expect(sizes(...Array(MAX_TRANSFERS + 1).fill(2))).toEqual([MAX_TRANSFERS, 1]);
  });

  it("goes in one call up to 2,000 legs, and in two from one more", () => {
    expect(sizes(...Array(MAX_LEGS / 100).fill(100))).toEqual([MAX_LEGS / 100]);
    expect(sizes(...Array(MAX_LEGS / 100).fill(100), 2)).toEqual([MAX_LEGS / 100, 1]);
    expect(sizes()).toEqual([]);
  });

  it("is all there, in order, however it is cut", () => {
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 2, max: 100 }), { maxLength: 1_000 }), (legs) => {
        const portions = portionsOf(placed(...legs));
        expect(portions.flat().map(({ index }) => index)).toEqual(legs.map((_, index) => index));
        for (const portion of portions) {
          expect(portion.length).toBeLessThanOrEqual(MAX_TRANSFERS);
          expect(portion.reduce((sum, { command }) => sum + command.legs.length, 0)).toBeLessThanOrEqual(MAX_LEGS);
        }
      }),
      { numRuns: 50 },
    );
  });
});
