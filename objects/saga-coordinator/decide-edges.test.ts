import { describe, expect, it } from "vitest";
import { cancel, isDue, resolveWait, takeUp } from "./decide.ts";
import { RETRY } from "./definitions/definition.ts";
import { currentStep } from "./standing.ts";
import { beginCharge, DONE, inReview, T0, told, upTo } from "./testing/fixtures.ts";

const note = { by: "op", text: "seen" };
const review = (saga: ReturnType<typeof inReview>) => saga.steps.find(({ name }) => name === "review");

describe("a review", () => {
  it("is shown as done when it was approved, and as declined when it was not", () => {
    expect(review(resolveWait(inReview(), "review", "approve", note, T0, 1) ?? inReview())?.status).toBe("done");
    expect(review(resolveWait(inReview(), "review", "decline", note, T0, 1) ?? inReview())?.status).toBe("declined");
  });

  it("that is taken back ends when it was taken back", () => {
    const later = T0 + 5_000;
    expect(review(cancel(inReview(), later) ?? inReview())?.ended_at).toBe(new Date(later).toISOString());
  });
});

describe("before the pivot", () => {
  it("a day of nothing but unknown parks nobody: the deadline takes the saga back", () => {
    const asked = told(upTo(beginCharge("instrument"), "assess"), { outcome: "unknown" }, T0 + RETRY.parkAfterMs + 1);
    expect(asked.status).toBe("running");
  });

  it("a step that is taken back without having waited keeps its end open", () => {
    const turned = cancel(upTo(beginCharge("instrument"), "reserve"), T0 + 5_000);
    expect(turned?.steps.find(({ name }) => name === "reserve")?.ended_at).toBeNull();
  });

  it("the deadline's own moment is past it, and a millisecond before is not", () => {
    const waiting = inReview();
    const deadline = Date.parse(waiting.deadline_at);
    expect(takeUp(waiting, deadline - 1)).toBeNull();
    expect(takeUp(waiting, deadline)?.status).toBe("compensating");
  });
});

describe("a retry that was planned", () => {
  it("is due at its moment, and not a millisecond before", () => {
    const planned = told(upTo(beginCharge("wallet"), "post"), { outcome: "unknown", retryInMs: 700 });
    expect([isDue(planned, T0 + 699), isDue(planned, T0 + 700)]).toEqual([false, true]);
  });

  it("is none where nothing was planned", () => {
    expect([isDue(inReview(), T0), isDue(upTo(beginCharge("wallet"), "post"), T0)]).toEqual([false, false]);
  });
});

it("a saga that has ended is at no step", () => {
  const ended = told(upTo(beginCharge("instrument"), "conclude"), DONE);
  expect(ended.status).toBe("completed");
  expect(() => currentStep(ended)).toThrow("has ended");
});
