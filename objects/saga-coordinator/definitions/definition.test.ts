import { describe, expect, it } from "vitest";
import { compensatable, define, pivot, retriable, retryGapMs, type StepDefinition } from "./definition.ts";

const made = (steps: StepDefinition[], door = steps[0]?.name ?? "", holdsNothing: string[] = []) =>
  define({ kind: "charge", version: 1, door, deadlineMs: 1, steps }, holdsNothing);

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
  ])("for %s", (_name, steps, message) => {
    expect(() => made(steps)).toThrow(message);
  });

  it("for a door that is no step", () => {
    expect(() => made([compensatable("c")], "elsewhere")).toThrow("no such door");
  });
});

describe("a definition is taken", () => {
  it.each([
    ["of every kind in order", [compensatable("c"), pivot("p"), retriable("r")]],
    ["without a pivot", [compensatable("c"), retriable("r")]],
    ["that only goes forward", [retriable("r"), retriable("s")]],
  ])("%s", (_name, steps) => {
    expect(made(steps).steps).toHaveLength(steps.length);
  });

  it("with a compensatable step that holds nothing, when it says so", () => {
    expect(made([compensatable("c", { undo: false })], "c", ["c"]).steps[0]?.undo).toBe(false);
  });
});

describe("the gap before a retry", () => {
  it("doubles from its base and ends at a minute", () => {
    expect([0, 1, 2, 3, 9, 50].map((attempts) => retryGapMs(attempts))).toEqual([250, 250, 500, 1_000, 60_000, 60_000]);
    expect(retryGapMs(1, 100)).toBe(100);
  });
});
