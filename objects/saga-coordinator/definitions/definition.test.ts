import { describe, expect, it } from "vitest";
import {
  compensatable,
  define,
  jittered,
  pivot,
  RETRY,
  retriable,
  retryGapMs,
  type StepDefinition,
} from "./definition.ts";

const made = (steps: StepDefinition[], door = steps[0]?.name ?? "") =>
  define({ kind: "charge", version: 1, door, deadlineMs: 1, steps });

describe("a definition is refused where it is made", () => {
  it.each([
    ["a step to take back after the pivot", [pivot("p"), compensatable("c")], "out of order"],
    ["a step to take back after a retriable one", [retriable("r"), compensatable("c")], "out of order"],
    ["a pivot after a retriable one", [retriable("r"), pivot("p")], "out of order"],
    ["two pivots", [pivot("p"), pivot("q")], "two pivots"],
    ["nothing to undo a compensatable step with", [compensatable("c", { undo: false })], "has no undo"],
    ["an undo of a pivot", [pivot("p", { undo: true })], "cannot be undone"],
    ["an undo of a retriable step", [retriable("r", { undo: true })], "cannot be undone"],
    ["one name twice", [compensatable("c"), compensatable("c")], "a name twice"],
    ["a pivot that operators do not know", [pivot("p")], "wrong about the pivot"],
    ["a step that is no pivot and operators take for one", [retriable("debit")], "wrong about the pivot"],
    ["a provider that operators do not know", [retriable("r", { unknown: "ask" })], "wrong about whom"],
    ["a capture that asks nobody", [pivot("capture")], "wrong about whom"],
    ["a gap of nothing", [retriable("r", { retry: { ...RETRY, baseMs: 0 } })], "no such retries"],
    ["a gap that shrinks", [retriable("r", { retry: { ...RETRY, capMs: RETRY.baseMs - 1 } })], "no such retries"],
    [
      "parking before the first gap is over",
      [retriable("r", { retry: { ...RETRY, parkAfterMs: 1 } })],
      "no such retries",
    ],
  ])("for %s", (_name, steps, message) => {
    expect(() => made(steps)).toThrow(message);
  });

  it.each([0, Number.NaN, 367 * 86_400_000])("for a deadline of %s milliseconds", (deadlineMs) => {
    const steps = [retriable("r")];
    expect(() => define({ kind: "charge", version: 1, door: "r", deadlineMs, steps })).toThrow("no such deadline");
  });

  it("for a door that is no step", () => {
    expect(() => made([compensatable("c")], "elsewhere")).toThrow("no such door");
  });
});

describe("a definition is taken", () => {
  it.each([
    ["of every kind in order", [compensatable("c"), pivot("debit"), retriable("r")]],
    ["without a pivot", [compensatable("c"), retriable("r")]],
    ["that only goes forward", [retriable("r"), retriable("s")]],
  ])("%s", (_name, steps) => {
    expect(made(steps).steps).toHaveLength(steps.length);
  });
});

describe("the gap before a retry", () => {
  it("doubles from its base and ends at a minute", () => {
    expect([0, 1, 2, 3, 9, 50].map((attempts) => retryGapMs(attempts))).toEqual([250, 250, 500, 1_000, 60_000, 60_000]);
    expect(retryGapMs(1, 100)).toBe(100);
  });

  it("falls anywhere up to that by chance, and never on the moment it is counted from", () => {
    expect([0, 0.25, 1].map((chance) => jittered(1_000, chance))).toEqual([1, 250, 1_000]);
  });
});
