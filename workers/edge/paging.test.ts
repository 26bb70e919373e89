import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { parseCursor } from "../read-model/page.ts";
import { pageOfAll } from "./paging.ts";

const own = (key: string) => key;
const cursorOf = (next: string | null) => (next === null ? null : parseCursor(next));

describe("a list that is had whole", () => {
  it("is shown in pages, each item once, in the order of its keys or the other way round", () => {
    const keys = fc.uniqueArray(fc.string({ minLength: 1 }), { maxLength: 30 });
    const order = fc.constantFrom("ascending", "descending");
    fc.assert(
      fc.property(keys, fc.integer({ min: 1, max: 7 }), order, (items, limit, way) => {
        const shown: string[] = [];
        let [after, pages] = [cursorOf(null), 0];
        do {
          const { data, next } = pageOfAll(items, { limit, after }, own, way as "ascending");
          expect(data.length).toBeLessThanOrEqual(limit);
          shown.push(...data);
          after = cursorOf(next);
          pages++;
        } while (after !== null);
        const sorted = items.toSorted((a, b) => (a < b ? -1 : 1));
        expect(shown).toEqual(way === "ascending" ? sorted : sorted.toReversed());
        expect(pages).toBe(Math.max(1, Math.ceil(items.length / limit)));
      }),
    );
  });

  it("goes on where it was, though the last item shown is gone", () => {
    const { next } = pageOfAll(["a", "b", "c"], { limit: 2, after: null }, own);
    expect(pageOfAll(["a", "c"], { limit: 2, after: cursorOf(next) }, own)).toEqual({ data: ["c"], next: null });
  });
});
