import { describe, expect, it } from "vitest";
import type { Saga } from "../../../schema/sagas.ts";
import { CALLS, perform } from "../calls/perform.ts";
import { advance, cancel, nextLook, resolveWait, takeUp } from "../decide.ts";
import { operate } from "../operate.ts";
import { DONE, inReview, T0, told, upTo } from "../testing/fixtures.ts";
import { beginKind } from "../testing/kind-fixtures.ts";
import { APPROVED, AWAITED, DELIVERED, TIMEOUT_MS } from "../testing/kinds.ts";
import { scripted } from "../testing/port.ts";

const by = { by: "op", text: "seen" };
const END = T0 + TIMEOUT_MS;
const step = (saga: Saga, name: string) => saga.steps.find((one) => one.name === name);

/** The saga once its present step, which calls nobody, has been looked at. */
const looked = async (saga: Saga, now: number): Promise<Saga> => {
  const report = await perform(saga, scripted({}, now).port);
  const after = advance(saga, report, now, 1);
  if (after === null) throw new Error("nothing was heard");
  return after;
};
const waiting = (definition: typeof APPROVED, name: string): Promise<Saga> =>
  looked(upTo(beginKind(definition), name), T0);

describe("a wait before the pivot", () => {
  it("goes on with a yes, whose words are kept", async () => {
    const saga = resolveWait(await waiting(APPROVED, "approval"), "approval", "approve", by, T0 + 1, 1) as Saga;
    expect(saga.steps[saga.cursor]?.name).toBe("decide");
    expect(step(saga, "approval")).toMatchObject({
      status: "done",
      result: { verdict: "approve", by: "op", note: "seen" },
    });
  });

  it("goes back with a no, and fails as its definition says", async () => {
    const saga = resolveWait(await waiting(APPROVED, "approval"), "approval", "decline", by, T0 + 1, 1) as Saga;
    expect(saga).toMatchObject({ status: "compensating", failure: { cause: "failed", code: "risk_declined" } });
    expect(step(saga, "approval")?.status).toBe("declined");
    expect(saga.steps[saga.cursor]).toMatchObject({ name: "reserve", phase: "compensate" });
  });

  it("goes back at its timeout, and not a millisecond before, whatever time its saga has left", async () => {
    const saga = await waiting(APPROVED, "approval");
    expect(nextLook(saga, T0, 10_000)).toBe(END);
    expect(takeUp(saga, END - 1)).toBeNull();
    const late = takeUp(saga, END) as Saga;
    expect(late).toMatchObject({
      status: "compensating",
      epoch: saga.epoch + 1,
      failure: { cause: "failed", code: "expired", decline_reason: "approval" },
    });
    expect(resolveWait(late, "approval", "approve", by, END, 1)).toBeNull();
  });

  it("is taken back by a cancel at once", async () => {
    const back = cancel(await waiting(APPROVED, "approval"), T0 + 1) as Saga;
    expect(step(back, "approval")).toMatchObject({ ended_at: new Date(T0 + 1).toISOString(), next_at: null });
    expect(back.steps[back.cursor]).toMatchObject({ name: "reserve", phase: "compensate" });
  });

  it.each([
    ["another event", "review"],
    ["the step of another kind", "reserve"],
  ])("hears no word on %s", async (_name, event) => {
    expect(resolveWait(await waiting(APPROVED, "approval"), event, "approve", by, T0, 1)).toBeNull();
  });

  it("hears no word before it waits, nor while something else is at hand", async () => {
    const begun = upTo(beginKind(APPROVED), "approval");
    expect(resolveWait(begun, "approval", "approve", by, T0, 1)).toBeNull();
    expect(resolveWait(upTo(beginKind(APPROVED), "reserve"), "approval", "approve", by, T0, 1)).toBeNull();
    const ended = { ...(await waiting(APPROVED, "approval")), cursor: 4 };
    expect(resolveWait(ended, "approval", "approve", by, T0, 1)).toBeNull();
  });
});

describe("a wait after the pivot", () => {
  it("goes on at its timeout without a word", async () => {
    const saga = await waiting(DELIVERED, "delivery");
    expect(nextLook(saga, T0, 10_000)).toBe(END);
    expect(takeUp(saga, END - 1)).toBeNull();
    const due = takeUp(saga, END) as Saga;
    expect([due.status, due.steps[due.cursor]?.phase]).toEqual(["running", "forward"]);
    const after = await looked(due, END);
    expect(step(after, "delivery")).toMatchObject({ status: "done", result: { verdict: "timed_out" } });
    expect(after.steps[after.cursor]?.name).toBe("post");
  });

  it("looked at a millisecond early waits for that millisecond", async () => {
    const due = takeUp(await waiting(DELIVERED, "delivery"), END) as Saga;
    const again = await looked(due, END - 1);
    expect(again.steps[again.cursor]).toMatchObject({ name: "delivery", phase: "wait" });
    expect(Date.parse(again.steps[again.cursor]?.next_at ?? "")).toBe(END);
  });

  it("is parked at its timeout where it may not go on without a word, and waits anew once it is tried again", async () => {
    const saga = await waiting(AWAITED, "delivery");
    expect(takeUp(saga, END - 1)).toBeNull();
    const parked = takeUp(saga, END) as Saga;
    expect(parked).toMatchObject({
      status: "parked",
      epoch: saga.epoch + 1,
      parked_reason: "delivery: not done in time",
    });
    const facts = { by: "op", now: END + 5, cutEpoch: 1, straySaga: "" };
    const operated = operate(parked, { action: "retry", note: null }, facts);
    if (!operated.ok || operated.saga === null) throw new Error("was not tried again");
    const anew = await looked(operated.saga, END + 5);
    expect([takeUp(anew, END + 5 + TIMEOUT_MS - 1), takeUp(anew, END + 5 + TIMEOUT_MS)?.status]).toEqual([
      null,
      "parked",
    ]);
  });

  it("with a no is for a person to look at: nothing goes back", async () => {
    const saga = resolveWait(await waiting(DELIVERED, "delivery"), "webhook:delivered", "decline", by, T0, 1) as Saga;
    expect(saga).toMatchObject({ status: "parked", parked_reason: "delivery: declined", failure: null });
    expect(step(saga, "delivery")?.result).toMatchObject({ verdict: "decline" });
  });

  it("goes on with a yes before that", async () => {
    const saga = resolveWait(await waiting(AWAITED, "delivery"), "webhook:delivered", "approve", by, T0, 1) as Saga;
    expect(saga.steps[saga.cursor]?.name).toBe("post");
    expect(step(saga, "delivery")).toMatchObject({ status: "done", next_at: null });
  });
});

describe("a wait that is told of first", () => {
  const delivery = upTo(beginKind(DELIVERED), "delivery");
  const announcing = (answer: "pending" | "unknown") => ({
    ...CALLS,
    ledger_transfer: {
      ...CALLS.ledger_transfer,
      delivery: { forward: async () => ({ outcome: answer, retryInMs: 7 }) },
    },
  });

  it("waits once it was told", async () => {
    const report = await perform(delivery, scripted({}, T0 + 1).port, announcing("pending"));
    expect(report).toMatchObject({ outcome: "pending", retryInMs: TIMEOUT_MS - 1 });
  });

  it("tells it again where nobody answered", async () => {
    const report = await perform(delivery, scripted({}, T0 + 1).port, announcing("unknown"));
    expect(report).toMatchObject({ outcome: "unknown", retryInMs: 7 });
  });

  it("is the review of a charge, which waits as long as its saga does", () => {
    const saga = inReview();
    const end = Date.parse(saga.deadline_at);
    expect(nextLook(saga, T0, 10_000)).toBe(end);
    expect([takeUp(saga, end - 1), takeUp(saga, end)?.failure]).toEqual([
      null,
      { cause: "failed", code: "expired", decline_reason: null },
    ]);
    expect(told(saga, DONE).status).toBe("running");
  });
});
