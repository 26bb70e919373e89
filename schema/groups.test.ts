import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { groupsOf } from "./groups.ts";

const lengths = (texts: readonly string[][]) => texts.map((group) => group.map(({ length }) => length));
const grouped = (sizes: readonly number[], most: { count?: number; size: number }) =>
  lengths(
    groupsOf(
      sizes.map((size) => "x".repeat(size)),
      ({ length }) => length,
      most,
    ),
  );

describe("items in groups", () => {
  test("fill each to its bound and no further, what lies between them included", () => {
    expect(grouped([4, 5, 1], { size: 10 })).toEqual([[4, 5], [1]]);
    expect(grouped([4, 6, 1], { size: 10 })).toEqual([[4], [6, 1]]);
    expect(grouped([0, 0, 0], { count: 2, size: 10 })).toEqual([[0, 0], [0]]);
  });

  test("that are larger than a group stand alone", () => {
    expect(grouped([1, 11, 1], { size: 10 })).toEqual([[1], [11], [1]]);
    expect(grouped([11], { size: 10 })).toEqual([[11]]);
    expect(grouped([], { size: 10 })).toEqual([]);
  });

  test("are all there, in order, within their bounds, and none would have fitted into the group before", () => {
    const sizes = fc.array(fc.nat(30), { maxLength: 60 });
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 8 }), fc.integer({ min: 1, max: 60 }), (given, count, size) => {
        const groups = grouped(given, { count, size });
        const joined = (group: readonly number[]) => group.reduce((sum, one) => sum + one + 1, -1);
        expect(groups.flat()).toEqual(given);
        for (const [at, group] of groups.entries()) {
          expect(group.length === 1 || (group.length <= count && joined(group) <= size)).toBe(true);
          const [next] = groups[at + 1] ?? [];
          if (next !== undefined) expect(group.length === count || joined([...group, next]) > size).toBe(true);
        }
      }),
    );
  });
});
