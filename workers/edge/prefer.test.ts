import { describe, expect, it } from "vitest";
import { waitMs } from "./prefer.ts";

describe("how long a caller waits", () => {
  it.each([
    [null, 10_000],
    ["wait=0", 0],
    ["wait=30", 30_000],
    ["wait=31", 30_000],
    ['respond-async, Wait = "5"; x=y', 5_000],
    ["wait=3, wait=9", 3_000],
    ["wait=", 10_000],
    ["wait=-1", 10_000],
    ["wait=1.5", 10_000],
    ["wait", 10_000],
    ["nowait=3", 10_000],
  ])("takes %j for %i ms", (prefer, expected) => {
    expect(waitMs(prefer)).toBe(expected);
  });
});
