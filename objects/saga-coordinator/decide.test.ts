import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { chargeOf } from "../../schema/charges.ts";
import { reject } from "../../schema/rejections.ts";
import { evolveSaga, isLive, type Saga, sagaBegan, sagaStepped } from "../../schema/sagas.ts";
import { advance, cancel, canGoBack, isDue, needsCall, nextLook, parkBroken, resolveWait, takeUp } from "./decide.ts";
import { stepDefinition } from "./definitions/index.ts";
import {
  ASSESSED,
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

const MINUTE = 60_000;
const DAY = 86_400_000;
const step = (saga: Saga) => {
  const found = saga.steps[saga.cursor];
  if (found === undefined) throw new Error("the saga has ended");
  return found;
};
const statuses = (saga: Saga) => Object.fromEntries(saga.steps.map(({ name, status }) => [name, status]));
const no = (code: Parameters<typeof reject>[0] = "account_closed"): Move => ({
  outcome: "declined",
  declined: { rejection: reject(code, "no").rejection, code: "upstream_unavailable", decline_reason: code },
});
const unknown: Move = { outcome: "unknown" };

describe("a saga as it begins", () => {
  it("has its first intent in its first entry", () => {
    const saga = beginCharge("instrument");
    expect(step(saga)).toMatchObject({ name: "admit", status: "intent", phase: "forward", attempts: 1, next_at: null });
    expect(saga).toMatchObject({ status: "running", epoch: 1, tag: null, shown: false, failure: null });
  });

  it.each([
    [0, "post", 1, true],
    [1, "decide", 1, false],
    [2, "reserve", null, false],
    [3, "reserve", null, false],
  ] as const)("with %i accounts that may refuse, a transfer starts at %s", (constrained, name, tag, shown) => {
    const saga = beginTransfer(legsWith(constrained));
    expect([step(saga).name, saga.tag, saga.shown]).toEqual([name, tag, shown]);
  });
});

describe("forward", () => {
  it("leaves the review out of a charge that was approved", () => {
    expect(statuses(upTo(beginCharge("instrument"), "capture"))).toMatchObject({ assess: "done", review: "skipped" });
  });

  it("takes the cut's tag in the commit that first lets a leg be posted, once", () => {
    const capturing = upTo(beginCharge("instrument"), "capture");
    expect(capturing.tag).toBeNull();
    const posting = told(capturing, DONE, T0, 7);
    expect(posting.tag).toBe(7);
    expect(told(posting, DONE, T0, 9).tag).toBe(7);
    expect(upTo(beginCharge("wallet"), "debit").tag).toBe(1);
  });

  it.each([
    ["instrument", "reserve", "capture"],
    ["wallet", "debit", "post"],
  ] as const)("a charge by %s is told of once %s is done", (source, door, next) => {
    expect(upTo(beginCharge(source), door).shown).toBe(false);
    expect(upTo(beginCharge(source), next).shown).toBe(true);
  });

  it("a decided transfer is told of, though some account has yet to post it", () => {
    const deciding = upTo(beginTransfer(legsWith(2)), "decide");
    expect(deciding.shown).toBe(false);
    expect(told(deciding, DONE).shown).toBe(true);
  });

  it("ends completed", () => {
    const ended = told(upTo(beginCharge("wallet"), "conclude"), DONE);
    expect(ended).toMatchObject({ status: "completed", failure: null });
    expect(ended.steps.every(({ status }) => status === "done" || status === "skipped")).toBe(true);
  });

  it("keeps what a step learned beside what it knew", () => {
    const first = told(upTo(beginTransfer(legsWith(0)), "post"), { ...unknown, result: { acks: { a: "1" } } });
    const second = told(first, { ...unknown, result: { other: "2" } });
    expect(step(second).result).toEqual({ acks: { a: "1" }, other: "2" });
  });

  it("gives a redirected leg the cut epoch of the commit that redirects it", () => {
    const posting = upTo(beginTransfer(legsWith(1)), "post");
    const first = told(posting, { ...unknown, redirects: { "1": "suspense:EUR#3" } }, T0, 4);
    const second = told(first, { ...unknown, redirects: { "0": "suspense:EUR#3" } }, T0, 5);
    expect(second.tag).toBe(1);
    expect(step(second).result?.redirects).toEqual({
      "0": { account: "suspense:EUR#3", tag: "5" },
      "1": { account: "suspense:EUR#3", tag: "4" },
    });
  });
});

describe("an answer", () => {
  const saga = upTo(beginCharge("instrument"), "reserve");

  it.each([
    ["of an older attempt", { epoch: saga.epoch - 1, step: saga.cursor }],
    ["of a later attempt", { epoch: saga.epoch + 1, step: saga.cursor }],
    ["of another step", { epoch: saga.epoch, step: saga.cursor - 1 }],
  ])("%s writes nothing", (_name, place) => {
    expect(advance(saga, { ...place, ...DONE }, T0, 1)).toBeNull();
  });

  it("writes nothing once the saga has ended", () => {
    const ended = told(upTo(beginCharge("wallet"), "conclude"), DONE);
    expect(advance(ended, { step: ended.cursor, epoch: ended.epoch, ...DONE }, T0, 1)).toBeNull();
  });

  it("is heard once: the second copy has lost its epoch", () => {
    const report = { step: saga.cursor, epoch: saga.epoch, ...DONE };
    const after = advance(saga, report, T0, 1);
    expect(after).not.toBeNull();
    expect(advance(after as Saga, report, T0, 1)).toBeNull();
  });
});

describe("an unknown outcome", () => {
  it.each(["admit", "assess", "reserve", "capture", "post", "conclude"])(
    "at %s neither advances nor goes back",
    (name) => {
      const before = upTo(beginCharge("instrument"), name);
      const after = told(before, unknown);
      expect([after.cursor, after.status, after.failure]).toEqual([before.cursor, "running", null]);
      expect(step(after).status).toBe(name === "capture" ? "unknown" : "intent");
      expect(needsCall(after)).toBe(false);
    },
  );

  it("is tried again after growing gaps, a minute at most", () => {
    let saga = upTo(beginCharge("wallet"), "post");
    let now = T0;
    const gaps: number[] = [];
    for (let turn = 0; turn < 14; turn++) {
      saga = told(saga, unknown, now);
      const next = Date.parse(step(saga).next_at ?? "");
      gaps.push(next - now);
      now = next;
      saga = takeUp(saga, now) as Saga;
    }
    expect(gaps.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
    expect(gaps.at(-1)).toBe(MINUTE);
  });

  it("that never left the house spends no attempt", () => {
    const sent = told(upTo(beginCharge("instrument"), "capture"), { outcome: "not_sent", retryInMs: 500 });
    expect(step(sent)).toMatchObject({ attempts: 0, status: "intent", phase: "forward" });
  });
});

describe("a refusal", () => {
  it("before the caller was told of anything leaves no resource", () => {
    const refused = told(upTo(beginCharge("instrument"), "reserve"), no());
    expect(refused.failure).toMatchObject({ cause: "refused", rejection: { code: "account_closed" } });
  });

  it("after that fails the resource", () => {
    const failed = told(upTo(beginCharge("instrument"), "capture"), no());
    expect(failed.failure).toEqual({ cause: "failed", code: "upstream_unavailable", decline_reason: "account_closed" });
  });

  it("is undone where it was said too, so that a late twin of the call finds a tombstone", () => {
    const refused = told(upTo(beginCharge("instrument"), "reserve"), no());
    expect(refused).toMatchObject({ status: "compensating" });
    expect(step(refused)).toMatchObject({ name: "reserve", phase: "compensate", next_at: null });
  });

  it("of the last agent voids all the others", () => {
    const refused = told(upTo(beginTransfer(legsWith(3)), "decide"), no("insufficient_funds"));
    expect([step(refused).name, step(refused).phase, refused.failure?.cause]).toEqual([
      "reserve",
      "compensate",
      "refused",
    ]);
    expect(told(upTo(beginTransfer(legsWith(1)), "decide"), no()).status).toBe("compensated");
  });

  it("where only forward is left parks the saga", () => {
    const parked = told(upTo(beginCharge("instrument"), "post"), no());
    expect(parked).toMatchObject({ status: "parked", parked_reason: "post: account_closed" });
    expect(isLive(parked)).toBe(false);
  });

  it("keeps what was learned with it", () => {
    const failed = told(upTo(beginCharge("instrument"), "capture"), { ...no(), result: { provider_ref: "p" } });
    expect(failed.steps.find(({ name }) => name === "capture")).toMatchObject({ result: { provider_ref: "p" } });
  });
});

describe("going back", () => {
  it("undoes the latest first, what is still unknown included, and skips what holds nothing", () => {
    const order: string[] = [];
    let saga = cancel(inReview(), T0) as Saga;
    while (isLive(saga)) {
      order.push(step(saga).name);
      saga = told(saga, DONE);
    }
    expect(order).toEqual(["assess", "admit"]);
    expect(saga).toMatchObject({ status: "compensated", failure: { cause: "cancelled" } });

    const cancelled = cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga;
    expect([step(cancelled).name, step(cancelled).phase]).toEqual(["reserve", "compensate"]);
  });

  it("repeats an undo until it holds", () => {
    const undoing = cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga;
    const again = told(undoing, unknown);
    expect([step(again).name, step(again).phase, again.status]).toEqual(["reserve", "compensate", "compensating"]);
    const taken = takeUp(again, T0 + MINUTE) as Saga;
    expect([step(taken).phase, taken.status, needsCall(taken)]).toEqual(["compensate", "compensating", true]);
  });

  it("hears no answer of the way forward any more", () => {
    const reserving = upTo(beginCharge("instrument"), "reserve");
    const undoing = cancel(reserving, T0) as Saga;
    expect(advance(undoing, { step: reserving.cursor, epoch: reserving.epoch, ...DONE }, T0, 1)).toBeNull();
  });

  it("is cancelled once", () => {
    expect(cancel(cancel(upTo(beginCharge("instrument"), "reserve"), T0) as Saga, T0)).toBeNull();
  });

  it.each([
    ["admit", true],
    ["assess", true],
    ["reserve", true],
    ["capture", false],
    ["post", false],
    ["conclude", false],
  ] as const)("at %s a charge by instrument can be cancelled: %s", (name, may) => {
    const saga = upTo(beginCharge("instrument"), name);
    expect([canGoBack(saga), cancel(saga, T0) !== null]).toEqual([may, may]);
  });

  it.each([
    [0, "post", false],
    [1, "decide", false],
    [2, "reserve", true],
    [2, "decide", false],
  ] as const)("with %i accounts that may refuse, a transfer at %s can go back: %s", (constrained, name, may) => {
    expect(canGoBack(upTo(beginTransfer(legsWith(constrained)), name))).toBe(may);
  });
});

describe("the deadline", () => {
  const late = T0 + 8 * DAY;

  it("refuses what nobody was told of, and fails what somebody was", () => {
    const stuck = told(upTo(beginCharge("instrument"), "assess"), unknown);
    expect(takeUp(stuck, late)).toMatchObject({ status: "compensating", failure: { cause: "refused" } });
    expect(takeUp(inReview(), late)).toMatchObject({ failure: { cause: "failed", code: "expired" } });
  });

  it("is nothing to a saga past its pivot's intent", () => {
    const saga = told(upTo(beginCharge("instrument"), "capture"), unknown);
    expect(takeUp(saga, late)).toMatchObject({ status: "running", failure: null });
  });

  it("wakes whoever only waits", () => {
    const waiting = inReview();
    expect(nextLook(waiting, T0, 10_000)).toBe(Date.parse(waiting.deadline_at));
  });
});

describe("taken up after a restart", () => {
  it("an intent at one of our own actors is simply made again", () => {
    const saga = upTo(beginCharge("instrument"), "reserve");
    const taken = takeUp(saga, T0 + 1) as Saga;
    expect(step(taken)).toMatchObject({ phase: "forward", attempts: 2 });
    expect(taken.epoch).toBe(saga.epoch + 1);
  });

  it("an intent at a provider is asked about first, and counts as sent", () => {
    const taken = takeUp(upTo(beginCharge("instrument"), "capture"), T0 + 1) as Saga;
    expect(step(taken)).toMatchObject({ phase: "query", result: { maybe_sent: true } });
  });

  it("a retry that was planned is made as planned: nothing had left", () => {
    const planned = told(upTo(beginCharge("instrument"), "capture"), { outcome: "not_sent", retryInMs: 500 });
    expect(takeUp(planned, T0 + 499)).toBeNull();
    const taken = takeUp(planned, T0 + 500) as Saga;
    expect(step(taken).phase).toBe("forward");
    expect(step(taken).result?.maybe_sent).toBeUndefined();
    expect(step(taken).last_sent_at).toBe(new Date(T0 + 500).toISOString());
    // Its intent stands now: a second restart asks.
    expect(step(takeUp(taken, T0 + 501) as Saga)).toMatchObject({ phase: "query", result: { maybe_sent: true } });
  });

  it("a void that was under way is made again, and is no attempt to capture", () => {
    const voiding = told(upTo(beginCharge("instrument"), "capture"), { ...unknown, nextPhase: "void", retryInMs: 0 });
    const taken = takeUp(takeUp(voiding, T0) as Saga, T0 + 5) as Saga;
    expect(step(taken)).toMatchObject({ phase: "void", last_sent_at: new Date(T0).toISOString() });
  });

  it("a pending payment is asked about when its time comes", () => {
    const pending = told(upTo(beginCharge("instrument"), "capture"), {
      outcome: "pending",
      nextPhase: "wait",
      retryInMs: 2_000,
    });
    expect([pending.status, takeUp(pending, T0)]).toEqual(["waiting", null]);
    expect(step(takeUp(pending, T0 + 2_000) as Saga).phase).toBe("query");
  });

  it("what waits for a person goes on waiting", () => {
    expect(takeUp(inReview(), T0 + DAY)).toBeNull();
  });
});

describe("a person's word", () => {
  const by = { by: "op", text: "seen" };

  it("approves: the charge goes on", () => {
    const saga = resolveWait(inReview(), "review", "approve", by, T0, 1) as Saga;
    expect([step(saga).name, saga.status]).toEqual(["reserve", "running"]);
    expect(saga.steps.find(({ name }) => name === "review")?.result).toMatchObject({ verdict: "approve", by: "op" });
  });

  it("declines: the charge fails and gives everything back", () => {
    const saga = resolveWait(inReview(), "review", "decline", by, T0, 1) as Saga;
    expect([step(saga).name, saga.status, saga.failure]).toEqual([
      "assess",
      "compensating",
      { cause: "failed", code: "risk_declined", decline_reason: null },
    ]);
  });

  it.each([
    ["a charge that does not wait", upTo(beginCharge("instrument"), "reserve"), "review"],
    ["another step", inReview(), "capture"],
    ["a charge that was cancelled", cancel(inReview(), T0) as Saga, "review"],
  ])("on %s comes to nothing", (_name, saga, name) => {
    expect(resolveWait(saga, name, "approve", by, T0, 1)).toBeNull();
  });
});

describe("parked", () => {
  it("after a day of nothing but unknown, past the pivot's intent", () => {
    const saga = upTo(beginCharge("instrument"), "post");
    expect(told(saga, unknown, T0 + DAY).status).toBe("running");
    expect(told(saga, unknown, T0 + DAY + 1)).toMatchObject({
      status: "parked",
      parked_reason: "post: unknown for a day",
    });
  });

  it("not for one hiccup of a payment that has been pending for days", () => {
    const capturing = upTo(beginCharge("instrument"), "capture");
    const pending = told(capturing, { outcome: "pending", nextPhase: "wait", retryInMs: 1 }, T0 + 5 * DAY);
    expect(told(takeUp(pending, T0 + 6 * DAY) as Saga, unknown, T0 + 6 * DAY).status).toBe("running");
  });

  it("not for one hiccup of undoing what was done days ago", () => {
    const undoing = cancel(inReview(), T0 + 5 * DAY) as Saga;
    expect(told(undoing, unknown, T0 + 5 * DAY).status).toBe("compensating");
    expect(told(undoing, unknown, T0 + 6 * DAY + 1).status).toBe("parked");
  });

  it("when its own rules fail it, and nobody else", () => {
    const parked = parkBroken(upTo(beginCharge("instrument"), "assess"), "TypeError", T0);
    expect(parked).toMatchObject({ status: "parked", parked_reason: "internal: TypeError", shown: true });
  });

  it("tells the caller, unless it was refused before there was anything to tell of", () => {
    const refused = told(upTo(beginCharge("instrument"), "reserve"), no());
    expect(told(refused, { ...unknown, park: "posted" })).toMatchObject({ status: "parked", shown: false });
    expect(told(upTo(beginCharge("instrument"), "admit"), { ...unknown, park: "odd" }).shown).toBe(true);
  });
});

/** Whatever may happen to a saga, in any order. */
const happening = fc.oneof(
  fc.constant(["report", DONE] as const),
  fc.constant(["report", ASSESSED("review")] as const),
  fc.constant(["report", no()] as const),
  fc
    .constantFrom<Move>(
      unknown,
      { ...unknown, nextPhase: "query" },
      { ...unknown, nextPhase: "void", retryInMs: 0 },
      { ...unknown, nextPhase: "forward" },
      { outcome: "not_sent", retryInMs: 100 },
      { outcome: "pending", nextPhase: "wait", retryInMs: 1_000 },
    )
    .map((move) => ["report", move] as const),
  fc
    .constantFrom("takeUp" as const, "cancel" as const, "approve" as const, "decline" as const)
    .map((what) => [what] as const),
);

const apply = (saga: Saga, [what, move]: readonly [string, Move?], now: number, cutEpoch: number): Saga | null => {
  if (what === "takeUp") return takeUp(saga, now);
  if (what === "cancel") return cancel(saga, now);
  if (what === "report")
    return advance(saga, { step: saga.cursor, epoch: saga.epoch, ...(move as Move) }, now, cutEpoch);
  return resolveWait(saga, "review", what as "approve" | "decline", { by: "op", text: "x" }, now, cutEpoch);
};

const passedPivot = (saga: Saga): boolean =>
  saga.steps.some((one, index) => stepDefinition(saga, index).kind !== "compensatable" && one.status !== "pending");

describe("a rate that is not accepted", () => {
  const quoted = { to: "USD", quote: "fxq_1" };
  const noQuote: Move = {
    outcome: "declined",
    declined: {
      rejection: reject("quote_expired", "late").rejection,
      code: "expired",
      decline_reason: "quote_expired",
    },
  };
  const dry: Move = {
    outcome: "declined",
    declined: {
      rejection: reject("no_firm_liquidity", "nobody").rejection,
      code: "no_firm_liquidity",
      decline_reason: null,
      exists: true,
    },
  };
  const ended = (saga: Saga): { saga: Saga; undone: string[] } => {
    let at = saga;
    const undone: string[] = [];
    while (at.status === "compensating") {
      undone.push(step(at).name);
      at = told(at, DONE);
    }
    return { saga: at, undone };
  };

  it.each(["instrument", "wallet"] as const)("by %s is a problem and no charge, with all given back", (source) => {
    const { saga, undone } = ended(told(upTo(beginCharge(source, 10_000n, quoted), "accept"), noQuote));
    expect(undone).toEqual(["accept", "assess", "admit"]);
    expect(saga).toMatchObject({ status: "compensated", shown: false, failure: { cause: "refused" } });
    expect(chargeOf(saga)).toBeNull();
  });

  it("fails the charge, when somebody was told of it in its review", () => {
    const approved = resolveWait(inReview("instrument", quoted), "review", "approve", { by: "op", text: "" }, T0, 1);
    const { saga, undone } = ended(told(approved as Saga, noQuote));
    expect(undone).toEqual(["accept", "assess", "admit"]);
    expect(chargeOf(saga)).toMatchObject({
      status: "failed",
      failure: { code: "expired", decline_reason: "quote_expired" },
    });
  });

  it("for want of a provider is a charge that failed", () => {
    const { saga } = ended(told(upTo(beginCharge("wallet", 10_000n, quoted), "accept"), dry));
    const charge = chargeOf(saga);
    expect(charge).toMatchObject({ status: "failed", failure: { code: "no_firm_liquidity" }, fees: [], settled: null });
    expect(charge).not.toHaveProperty("fx");
  });
});

describe("a rate that was accepted", () => {
  const accepted = upTo(beginCharge("instrument", 10_000n, { to: "USD" }), "capture");

  it("is given back when the capture is declined", () => {
    let at = told(accepted, no());
    const undone: string[] = [];
    while (at.status === "compensating") {
      undone.push(step(at).name);
      at = told(at, DONE);
    }
    expect(undone).toEqual(["reserve", "accept", "assess", "admit"]);
  });

  it("is used once the capture is done, and shown with what it makes", () => {
    const converting = told(accepted, DONE);
    expect(step(converting).name).toBe("convert");
    const done = told(told(told(converting, DONE), DONE), DONE);
    expect(chargeOf(done)).toMatchObject({
      status: "succeeded",
      settled: { amount: "106.54", currency: "USD" },
      fees: [{ amount: { amount: "1.63", currency: "USD" } }, { amount: { amount: "0.54", currency: "USD" } }],
      fx: { quote: "fxq_1", rate: "1.08712", provider: "lp-a" },
    });
  });
});

describe("the next try of a step", () => {
  const tried = (move: Move, chance: number, attempts = 3): number => {
    const saga = beginHedge();
    const steps = saga.steps.map((step, index) => (index === 0 ? { ...step, attempts } : step));
    const after = advance({ ...saga, steps }, { step: 0, epoch: saga.epoch, ...move }, T0, 1, chance);
    return Date.parse(after?.steps[0]?.next_at ?? "") - T0;
  };

  it.each<[string, Move, number, number]>([
    ["anywhere up to its gap, by chance", unknown, 0.5, 500],
    ["no later than its gap", unknown, 1, 1_000],
    ["not at once, whatever chance says", unknown, 0, 1],
    ["not before the callee wants it", { ...unknown, notBeforeMs: 700 }, 0.5, 700],
    ["later than that when its gap has grown", { ...unknown, notBeforeMs: 100 }, 0.5, 500],
    ["when it was said to, to the millisecond", { ...unknown, retryInMs: 123 }, 0.5, 123],
  ])("falls %s", (_when, move, chance, gap) => {
    expect(tried(move, chance)).toBe(gap);
  });
});

describe("a hedge", () => {
  it("never goes back, asks at growing gaps, and after a day is somebody's to look at", () => {
    let at = beginHedge();
    const gaps: number[] = [];
    let now = T0;
    while (isLive(at)) {
      at = told(at, unknown, now);
      expect(canGoBack(at)).toBe(false);
      if (!isLive(at)) break;
      gaps.push(Date.parse(step(at).next_at ?? "") - now);
      now = Date.parse(step(at).next_at ?? "");
      at = takeUp(at, now) as Saga;
    }
    expect(gaps.slice(0, 4)).toEqual([250, 500, 1_000, 2_000]);
    expect(at).toMatchObject({ status: "parked", parked_reason: "execute: unknown for a day" });
    expect(now - T0).toBeGreaterThan(DAY);
  });
});

describe("whatever happens to a saga", () => {
  const start = fc.constantFrom(
    beginCharge("instrument"),
    beginCharge("wallet"),
    beginCharge("instrument", 10_000n, { to: "USD" }),
    beginCharge("wallet", 10_000n, { to: "USD" }),
    beginHedge(),
    ...([0, 1, 2, 3] as const).map((constrained) => beginTransfer(legsWith(constrained))),
  );
  const history = fc.array(fc.tuple(happening, fc.integer({ min: 0, max: 3 * 3_600_000 })), { maxLength: 60 });

  it("its journal folds to it, its epoch only rises, it never goes back past its pivot, and something will wake it", () => {
    fc.assert(
      fc.property(start, history, (began, happenings) => {
        let saga = began;
        let now = T0;
        let folded = evolveSaga(null, { type: "saga.began", recorded_at: saga.created_at, data: sagaBegan(saga) });
        for (const [what, passed] of happenings) {
          now += passed;
          const before = saga;
          const after = apply(before, what, now, 2);
          if (after === null) {
            // Nothing to do now, so nothing is due now: whoever looks does not come back at once.
            if (what[0] === "takeUp" && isLive(before) && isDue(before, now)) throw new Error("due, and not taken up");
            if (what[0] === "takeUp" && isLive(before)) expect(nextLook(before, now, 10_000)).toBeGreaterThan(now);
            continue;
          }
          saga = after;
          folded = evolveSaga(folded, {
            type: "saga.stepped",
            recorded_at: new Date(now).toISOString(),
            data: sagaStepped(before, saga),
          });
          const stops = folded.stops;
          expect({ ...folded, updated_at: "" }).toEqual({ ...saga, updated_at: "", stops });
          expect((stops ?? 0) % 2 === 1).toBe(folded.status === "parked");
          saga = { ...saga, ...(stops === undefined ? {} : { stops }) };
          expect(saga.epoch).toBe(before.epoch + 1);
          if (before.tag !== null) expect(saga.tag).toBe(before.tag);
          if (what[1]?.outcome === "unknown") expect(saga.cursor).toBe(before.cursor);
          if (passedPivot(before) && what[0] !== "report")
            expect(saga.status === "compensating" && before.status !== "compensating").toBe(false);
          if (isLive(saga)) expect(Number.isFinite(nextLook(saga, now, 10_000))).toBe(true);
          if (saga.status === "completed") expect(saga.failure).toBeNull();
          if (saga.status === "compensated") expect(saga.failure).not.toBeNull();
        }
      }),
      { numRuns: 500 },
    );
  });
});
