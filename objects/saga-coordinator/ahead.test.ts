import { describe, expect, it } from "vitest";
import type { Saga } from "../../schema/sagas.ts";
import { advanceAll, aheadOf } from "./ahead.ts";
import type { StepReport } from "./decide.ts";
import { answerTo, beginCharge, beginTransfer, DONE, legsWith, type Move, T0, told, upTo } from "./testing/fixtures.ts";

const report = (saga: Saga, move: Move = answerTo(saga)): StepReport => ({
  step: saga.cursor,
  epoch: saga.epoch,
  ...move,
});
const nextOf = (saga: Saga, move?: Move): string | undefined => {
  const next = aheadOf(saga, report(saga, move), T0);
  return next?.steps[next.cursor]?.name;
};

describe("what is called before the journal has the answer to the call before", () => {
  it.each([
    ["a wallet's debit is followed by the posting everywhere else", beginCharge("wallet"), "debit", "post"],
    ["a posting by the conclusion", beginCharge("wallet"), "post", "conclude"],
    ["a captured charge's posting likewise", beginCharge("instrument"), "post", "conclude"],
    ["a transfer's decision by its posting", beginTransfer(legsWith(2)), "decide", "post"],
  ])("%s", (_, saga, step, next) => {
    expect(nextOf(upTo(saga, step))).toBe(next);
  });

  it.each([
    ["before the pivot: a crash would find no trace of what is to be undone", beginCharge("instrument"), "admit"],
    ["the pivot itself: it may only be asked for once it is sure to be found", beginCharge("instrument"), "reserve"],
    ["a posting after a capture: its tag is not in the journal yet", beginCharge("instrument"), "capture"],
    ["a conversion: its legs are not", beginCharge("wallet", 10_000n, { to: "USD" }), "debit"],
    ["what follows a conversion", beginCharge("wallet", 10_000n, { to: "USD" }), "convert"],
  ])("is never %s", (_, saga, step) => {
    expect(nextOf(upTo(saga, step))).toBeUndefined();
  });

  it.each<[string, Move]>([
    ["is not known", { outcome: "unknown" }],
    ["is no", { outcome: "declined" }],
    ["stops the saga", { ...DONE, park: "beyond all rules" }],
  ])("is nothing where the answer %s", (_, move) => {
    expect(nextOf(upTo(beginCharge("wallet"), "post"), move)).toBeUndefined();
  });

  it("comes to the same saga as an entry each", () => {
    const debit = upTo(beginCharge("wallet"), "debit");
    const [post, conclude] = [upTo(debit, "post"), upTo(debit, "conclude")];
    const reports = [debit, post, conclude].map((saga) => report(saga));
    expect(advanceAll(debit, reports, T0, 1, 1)).toEqual(told(conclude, DONE));
  });

  it("is not journalled once somebody else has taken the saga up", () => {
    const debit = upTo(beginCharge("wallet"), "debit");
    const reports = [report(debit), report(upTo(debit, "post"))];
    expect(advanceAll({ ...debit, epoch: debit.epoch + 1 }, reports, T0, 1, 1)).toBeNull();
  });
});
