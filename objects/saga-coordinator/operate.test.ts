import { describe, expect, it } from "vitest";
import { fromMinor } from "../../schema/money.ts";
import type { OperateSaga } from "../../schema/rpc/coordinator.ts";
import { operationsOf } from "../../schema/saga-operations.ts";
import { evolveSaga, type Saga, sagaStepped } from "../../schema/sagas.ts";
import { advance, cancel, currentStep, parkBroken, takeUp } from "./decide.ts";
import { type OperateFacts, operate, wordOf } from "./operate.ts";
import { compensateAll } from "./testing/driven.ts";
import {
  beginCharge,
  beginHedge,
  beginTransfer,
  DONE,
  inReview,
  legsWith,
  type Move,
  T0,
  told,
  upTo,
} from "./testing/fixtures.ts";

const DAY = 86_400_000;
const later = T0 + 60_000;
const facts = (by = "ann"): OperateFacts => ({ by, now: later, cutEpoch: 4, straySaga: "sag_stray" });

const unknown: Move = { outcome: "unknown", nextPhase: "query", retryInMs: 500 };
const wrong: Move = {
  outcome: "unknown",
  result: { provider_ref: "psp_1", provider_state: "captured", captured_amount: { amount: "120.00", currency: "EUR" } },
  park: "amount_mismatch: the provider captured 120.00 EUR",
};
const forADay = (saga: Saga): Saga => told(saga, { outcome: "unknown", nextPhase: "query" }, T0 + DAY + 1);

const capturing = (minor?: bigint): Saga => upTo(beginCharge("instrument", minor), "capture");
const asking = (minor?: bigint): Saga => told(capturing(minor), unknown);
/** One state of each sort that operators meet. */
const STATES = {
  "a capture under way": capturing(),
  "a capture nobody knows the end of": asking(),
  "a question about it under way": takeUp(asking(), T0 + 1_000) as Saga,
  "a capture to be sent again": told(capturing(), { ...unknown, nextPhase: "forward" }),
  "a capture under way again": takeUp(told(asking(), { ...unknown, nextPhase: "forward" }), T0 + 5_000) as Saga,
  "a capture that is pending": told(capturing(), { outcome: "pending", nextPhase: "wait", retryInMs: 2_000 }),
  "parked, unknown for a day": forADay(asking()),
  "parked over another amount": told(capturing(), wrong),
  "parked by a bug before the capture": parkBroken(upTo(beginCharge("instrument"), "reserve"), "TypeError", T0),
  "parked by a bug at the capture": parkBroken(capturing(), "TypeError", T0),
  "a review": inReview(),
  "a reserve to be made again": told(upTo(beginCharge("instrument"), "reserve"), { outcome: "unknown" }),
  "going back": cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga,
  "an undo to be made again": told(cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga, {
    outcome: "unknown",
  }),
  "parked on its way back": told(cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga, {
    outcome: "unknown",
    park: "reserve: posted what is being voided",
  }),
  "a post parked": told(upTo(beginCharge("wallet"), "post"), { outcome: "unknown", park: "pod:x: account_frozen" }),
  "a debit under way": upTo(beginCharge("wallet"), "debit"),
  "a transfer before it is decided": beginTransfer(legsWith(2)),
  "a transfer nobody may refuse": beginTransfer(legsWith(0)),
  "a hedge": told(beginHedge(), { outcome: "unknown" }),
  succeeded: told(told(told(capturing(), DONE), DONE), DONE),
  "taken back": compensateAll(upTo(beginCharge("instrument"), "reserve"), T0) as Saga,
} satisfies Record<string, Saga>;
type State = keyof typeof STATES;

const RESOLVE: Extract<OperateSaga, { action: "resolve" }> = {
  action: "resolve",
  step: "capture",
  verdict: "succeeded",
  provider_ref: "psp_9",
  note: "seen",
};
const COMMANDS: Record<OperateSaga["action"], OperateSaga> = {
  retry: { action: "retry", note: null },
  compensate: { action: "compensate", note: "asked to" },
  resolve: { ...RESOLVE, verdict: "declined", provider_ref: null },
};

describe("what an operator may do to a saga", () => {
  it.each<[State, string]>([
    ["a capture under way", ""],
    ["a capture nobody knows the end of", "retry resolve"],
    ["a question about it under way", "resolve"],
    ["a capture to be sent again", "retry resolve"],
    ["a capture under way again", ""],
    ["a capture that is pending", "retry"],
    ["parked, unknown for a day", "retry resolve"],
    ["parked over another amount", "retry resolve"],
    ["parked by a bug before the capture", "retry compensate"],
    ["parked by a bug at the capture", "retry resolve"],
    ["a review", "compensate"],
    ["a reserve to be made again", "retry compensate"],
    ["going back", ""],
    ["an undo to be made again", "retry"],
    ["parked on its way back", "retry"],
    ["a post parked", "retry"],
    ["a debit under way", ""],
    ["a transfer before it is decided", "compensate"],
    ["a transfer nobody may refuse", ""],
    ["a hedge", "retry"],
    ["succeeded", ""],
    ["taken back", ""],
  ])("%s: %s", (state, allowed) => {
    const saga: Saga = STATES[state];
    expect(operationsOf(saga).join(" ")).toBe(allowed);
    for (const [action, command] of Object.entries(COMMANDS)) {
      const operated = operate(saga, command, facts());
      const expected = allowed.split(" ").includes(action) ? "taken" : "conflict";
      expect([action, operated.ok ? "taken" : operated.rejection.code]).toEqual([action, expected]);
      if (!operated.ok || operated.saga === null) continue;
      expect(operated.saga.epoch, `${action} outlives an answer under way`).toBe(saga.epoch + 1);
      expect(advance(operated.saga, { step: saga.cursor, epoch: saga.epoch, ...DONE }, later, 4)).toBeNull();
    }
  });
});

const taken = (saga: Saga, command: OperateSaga, by = "ann"): Saga => {
  const operated = operate(saga, command, facts(by));
  if (!operated.ok || operated.saga === null) throw new Error(`${command.action} was not taken`);
  const data = sagaStepped(saga, operated.saga, wordOf(command, by));
  return evolveSaga(saga, { type: "saga.stepped", recorded_at: new Date(later).toISOString(), data });
};

describe("a retry", () => {
  it.each<[State, string, string]>([
    ["parked, unknown for a day", "query", "unknown"],
    ["parked over another amount", "query", "unknown"],
    ["parked by a bug at the capture", "query", "unknown"],
    ["a capture to be sent again", "query", "unknown"],
    ["a capture that is pending", "query", "intent"],
    ["a reserve to be made again", "forward", "intent"],
    ["a post parked", "forward", "intent"],
    ["parked on its way back", "compensate", "intent"],
  ])("of %s goes on by %s, attempts counted anew", (state, phase, status) => {
    const again = taken(STATES[state], COMMANDS.retry);
    expect(currentStep(again)).toMatchObject({ phase, status, attempts: 1, next_at: null, ended_at: null });
    expect(again).toMatchObject({
      status: phase === "compensate" ? "compensating" : "running",
      parked_reason: null,
      cursor: STATES[state].cursor,
    });
  });

  it("never sends a capture blind, and keeps what the provider may still know of the key", () => {
    const parked = STATES["parked by a bug at the capture"];
    const step = currentStep(taken(parked, COMMANDS.retry));
    expect(step).toMatchObject({ phase: "query", result: { maybe_sent: true } });
    expect(step.first_sent_at).toBe(parked.steps[parked.cursor]?.first_sent_at);
  });

  it("has another whole day before it is parked again", () => {
    const again = taken(STATES["parked, unknown for a day"], COMMANDS.retry);
    const tried = (at: number) => told(again, { outcome: "unknown", nextPhase: "query" }, at);
    expect(tried(later + DAY).status).toBe("running");
    expect(tried(later + DAY + 1).status).toBe("parked");
  });
});

describe("taking back", () => {
  it.each<[State, string[]]>([
    ["a review", ["assess", "admit"]],
    ["parked by a bug before the capture", ["reserve", "assess", "admit"]],
    ["a transfer before it is decided", ["reserve"]],
  ])("%s undoes what may hold something, last first", (state, undone) => {
    let at = taken(STATES[state], COMMANDS.compensate);
    const seen: string[] = [];
    while (at.status === "compensating") {
      seen.push(currentStep(at).name);
      at = told(at, DONE);
    }
    expect([seen, at.status]).toEqual([undone, "compensated"]);
  });

  it("cancels a charge, and refuses a transfer to whoever asked for it", () => {
    expect(taken(STATES["a review"], COMMANDS.compensate).failure).toEqual({ cause: "cancelled" });
    expect(taken(STATES["a transfer before it is decided"], COMMANDS.compensate).failure).toMatchObject({
      cause: "refused",
      rejection: { code: "conflict" },
    });
  });
});

describe("a resolution", () => {
  const declined = { ...RESOLVE, verdict: "declined", provider_ref: null } as const;

  it("as succeeded goes on by the provider's reference, under the cut of its commit", () => {
    const posting = taken(asking(), RESOLVE);
    expect(posting).toMatchObject({ status: "running", tag: 4, parked_reason: null });
    expect(currentStep(posting).name).toBe("post");
    expect(posting.steps[posting.cursor - 1]).toMatchObject({
      status: "done",
      result: { provider_ref: "psp_9", resolved: true },
    });
  });

  it("as declined goes back as a failed charge, and books nothing where nothing was captured", () => {
    const back = taken(STATES["parked, unknown for a day"], declined);
    expect(back).toMatchObject({ status: "compensating", failure: { cause: "failed", code: "upstream_unavailable" } });
    expect(back.strays).toBeUndefined();
  });

  it("of another amount is no success, and as declined books what was captured", () => {
    const parked = STATES["parked over another amount"];
    expect(operate(parked, RESOLVE, facts())).toMatchObject({ ok: false, rejection: { code: "conflict" } });
    const stray = { provider_ref: "psp_1", amount: { amount: "120.00", currency: "EUR" }, saga: "sag_stray" };
    expect(taken(parked, declined).strays).toEqual([stray]);
  });

  it.each(["reserve", "post", "nonsense"])("of %s, where the saga does not stand, is refused", (step) => {
    expect(operate(asking(), { ...RESOLVE, step }, facts())).toMatchObject({ rejection: { code: "conflict" } });
  });

  describe("of a large amount", () => {
    const large = (): Saga => asking(100_000n);
    const first = taken(large(), RESOLVE);

    it.each<[string, Saga, number]>([
      ["999.99 EUR", asking(99_999n), 1],
      ["1,000.00 EUR", large(), 2],
      [
        "100.00 EUR where 1,120.00 were captured",
        told(capturing(), {
          ...wrong,
          result: { ...wrong.result, captured_amount: { ...fromMinor(112_000n, "EUR") } },
        }),
        2,
      ],
    ])("takes as many people as it should: %s", (_amount, saga, people) => {
      const command = saga.status === "parked" ? declined : RESOLVE;
      expect(operate(saga, command, facts())).toMatchObject({ ok: true, awaitsApproval: people === 2 });
    });

    it("does nothing but remember who said what and when", () => {
      const { approval, words, updated_at, ...rest } = first;
      const { updated_at: _, ...before } = large();
      expect(rest).toEqual(before);
      expect(approval).toEqual({
        step: "capture",
        verdict: "succeeded",
        provider_ref: "psp_9",
        by: "ann",
        note: "seen",
        at: updated_at,
      });
      expect(words).toMatchObject([{ action: "resolve", by: "ann" }]);
    });

    it.each<[string, string, OperateSaga, unknown]>([
      ["the same operator, the same again", "ann", RESOLVE, { ok: true, saga: null, awaitsApproval: true }],
      [
        "the same operator, another note",
        "ann",
        { ...RESOLVE, note: "seen twice" },
        { ok: true, saga: null, awaitsApproval: true },
      ],
      [
        "the same operator, otherwise",
        "ann",
        declined,
        { ok: true, awaitsApproval: true, saga: { approval: { verdict: "declined", by: "ann" } } },
      ],
      ["another operator, otherwise", "ben", declined, { ok: false, rejection: { code: "conflict" } }],
      [
        "another operator, another reference",
        "ben",
        { ...RESOLVE, provider_ref: "psp_8" },
        { ok: false, rejection: { code: "conflict" } },
      ],
      [
        "another operator, the same",
        "ben",
        RESOLVE,
        { ok: true, awaitsApproval: false, saga: { status: "running", tag: 4 } },
      ],
    ])("%s", (_who, by, command, outcome) => {
      expect(operate(first, command, facts(by))).toMatchObject(outcome as object);
    });

    it("waits for nobody any more once the step has ended, another way or this", () => {
      expect(taken(first, RESOLVE, "ben").approval).toBeUndefined();
      expect(told(first, DONE).approval).toBeUndefined();
      expect(taken(first, COMMANDS.retry, "ben").approval).toBeUndefined();
      expect(told(first, { outcome: "pending", nextPhase: "wait" }).approval).toBeUndefined();
    });

    it("still waits while the provider is asked in vain", () => {
      expect(told(first, unknown).approval).toEqual(first.approval);
    });
  });
});
