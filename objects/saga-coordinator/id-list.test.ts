import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type IdList, idsAfter, withId, withoutId } from "./id-list.ts";

const id = fc.string({ minLength: 1, maxLength: 3 });

describe("a list of ids", () => {
  test("holds what a set would, in order, and leaves the one it came from as it was", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.boolean(), id)), (steps) => {
        const set = new Set<string>();
        let list: IdList = [];
        for (const [adds, each] of steps) {
          const before = list;
          const copy = [...list];
          list = adds ? withId(list, each) : withoutId(list, each);
          if (adds) set.add(each);
          else set.delete(each);
          expect(before).toEqual(copy);
          expect(list).toEqual([...set].sort());
        }
      }),
    );
  });

  test("is read in pages, from an id on that is in it or is not", () => {
    fc.assert(
      fc.property(fc.uniqueArray(id), id, fc.integer({ min: 1, max: 5 }), (ids, after, limit) => {
        const list = ids.reduce<IdList>(withId, []);
        expect(idsAfter(list, after, limit)).toEqual(list.filter((each) => each > after).slice(0, limit));
        expect(idsAfter(list, "", limit)).toEqual(list.slice(0, limit));
      }),
    );
  });
});
