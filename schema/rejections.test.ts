import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "./events.ts";
import { accept, firstDifference, NOT_KEPT, REJECTION_CODES, reject } from "./rejections.ts";

describe("the first difference", () => {
  test.each([
    ["nothing", { a: 1 }, { a: 1 }, null],
    ["order of members", { a: 1, b: 2 }, { b: 2, a: 1 }, null],
    ["a member left out and one undefined", { a: 1 }, { a: 1, b: undefined }, null],
    ["zero and minus zero, one number in JSON", { a: 0 }, { a: -0 }, null],
    ["a value", { amount: { amount: "12.00" } }, { amount: { amount: "12.01" } }, "/amount/amount"],
    ["the first of two, in key order", { b: 1, a: 1 }, { b: 2, a: 2 }, "/a"],
    ["one deeper before one later", { a: { z: 1 }, b: 1 }, { a: { z: 2 }, b: 2 }, "/a/z"],
    ["a member more", { a: 1 }, { a: 1, b: 1 }, "/b"],
    ["a member less", { a: 1, b: null }, { a: 1 }, "/b"],
    ["a type", { a: "1" }, { a: 1 }, "/a"],
    ["null and an object", { a: null }, { a: {} }, "/a"],
    ["a list and an object", { a: [] }, { a: {} }, "/a"],
    ["an element", { legs: [1, 2, 3] }, { legs: [1, 9, 9] }, "/legs/1"],
    [
      "the element before the tenth",
      { legs: Array(11).fill(0) },
      { legs: [0, 0, 9, 0, 0, 0, 0, 0, 0, 0, 9] },
      "/legs/2",
    ],
    ["an element more", { legs: [1] }, { legs: [1, 2] }, "/legs/1"],
    ["a name to be escaped", { "a/b": { "~c": 1 } }, { "a/b": { "~c": 2 } }, "/a~1b/~0c"],
    ["a name that every object has", {}, JSON.parse('{"constructor":1}'), "/constructor"],
    ["the whole", 1, 2, ""],
    ["the whole, by type", [], {}, ""],
  ])("is %s", (_, before, after, pointer) => {
    expect(firstDifference(before, after)).toBe(pointer);
    expect(firstDifference(after, before)).toBe(pointer);
  });

  test("is found exactly where two canonical texts differ, and points at a place that differs", () => {
    const json = fc.jsonValue({ maxDepth: 3, stringUnit: "grapheme" });
    fc.assert(
      fc.property(json, json, (before, after) => {
        const pointer = firstDifference(before, after);
        expect(pointer === null).toBe(canonicalJson(before) === canonicalJson(after));
        if (pointer === null) return;
        expect(canonicalJson({ at: resolve(before, pointer) })).not.toBe(
          canonicalJson({ at: resolve(after, pointer) }),
        );
      }),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(json, (value) => {
        expect(firstDifference(value, structuredClone(value))).toBeNull();
      }),
    );
  });
});

/** The value at an RFC 6901 pointer; undefined where there is none. */
function resolve(value: unknown, pointer: string): unknown {
  return pointer
    .split("/")
    .slice(1)
    .map((part) => part.replaceAll("~1", "/").replaceAll("~0", "~"))
    .reduce<unknown>(
      (at, key) => (typeof at === "object" && at !== null && Object.hasOwn(at, key) ? Reflect.get(at, key) : undefined),
      value,
    );
}

test("a refusal carries its code, and an answer its value", () => {
  expect(reject("insufficient_funds", "too little", { retry_after: 3 })).toEqual({
    ok: false,
    rejection: { code: "insufficient_funds", detail: "too little", retry_after: 3 },
  });
  expect(accept(7)).toEqual({ ok: true, value: 7 });
});

test("the refusals that keep a key free are all on the list, and none of those that judge the money is among them", () => {
  for (const code of NOT_KEPT) expect(REJECTION_CODES).toContain(code);
  for (const code of [
    "insufficient_funds",
    "limit_exceeded",
    "risk_declined",
    "quote_expired",
    "account_frozen",
  ] as const) {
    expect(NOT_KEPT.has(code)).toBe(false);
  }
});
