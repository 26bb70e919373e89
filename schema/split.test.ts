import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { allocate, MAX_PARTS } from "./split.ts";

const MAX = 2n ** 63n - 1n;
const totals = fc.oneof(fc.bigInt(-1000n, 1000n), fc.bigInt(-MAX, MAX));
const weight = fc.oneof(fc.bigInt(0n, 5n), fc.bigInt(0n, MAX));
const weightLists = fc.array(weight, { minLength: 1, maxLength: 40 }).filter((weights) => weights.some((w) => w > 0n));
const sumOf = (values: readonly bigint[]) => values.reduce((a, b) => a + b, 0n);
const sorted = (values: readonly bigint[]) => [...values].sort((a, b) => (a < b ? -1 : a > b ? 1 : 0));

describe("a split", () => {
  test("gives out all of the money and each part is within one unit of its share", () => {
    fc.assert(
      fc.property(totals, weightLists, fc.string(), (total, weights, seed) => {
        const parts = allocate(total, weights, seed);
        const sum = sumOf(weights);
        expect(parts).toHaveLength(weights.length);
        expect(sumOf(parts)).toBe(total);
        parts.forEach((part, index) => {
          const distance = part * sum - total * (weights[index] ?? 0n);
          expect(distance < sum && distance > -sum).toBe(true);
          if (weights[index] === 0n) expect(part).toBe(0n);
        });
      }),
      { numRuns: 500 },
    );
  });

  test("of a refund is the mirror of the split of the charge", () => {
    fc.assert(
      fc.property(totals, weightLists, fc.string(), (total, weights, seed) => {
        const mirrored = allocate(-total, weights, seed).map((part) => -part);
        expect(mirrored).toEqual(allocate(total, weights, seed));
      }),
    );
  });

  test("gives nobody a unit before someone with a larger remainder", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, MAX), weightLists, fc.string(), (total, weights, seed) => {
        const sum = sumOf(weights);
        const parts = allocate(total, weights, seed);
        const shares = weights.map((w, index) => ({
          rest: (total * w) % sum,
          extra: (parts[index] ?? 0n) - (total * w) / sum,
        }));
        const withUnit = shares.filter((share) => share.extra === 1n).map((share) => share.rest);
        const without = shares.filter((share) => share.extra === 0n).map((share) => share.rest);
        expect(withUnit.length + without.length).toBe(parts.length);
        const [least, most] = [sorted(withUnit)[0], sorted(without).at(-1)];
        if (least !== undefined && most !== undefined) expect(least >= most).toBe(true);
      }),
    );
  });

  test("is the same when it is made again, and the seed moves only the odd units", () => {
    fc.assert(
      fc.property(totals, weightLists, fc.string(), fc.string(), (total, weights, one, other) => {
        expect(allocate(total, weights, one)).toEqual(allocate(total, weights, one));
        const equal = weights.map(() => 1n);
        expect(sorted(allocate(total, equal, one))).toEqual(sorted(allocate(total, equal, other)));
      }),
    );
  });

  test("takes the odd cent from each member about equally often", () => {
    for (const members of [2, 3, 4, 7]) {
      const counts = Array.from({ length: members }, () => 0);
      for (let n = 0; n < 2000; n++) {
        const payer = allocate(
          1n,
          counts.map(() => 1n),
          `spl_01J9ZC3K${n.toString().padStart(8, "0")}`,
        ).indexOf(1n);
        counts[payer] = (counts[payer] ?? 0) + 1;
      }
      for (const count of counts) expect(Math.abs(count / (2000 / members) - 1)).toBeLessThan(0.25);
    }
  });

  test.each([
    [10000n, [1n, 1n, 1n], [3333n, 3333n, 3334n]],
    [5n, [1n], [5n]],
    [0n, [1n, 2n], [0n, 0n]],
    [100n, [50n, 30n, 20n], [20n, 30n, 50n]],
    [7n, [0n, 1n, 0n], [0n, 0n, 7n]],
    [-10000n, [2n, 1n], [-6667n, -3333n]],
  ])("of %s by %s", (total, weights, parts) => {
    expect(sorted(allocate(total, weights, "exp_1"))).toEqual(parts);
  });

  test("keeps its seed's answer for good: a retry in a later release gives the same parts", () => {
    expect(allocate(10n, [1n, 1n, 1n, 1n], "exp_01J9ZC3KABCDEFGH")).toEqual([2n, 3n, 3n, 2n]);
  });

  test("refuses no parts, too many, negative weights and a sum of zero", () => {
    const ones = (length: number) => Array.from({ length }, () => 1n);
    expect(sumOf(allocate(1234n, ones(MAX_PARTS), "s"))).toBe(1234n);
    for (const weights of [[], ones(MAX_PARTS + 1), [0n], [0n, 0n], [2n, -1n]]) {
      expect(() => allocate(100n, weights, "s")).toThrow(RangeError);
    }
  });
});
