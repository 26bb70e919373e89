import { describe, expect, it } from "vitest";
import { reject } from "../../../schema/rejections.ts";
import { mayCompensate } from "../../../schema/saga-operations.ts";
import type { Saga, SagaFailure, SagaStatus } from "../../../schema/sagas.ts";
import { advance, begin, cancel, canGoBack, nextLook, takeUp } from "../decide.ts";
import { ledgerTransfer } from "../definitions/ledger-transfer.ts";
import { DONE, T0, told, upTo } from "../testing/fixtures.ts";
import { beginKin, beginKind } from "../testing/kind-fixtures.ts";
import { ADVANCED, FOLLOWED, SPONSORED } from "../testing/kinds.ts";
import { beginningOf, beginsToUndo, begunBy, isNews, moveOfKin, type SubSaga } from "./sub-saga.ts";

const HOUR = 3_600_000;
const does = ADVANCED.steps[1]?.does as SubSaga;
const parent = upTo(beginKind(ADVANCED), "advance");
const child = beginKin(parent, does.child);
const ended = (status: SagaStatus, failure: SagaFailure | null = null): Saga => ({ ...child, status, failure });
const heard = (saga: Saga, kin: Saga | null, undoing: Saga | null = null): Saga | null =>
  advance(saga, { step: saga.cursor, epoch: saga.epoch, ...moveOfKin(saga, kin, undoing) }, T0, 1);
const at = (saga: Saga | null) => saga?.steps[saga.cursor];

const waiting = heard(parent, child) as Saga;
/** Its pivot's intent is in its journal. */
const decided = upTo(child, "decide");
const bound = heard(waiting, decided) as Saga;

describe("a step that is a saga", () => {
  it("begins it with its intent, as its own, and on behalf of whoever began both", () => {
    const before = upTo(beginKind(ADVANCED), "reserve");
    const after = told(before, DONE);
    expect(begunBy(before, after, does)).toBe(does.child);
    expect(child).toMatchObject({ parent: parent.id, subject: parent.subject, correlation: parent.correlation });
    expect(child.kind).toBe("ledger_transfer");
  });

  it("begins it in its very first entry, where it is the first step", () => {
    const saga = beginKind(SPONSORED);
    const first = SPONSORED.steps[0]?.does as SubSaga;
    expect(begunBy(null, saga, first)).toBe(first.child);
  });

  it("begins it once: not as it waits, is tried again, or goes back", () => {
    expect(begunBy(parent, waiting, does)).toBeNull();
    expect(begunBy(parent, parent, does)).toBeNull();
    expect(
      begunBy({ ...parent, steps: parent.steps.map((s) => ({ ...s, status: "parked" as const })) }, parent, does),
    ).toBeNull();
    expect(begunBy(parent, told(parent, DONE), { type: "call" })).toBeNull();
    expect(begunBy(null, { ...parent, cursor: 9 }, does)).toBeNull();
  });

  it("begins none in another shard, for that would be another commit", () => {
    const elsewhere = { definition: ledgerTransfer, first: () => ({ id: parent.id.replace(/03$/, "04"), input: {} }) };
    expect(() => beginningOf(parent, elsewhere)).toThrow("begins no saga elsewhere");
    expect(() => beginningOf(parent, { ...elsewhere, first: () => ({ id: "none", input: {} }) })).toThrow("elsewhere");
  });

  it("waits for it, and costs nothing while it waits", () => {
    expect(waiting.status).toBe("waiting");
    expect(at(waiting)).toMatchObject({ name: "advance", phase: "wait", next_at: null, result: { child: "runs" } });
    expect(takeUp(waiting, T0 + 1)).toBeNull();
    expect(nextLook(waiting, T0, 10_000)).toBe(Date.parse(waiting.deadline_at));
  });

  it("that was parked waits too: a person helps it on", () => {
    expect(moveOfKin(parent, ended("parked"), null)).toMatchObject({ outcome: "pending", nextPhase: "wait" });
  });

  it("is done when it has completed", () => {
    expect(at(heard(waiting, ended("completed")))?.name).toBe("decide");
  });

  it.each<[string, SagaFailure, object]>([
    [
      "refused",
      { cause: "refused", rejection: reject("insufficient_funds", "no").rejection },
      { code: "upstream_unavailable", decline_reason: "insufficient_funds" },
    ],
    [
      "failed",
      { cause: "failed", code: "expired", decline_reason: "approval" },
      { code: "expired", decline_reason: "approval" },
    ],
    ["cancelled", { cause: "cancelled" }, { code: "upstream_unavailable", decline_reason: "cancelled" }],
  ])("is declined with the failure of one that was %s, and goes back", (_name, failure, told) => {
    const back = heard(waiting, ended("compensated", failure));
    expect(back).toMatchObject({ status: "compensating", failure: { cause: "failed", ...told } });
    expect(at(back)).toMatchObject({ name: "advance", phase: "compensate", status: "declined" });
    expect(at(heard(back as Saga, ended("compensated", failure)))).toMatchObject({
      name: "reserve",
      phase: "compensate",
    });
  });

  it("that is declined where only forward is left is for a person to look at", () => {
    const follow = upTo(beginKind(FOLLOWED), "follow_up");
    const failure = { cause: "cancelled" } as const;
    expect(heard(follow, ended("compensated", failure))).toMatchObject({ status: "parked", failure: null });
  });

  it("that nobody began is a bug", () => {
    expect(heard(parent, null)).toMatchObject({ status: "parked", parked_reason: "advance: its saga was never begun" });
  });
});

describe("a saga whose step is at its own pivot", () => {
  it("cannot go back as long as that one is under way: neither by a cancel nor by its deadline", () => {
    expect([canGoBack(waiting), canGoBack(bound)]).toEqual([true, false]);
    expect([mayCompensate(waiting), mayCompensate(bound)]).toEqual([true, false]);
    expect(cancel(bound, T0)).toBeNull();
    expect(takeUp(bound, T0 + 2 * HOUR)).toBeNull();
    expect(nextLook(bound, T0 + 2 * HOUR, 10_000)).toBe(T0 + 2 * HOUR + 10_000);
    expect(takeUp(waiting, T0 + 2 * HOUR)?.status).toBe("compensating");
  });

  it("can again once that one has ended", () => {
    expect(canGoBack(upTo(heard(bound, ended("completed")) as Saga, "decide"))).toBe(false);
    const sponsored = beginKind(SPONSORED);
    const posted = heard(heard(sponsored, decided) as Saga, ended("completed")) as Saga;
    expect([at(posted)?.name, canGoBack(posted)]).toEqual(["reserve", true]);
  });

  it("hears of it once", () => {
    const news = (saga: Saga, kin: Saga | null) =>
      isNews(at(saga) as Saga["steps"][number], moveOfKin(saga, kin, null));
    expect([news(waiting, child), news(waiting, decided), news(bound, decided)]).toEqual([false, true, false]);
    expect([news(bound, ended("completed")), news(bound, ended("compensated")), news(parent, null)]).toEqual([
      true,
      true,
      true,
    ]);
    expect(news(cancel(waiting, T0) as Saga, child)).toBe(false);
  });
});

describe("going back past a step that is a saga", () => {
  const back = cancel(waiting, T0) as Saga;

  it("begins there where that step is the next to be undone, and once", () => {
    expect(at(back)).toMatchObject({ name: "advance", phase: "compensate" });
    expect(beginsToUndo(waiting, back)).toBe(true);
    expect(beginsToUndo(null, back)).toBe(true);
    expect(beginsToUndo(back, told(back, { outcome: "unknown" }))).toBe(false);
    expect(beginsToUndo(parent, waiting)).toBe(false);
  });

  it("waits until it is undone", () => {
    expect(heard(back, child)).toMatchObject({ status: "compensating" });
    expect(at(heard(back, child))?.name).toBe("advance");
    expect(at(heard(back, ended("compensated")))?.name).toBe("reserve");
    expect(at(heard(back, null))?.name).toBe("reserve");
  });

  it("waits, of one that had completed, for the saga that undoes it", () => {
    const undoing = begin(ledgerTransfer, beginningOf(back, does.undoneBy ?? does.child), T0, 1);
    expect(undoing.parent).toBe(back.id);
    const past = (status: SagaStatus) => heard(back, ended("completed"), { ...undoing, status });
    expect(at(past("running"))?.name).toBe("advance");
    expect(at(past("completed"))?.name).toBe("reserve");
    expect(past("compensated")).toMatchObject({ status: "parked", parked_reason: "advance: was not taken back" });
  });
});
