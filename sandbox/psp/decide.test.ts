import { describe, expect, test } from "vitest";
import { zeroLike } from "../money.ts";
import { announce, capturePayment, nextAttemptAt, openPayment, settle, voidPayment } from "./decide.ts";
import { type Behaviour, behaviourOf } from "./instruments.ts";

const NOW = 1_000_000;

function behaviour(token: string): Behaviour {
  const found = behaviourOf(token);
  if (!found) throw new Error(`no such instrument: ${token}`);
  return found;
}

describe("what an instrument makes the provider do", () => {
  test.each([
    // token, status at once, decline reason, decided after, answered after
    ["tok_ok", "captured", null, null, 0],
    ["tok_slow", "pending", null, 3_000, 3_000],
    ["tok_declined", "failed", "do_not_honor", null, 0],
    ["tok_insufficient", "failed", "insufficient_funds", null, 0],
    ["tok_timeout_then_captured", "captured", null, null, 5_000],
    ["tok_timeout_then_failed", "failed", "do_not_honor", null, 5_000],
    ["tok_duplicate_webhook", "captured", null, null, 0],
    ["tok_async", "pending", null, 1_500, 0],
    ["tok_async_failed", "pending", null, 1_500, 0],
    ["tok_dispute", "captured", null, null, 0],
    ["tok_wrong_amount", "captured", null, null, 0],
    ["tok_no_answer", "captured", null, null, 0],
  ] as const)("%s is %s at once", (token, status, declineReason, settleAfter, answerAfter) => {
    expect(openPayment(behaviour(token), true, 0, NOW)).toEqual({
      outcome: "opened",
      status,
      declineReason,
      settleAt: settleAfter === null ? null : NOW + settleAfter,
      answerAt: NOW + answerAfter,
    });
  });

  test.each([
    ["tok_slow", { status: "captured", declineReason: null }],
    ["tok_async", { status: "captured", declineReason: null }],
    ["tok_async_failed", { status: "failed", declineReason: "do_not_honor" }],
  ] as const)("%s ends as the issuer decides", (token, standing) => {
    expect(settle(behaviour(token), true)).toEqual(standing);
  });

  test("tok_5xx_twice fails twice and captures the third time", () => {
    const outcomes = [0, 1, 2].map((failures) => openPayment(behaviour("tok_5xx_twice"), true, failures, NOW));
    expect(outcomes.map((opening) => (opening.outcome === "opened" ? opening.status : opening.outcome))).toEqual([
      "server_error",
      "server_error",
      "captured",
    ]);
  });

  test("without capture an approved payment is only authorised", () => {
    expect(settle(behaviour("tok_ok"), false)).toEqual({ status: "authorised", declineReason: null });
    expect(settle(behaviour("tok_declined"), false).status).toBe("failed");
  });

  test("a scripted instrument does what its words say, and nothing besides", () => {
    expect(behaviour("tok_script_declined_settle1500_errors2_copies3_early_hangup_late900_card7")).toEqual({
      decision: { approved: false, reason: "do_not_honor" },
      settleAfterMs: 1_500,
      answerAfterMs: 0,
      serverErrors: 2,
      webhookCopies: 3,
      webhookBeforeAnswer: true,
      webhookLagMs: 900,
      hangsUp: true,
      mute: false,
      overcharges: false,
      disputeAfterMs: null,
    });
    expect(behaviour("tok_script_card1")).toEqual(behaviour("tok_ok"));
    const [late] = announce(behaviour("tok_script_late900"), "captured", NOW, NOW);
    expect(late?.deliverAt).toEqual([NOW + 900]);
  });

  test.each([
    "tok_3ds",
    "tok_3ds_failed",
    "tok_",
    "",
    "constructor",
    "tok_script_",
    "tok_script_constructor",
    "tok_script_answer60001",
    "tok_script_late-1",
  ])("%j was never issued", (token) => {
    expect(behaviourOf(token)).toBeUndefined();
  });
});

describe("what the provider announces", () => {
  test("one webhook follows the answer, however late that is", () => {
    expect(announce(behaviour("tok_ok"), "captured", NOW, NOW)).toEqual([
      { type: "payment.captured", occurredAt: NOW, deliverAt: [NOW + 200], firstInline: false },
    ]);
    expect(announce(behaviour("tok_timeout_then_failed"), "failed", NOW, NOW + 5_000)).toEqual([
      { type: "payment.failed", occurredAt: NOW, deliverAt: [NOW + 5_200], firstInline: false },
    ]);
  });

  test("a payment decided after its answer is announced at once", () => {
    expect(announce(behaviour("tok_async"), "captured", NOW + 1_500, NOW)[0]?.deliverAt).toEqual([NOW + 1_500]);
  });

  test("three copies of one event, the first before the answer", () => {
    expect(announce(behaviour("tok_duplicate_webhook"), "captured", NOW, NOW)).toEqual([
      { type: "payment.captured", occurredAt: NOW, deliverAt: [NOW + 5_000, NOW + 400, NOW + 600], firstInline: true },
    ]);
  });

  test("a dispute follows its capture by a second, and a failure never has one", () => {
    expect(announce(behaviour("tok_dispute"), "captured", NOW, NOW)[1]).toEqual({
      type: "dispute.opened",
      occurredAt: NOW + 1_000,
      deliverAt: [NOW + 1_000],
      firstInline: false,
    });
    expect(announce(behaviour("tok_dispute"), "failed", NOW, NOW)).toHaveLength(1);
  });

  test.each(["authorised", "pending", "voided"] as const)("%s is not announced", (status) => {
    expect(announce(behaviour("tok_ok"), status, NOW, NOW)).toEqual([]);
  });

  test("a delivery is tried six times in all, at growing gaps", () => {
    const waits = [1, 2, 3, 4, 5, 6].map((attempts) => nextAttemptAt(attempts, NOW));
    expect(waits.map((at) => at && at - NOW)).toEqual([1_000, 5_000, 30_000, 120_000, 600_000, null]);
  });
});

describe("what can still be done with a payment", () => {
  test.each([
    ["authorised", { outcome: "changed", status: "voided" }],
    ["pending", { outcome: "changed", status: "voided" }],
    ["captured", { outcome: "refused", code: "already_captured" }],
    ["failed", { outcome: "unchanged" }],
    ["voided", { outcome: "unchanged" }],
  ] as const)("a void finds it %s", (status, change) => {
    expect(voidPayment(status)).toEqual(change);
  });

  test.each([
    ["authorised", { outcome: "changed", status: "captured" }],
    ["pending", { outcome: "refused", code: "not_authorised" }],
    ["captured", { outcome: "refused", code: "already_captured" }],
    ["failed", { outcome: "refused", code: "not_authorised" }],
    ["voided", { outcome: "refused", code: "not_authorised" }],
  ] as const)("a capture finds it %s", (status, change) => {
    expect(capturePayment(status)).toEqual(change);
  });
});

test("nothing refunded is written with the decimals of the amount", () => {
  expect(zeroLike({ amount: "12.34", currency: "EUR" })).toEqual({ amount: "0.00", currency: "EUR" });
  expect(zeroLike({ amount: "1200", currency: "JPY" })).toEqual({ amount: "0", currency: "JPY" });
});
