import { describe, expect, it } from "vitest";
import { readKey } from "./idempotency.ts";

const key = (header: string | null) => {
  const result = readKey(header, "required");
  return result.ok ? result.value : result.rejection.code;
};

describe("idempotency keys", () => {
  it.each([
    ["k", "k"],
    ['"k"', "k"],
    ["  k-1  ", "k-1"],
    ['"a\\"b\\\\c"', 'a"b\\c'],
    ['a"b', 'a"b'],
    ["x".repeat(255), "x".repeat(255)],
    [`"${"x".repeat(255)}"`, "x".repeat(255)],
  ])("reads %j as one key", (header, expected) => {
    expect(key(header)).toBe(expected);
  });

  it.each(["", '""', '"k', "k k", '"k k"', "k,k, l", "ключ", "x".repeat(256), '"a\\b"', '"a"b"', "\u0007"])(
    "refuses %j",
    (header) => {
      expect(readKey(header, "honoured")).toMatchObject({
        ok: false,
        rejection: { code: "invalid_request", errors: [{ pointer: "/headers/idempotency-key" }] },
      });
    },
  );

  it("is missed only where it is required", () => {
    expect(key(null)).toBe("idempotency_key_missing");
    expect(readKey(null, "honoured")).toEqual({ ok: true, value: null });
    expect(readKey("not a key", "none")).toEqual({ ok: true, value: null });
  });
});
