import { describe, expect, it } from "vitest";
import { reject } from "../../schema/rejections.ts";
import type { Saga } from "../../schema/sagas.ts";
import { advanceAll, aheadOf } from "./ahead.ts";
import { cancel, type StepReport } from "./decide.ts";
import {
  ASSESSED,
  answerTo,
  beginCharge,
  beginTransfer,
  DONE,
  inReview,
  legsWith,
  type Move,
  T0,
  told,
  upTo,
} from "./testing/fixtures.ts";

const report = (saga: Saga, move: Move = answerTo(saga)): StepReport => ({
  step: saga.cursor,
  epoch: saga.epoch,
  ...move,
});
const converted = (source: "instrument" | "wallet"): Saga => beginCharge(source, 10_000n, { to: "USD" });
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
    [
      "an admission by the assessment: what takes it back takes back both",
      beginCharge("instrument"),
      "admit",
      "assess",
    ],
    ["an assessment by the reserve", beginCharge("instrument"), "assess", "reserve"],
  ])("%s", (_, saga, step, next) => {
    expect(nextOf(upTo(saga, step))).toBe(next);
  });

  it.each([
    ["a review: somebody waits for it", beginCharge("instrument"), "assess", ASSESSED("review")],
    ["the reserve of a conversion: its legs are not in the journal", converted("instrument"), "accept"],
    ["the pivot itself: it may only be asked for once it is sure to be found", beginCharge("instrument"), "reserve"],
    ["a posting after a capture: its tag is not in the journal yet", beginCharge("instrument"), "capture"],
    ["a conversion, nor what follows one", converted("wallet"), "debit"],
    ["a posting after a conversion", converted("wallet"), "convert"],
  ])("is never %s", (_, saga, step, move?: Move) => {
    expect(nextOf(upTo(saga, step), move)).toBeUndefined();
  });

  it("is nothing in a saga that goes back", () => {
    const back = cancel(upTo(beginCharge("instrument"), "assess"), T0) as Saga;
    expect(nextOf(back, DONE)).toBeUndefined();
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

describe("a saga that is taken back while a call may be ahead of its journal", () => {
  const states = (saga: Saga | null) =>
    saga?.steps.map(({ status, phase }) => (phase === "compensate" ? phase : status));

  it("takes back every step that may have been called, the last one first", () => {
    const back = cancel(upTo(beginCharge("instrument"), "admit"), T0) as Saga;
    expect(states(back)?.slice(0, 4)).toEqual(["intent", "unknown", "pending", "compensate"]);
    const risk = told(back, DONE);
    expect(states(risk)?.slice(0, 2)).toEqual(["intent", "compensate"]);
    expect(told(told(risk, DONE), DONE).status).toBe("compensated");
  });

  it("leaves alone what cannot have been called", () => {
    const uncapped = cancel(upTo(beginCharge("wallet"), "assess"), T0) as Saga;
    expect(states(uncapped)?.slice(0, 4)).toEqual(["done", "compensate", "pending", "pending"]);
    const reviewed = cancel(inReview(), T0) as Saga;
    expect(states(reviewed)?.[3]).toBe("pending");
    const quoted = cancel(upTo(converted("instrument"), "accept"), T0) as Saga;
    expect(states(quoted)?.[4]).toBe("pending");
  });

  it("leaves nothing of it where the one at hand said no", () => {
    const refused: Move = {
      outcome: "declined",
      declined: {
        rejection: reject("forbidden", "no").rejection,
        code: "upstream_unavailable",
        decline_reason: null,
      },
    };
    expect(states(told(upTo(beginCharge("instrument"), "admit"), refused))?.slice(0, 2)).toEqual([
      "compensate",
      "pending",
    ]);
  });
});
