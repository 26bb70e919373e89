import { describe, expect, test } from "vitest";
import { GROWTH, Growth } from "./growth.ts";
import { wholeSegment } from "./sealer.ts";

const GB = 1_000_000_000;

describe("an object's size", () => {
  const at = (bytes: number) => new Growth(() => bytes, GROWTH);

  test("leaves events thirty days up to five gigabytes, an hour above", () => {
    expect([at(0), at(5 * GB), at(5 * GB + 1)].map(({ ageMs }) => ageMs / 3_600_000)).toEqual([720, 720, 1]);
  });

  test("shuts the door for what is new from eight gigabytes on", () => {
    expect(at(8 * GB - 1).nearlyFull).toBeNull();
    expect(at(8 * GB).nearlyFull).toMatchObject({ code: "overloaded", retry_after: 60 });
  });

  test("is measured when it is asked to be, not with every question", () => {
    let bytes = 0;
    const growth = new Growth(() => bytes, GROWTH);
    bytes = 9 * GB;
    expect(growth.nearlyFull).toBeNull();
    growth.measure();
    expect(growth.nearlyFull).not.toBeNull();
  });
});

describe("a segment is whole", () => {
  const sizes = (count: number, bytes: number) => Array.from({ length: count }, (_, at) => ({ seq: 11 + at, bytes }));

  test("with five hundred events, and not with one less", () => {
    expect(wholeSegment(sizes(499, 1), GROWTH)).toBeNull();
    expect(wholeSegment(sizes(500, 1), GROWTH)).toBe(510);
    expect(wholeSegment(sizes(501, 1), GROWTH)).toBe(510);
  });

  test("with four megabytes, however few events they are", () => {
    expect(wholeSegment(sizes(3, 1_333_333), GROWTH)).toBeNull();
    expect(wholeSegment(sizes(3, 1_333_334), GROWTH)).toBe(13);
    expect(wholeSegment(sizes(1, 4_000_000), GROWTH)).toBe(11);
  });

  test("never without any", () => {
    expect(wholeSegment([], GROWTH)).toBeNull();
  });
});
