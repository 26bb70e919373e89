import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { clipLimit, encodeCursor, keyPart, parseCursor, toListing } from "./page.ts";

describe("a cursor", () => {
  it("is read back as it was given out", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ maxLength: 60 }), { maxLength: 20 }), (key) => {
        expect(parseCursor(encodeCursor(key))).toEqual(key);
      }),
    );
  });

  it("is not read from anything else, and nothing throws", () => {
    const json = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
    for (const text of ["", "!", "pod_1", json("x"), json({ a: 1 }), json([1]), json([null]), "A".repeat(5_000)]) {
      expect(parseCursor(text)).toBeNull();
    }
    fc.assert(fc.property(fc.string(), (text) => void parseCursor(text)));
  });

  it("sorts before everything where it has no part", () => {
    expect(keyPart(null)).toBe("");
    expect(keyPart(parseCursor(encodeCursor(["a"])), 1)).toBe("");
  });
});

describe("a page", () => {
  it("holds between one row and two hundred", () => {
    expect([0, 1, 50, 200, 201, -3, 2.9, Number.NaN].map((limit) => clipLimit(limit))).toEqual([
      1, 1, 50, 200, 200, 1, 2, 50,
    ]);
  });

  it("says that there is more only when there is", () => {
    const listing = (rows: number[]) =>
      toListing(
        rows,
        2,
        (row) => [String(row)],
        (row) => row,
      );
    expect(listing([])).toEqual({ data: [], next: null });
    expect(listing([1, 2])).toEqual({ data: [1, 2], next: null });
    expect(listing([1, 2, 3])).toEqual({ data: [1, 2], next: encodeCursor(["2"]) });
  });
});
