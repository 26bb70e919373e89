import { describe, expect, it } from "vitest";
import { flawOfGroup, together } from "../steps/group.ts";
import { runs } from "../steps/sub-saga.ts";
import { sleeps } from "../steps/timer.ts";
import { waits } from "../steps/wait.ts";
import {
  compensatable,
  define,
  jittered,
  pivot,
  RETRY,
  retriable,
  retryGapMs,
  type SagaDefinition,
  type StepDefinition,
} from "./definition.ts";

const made = (steps: StepDefinition[], door = steps[0]?.name ?? "", deadlineMs = 1_000) =>
  define({ kind: "charge", version: 1, door, deadlineMs, steps });

const LONGEST_MS = 366 * 86_400_000;
const WAIT = { event: "approval", timeoutMs: 1_000, late: "goes_back", refusal: "risk_declined" } as const;
const AFTER = { ...WAIT, late: "parks" } as const;
const debit = pivot("debit");
const child = define({ kind: "hedge", version: 1, door: "execute", deadlineMs: 1, steps: [pivot("execute")] });
const kin = (definition: SagaDefinition) => ({ definition, first: () => ({ id: "", input: {} }) });

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

  it.each<[string, StepDefinition[], string]>([
    ["a wait that decides", [pivot("debit", waits(AFTER))], "cannot decide"],
    ["a timer that decides", [pivot("debit", sleeps({ afterMs: 1 }))], "cannot decide"],
    ["a group that decides", [pivot("debit", together("a", "b"))], "cannot decide"],
    ["a wait for nothing", [compensatable("w", waits({ ...WAIT, event: "" })), debit], "nothing that has a name"],
    ["a wait for a sentence", [compensatable("w", waits({ ...WAIT, event: "a b" })), debit], "nothing that has a name"],
    [
      "a wait for a prefix",
      [compensatable("w", waits({ ...WAIT, event: "webhook:" })), debit],
      "nothing that has a name",
    ],
    ["a wait with no end", [compensatable("w", waits({ ...WAIT, timeoutMs: 0 })), debit], "no such time"],
    ["a wait for ever", [retriable("w", waits({ ...AFTER, timeoutMs: LONGEST_MS + 1 }))], "no such time"],
    [
      "a wait for ever that goes on",
      [retriable("w", waits({ ...AFTER, late: "goes_on", timeoutMs: LONGEST_MS + 1 }))],
      "no such time",
    ],
    [
      "a wait that its saga does not live to see",
      [compensatable("w", waits({ ...WAIT, timeoutMs: 1_001 })), debit],
      "outlasts its saga",
    ],
    ["a wait with two ends", [compensatable("w", { ...waits(WAIT), deadlineMs: 1 }), debit], "has a timeout already"],
    [
      "a wait before the pivot that goes on by itself",
      [compensatable("w", waits({ ...WAIT, late: "goes_on" })), debit],
      "cannot be late and goes_on",
    ],
    ["a wait after the pivot that goes back", [retriable("w", waits(WAIT))], "cannot be late and goes_back"],
    ["a wait with something to undo", [compensatable("w", { ...waits(WAIT), undo: true }), debit], "holds nothing"],
    ["a wait that posts", [compensatable("w", { ...waits(WAIT), posts: true }), debit], "makes no call"],
    ["a wait where nothing goes back", [compensatable("w", waits(WAIT))], "overdue where nothing goes back"],
    ["a timer of no time", [retriable("t", sleeps({ afterMs: 0 }))], "no such time"],
    [
      "a timer that its saga does not live to see",
      [compensatable("t", sleeps({ afterMs: 1_001 })), debit],
      "outlasts its saga",
    ],
    ["a timer with a deadline", [retriable("t", { ...sleeps({ afterMs: 1 }), deadlineMs: 1 })], "ends by itself"],
    [
      "a timer with something to undo",
      [compensatable("t", { ...sleeps({ afterMs: 1 }), undo: true }), debit],
      "holds nothing",
    ],
    ["a timer that posts", [retriable("t", { ...sleeps({ afterMs: 1 }), posts: true })], "makes no call"],
    ["a timer that asks", [compensatable("w", { ...sleeps({ afterMs: 1 }), unknown: "ask" })], "wrong about whom"],
    ["a group of one", [compensatable("g", together("a")), debit], "is no group"],
    ["a group of two with one name", [compensatable("g", together("a", "a")), debit], "a branch twice"],
    ["a group that nobody undoes", [compensatable("g", { ...together("a", "b"), undo: false }), debit], "has no undo"],
    [
      "a saga nothing can undo, before the pivot",
      [compensatable("s", runs(kin(child))), debit],
      "must be undone by a saga",
    ],
    [
      "a saga that is undone, after the pivot",
      [retriable("s", runs(kin(child), kin(child)))],
      "must be undone by a saga",
    ],
    ["a saga that posts", [retriable("s", { ...runs(kin(child)), posts: true })], "leaves its calls"],
    ["a saga that asks a provider", [pivot("capture", { ...runs(kin(child)), unknown: "ask" })], "leaves its calls"],
    ["a deadline of nothing", [retriable("r", { deadlineMs: 0 })], "no such time"],
    [
      "a deadline that its saga does not live to see",
      [compensatable("c", { deadlineMs: 1_001 }), debit],
      "outlasts its saga",
    ],
    ["a deadline where nothing goes back", [compensatable("c", { deadlineMs: 1 })], "overdue where nothing goes back"],
  ])("for %s", (_name, steps, message) => {
    expect(() => made(steps)).toThrow(message);
  });

  it("for several calls at once to a provider, of which each would have to be asked about", () => {
    expect(flawOfGroup(compensatable("g", { unknown: "ask" }), { type: "group", branches: ["a", "b"] })).toContain(
      "ask",
    );
    expect(flawOfGroup(compensatable("g"), { type: "group", branches: ["a", "b"] })).toBeNull();
  });

  it("for a saga that would begin itself, however many stand between", () => {
    const undone = kin(child);
    const own = (steps: StepDefinition[]): SagaDefinition => ({
      kind: "charge",
      version: 1,
      door: "s",
      deadlineMs: 1,
      steps,
    });
    const self = own([compensatable("s"), debit]);
    const between = define({ ...own([compensatable("s", runs(kin(self), undone)), debit]), version: 2 });
    const later = define({ ...own([compensatable("s", runs(undone, kin(between))), debit]), version: 3 });
    for (const other of [self, between, later])
      expect(() => define(own([compensatable("s", runs(kin(other), undone)), debit]))).toThrow("its own ancestor");
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
  it.each<[string, StepDefinition[]]>([
    ["of every kind in order", [compensatable("c"), pivot("debit"), retriable("r")]],
    ["without a pivot", [compensatable("c"), retriable("r")]],
    ["that only goes forward", [retriable("r"), retriable("s")]],
    ["that only goes forward, in time", [retriable("r", { deadlineMs: 1 })]],
    ["whose gaps do not grow", [retriable("r", { retry: { baseMs: 5, capMs: 5, parkAfterMs: 5 } })]],
    [
      "with a wait as long as its saga, and one after its pivot that is longer",
      [
        compensatable("w", waits(WAIT)),
        debit,
        retriable("v", waits({ ...AFTER, event: "webhook:sent.ok-2", timeoutMs: LONGEST_MS })),
        retriable("u", waits({ ...AFTER, late: "goes_on" })),
      ],
    ],
    [
      "with timers, at a moment of its own and a fixed one",
      [
        compensatable("t", sleeps({ at: () => 0 })),
        compensatable("u", sleeps({ afterMs: 1_000 })),
        debit,
        retriable("v", sleeps({ afterMs: 2_000 })),
      ],
    ],
    [
      "with groups before its pivot and after",
      [compensatable("g", together("a", "b")), debit, retriable("h", together("a", "b"))],
    ],
    [
      "that decides by another saga, and has one before and after",
      [
        compensatable("s", runs(kin(child), kin(child))),
        pivot("debit", runs(kin(child))),
        retriable("t", runs(kin(child))),
      ],
    ],
    [
      "with deadlines",
      [
        compensatable("c", { deadlineMs: 1_000 }),
        pivot("debit", { deadlineMs: 5_000 }),
        retriable("r", { deadlineMs: 5_000 }),
      ],
    ],
  ])("%s", (_name, steps) => {
    expect(made(steps).steps).toHaveLength(steps.length);
  });
});

it("a deadline may be as far ahead as any", () => {
  expect(made([retriable("r")], "r", LONGEST_MS).deadlineMs).toBe(LONGEST_MS);
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
