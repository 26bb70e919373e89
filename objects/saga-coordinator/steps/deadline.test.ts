import { describe, expect, it } from "vitest";
import type { Saga } from "../../../schema/sagas.ts";
import { cancel, nextLook, takeUp } from "../decide.ts";
import { define, pivot, retriable } from "../definitions/definition.ts";
import { makeKnown } from "../definitions/index.ts";
import { operate } from "../operate.ts";
import { DONE, T0, told, upTo } from "../testing/fixtures.ts";
import { beginKind } from "../testing/kind-fixtures.ts";
import { HURRIED, TIMEOUT_MS } from "../testing/kinds.ts";
import { startOf } from "./deadline.ts";

const unknown = { outcome: "unknown" } as const;
const END = T0 + TIMEOUT_MS;
const HURRIED_PIVOT = define({
  kind: "ledger_transfer",
  version: 950,
  door: "decide",
  deadlineMs: 1_000,
  steps: [pivot("decide", { posts: true, deadlineMs: TIMEOUT_MS }), retriable("post", { posts: true })],
});
makeKnown([HURRIED_PIVOT]);

/** Tried for as long as its step may take, in vain. */
const tried = (saga: Saga, until: number): Saga => {
  let at = saga;
  for (let now = T0; now < until; now += 1_000) at = told(at, { ...unknown, retryInMs: 1_000 }, now);
  return at;
};

describe("a step's own deadline", () => {
  it("before the pivot takes the saga back, undoing the step itself, with a reason that names it", () => {
    const saga = tried(upTo(beginKind(HURRIED), "reserve"), END);
    expect(takeUp(saga, END - 1)?.failure ?? null).toBeNull();
    const late = takeUp(saga, END) as Saga;
    expect(late).toMatchObject({
      status: "compensating",
      failure: { cause: "refused", rejection: { code: "conflict", detail: "reserve was not decided in time" } },
    });
    expect(late.steps[late.cursor]).toMatchObject({ name: "reserve", phase: "compensate" });
  });

  it("fails what somebody was told of", () => {
    const shown = { ...upTo(beginKind(HURRIED), "reserve"), shown: true };
    expect(takeUp(shown, END)?.failure).toEqual({ cause: "failed", code: "expired", decline_reason: "reserve" });
  });

  it.each([
    ["past the pivot", HURRIED, "conclude"],
    ["of the pivot", HURRIED_PIVOT, "decide"],
  ] as const)("%s parks the saga: nothing goes back", (_name, definition, name) => {
    const saga = tried(upTo(beginKind(definition), name), END);
    expect(takeUp(saga, END - 1)?.status).not.toBe("parked");
    expect(takeUp(saga, END)).toMatchObject({
      status: "parked",
      epoch: saga.epoch + 1,
      failure: null,
      parked_reason: `${name}: not done in time`,
    });
  });

  it("wakes the saga at that moment, though its next try is later", () => {
    const saga = told(upTo(beginKind(HURRIED), "conclude"), { ...unknown, retryInMs: TIMEOUT_MS * 2 }, T0);
    expect(nextLook(saga, T0, 10_000)).toBe(END);
    expect(takeUp(saga, END)?.status).toBe("parked");
    expect(nextLook(upTo(beginKind(HURRIED), "post"), T0, 10_000)).toBe(T0 + 10_000);
  });

  it("counts anew once an operator has had it tried again", () => {
    const parked = takeUp(upTo(beginKind(HURRIED), "conclude"), END) as Saga;
    const facts = { by: "op", now: END + 3, cutEpoch: 1, straySaga: "" };
    const operated = operate(parked, { action: "retry", note: null }, facts);
    if (!operated.ok || operated.saga === null) throw new Error("was not tried again");
    const again = operated.saga;
    expect(startOf(again.steps[again.cursor] as Saga["steps"][number])).toBe(END + 3);
    expect(takeUp(again, END + 2 + TIMEOUT_MS)?.status).toBe("running");
    expect(takeUp(again, END + 3 + TIMEOUT_MS)?.status).toBe("parked");
  });

  it("is none of an undo's: that is tried until it holds", () => {
    const back = told(cancel(upTo(beginKind(HURRIED), "reserve"), T0) as Saga, unknown, T0);
    expect(takeUp(back, END + 1)).toMatchObject({ status: "compensating", failure: { cause: "cancelled" } });
  });

  it("is nothing to the steps that follow it in time", () => {
    const saga = told(upTo(beginKind(HURRIED), "reserve"), DONE, END - 1);
    expect(takeUp(saga, END)).toMatchObject({ status: "running", failure: null });
  });

  it("comes second to the saga's own, which names no step", () => {
    const saga = { ...upTo(beginKind(HURRIED), "reserve"), deadline_at: new Date(END).toISOString(), shown: true };
    expect(takeUp(saga, END)?.failure).toEqual({ cause: "failed", code: "expired", decline_reason: null });
  });
});
