import { describe, test } from "vitest";
import { type Ending, endure, type Payment } from "./ordeal.ts";

/**
 * One SIGKILL at each step a charge's journal knows, for every instrument: before the step's call, after it, and at the end. A
 * fault-free run tells which points there are; each is then struck once, and so is each that only a recovery passes. Where no
 * instrument differs from another, before the capture and after what it came to, the points are struck with one of them, and with
 * all under `CRASH_POINTS=all`.
 */

const captured: Ending = { status: "succeeded" };
const doNotHonor: Ending = { status: "failed", decline_reason: "do_not_honor" };
const insufficient: Ending = { status: "failed", decline_reason: "insufficient_funds" };

/** How its capture is answered: what follows is as with `tok_ok`, or with `tok_declined`. */
const ITS_CAPTURE = ["charge:capture:"];
/** The provider speaks up again while what it captured is being posted. */
const ITS_POSTING = [...ITS_CAPTURE, "charge:post:", "charge:conclude:", "charge:completed"];
const ITS_UNDOING = [
  "charge:reserve:compensate:",
  "charge:assess:compensate:",
  "charge:admit:compensate:",
  "charge:compensated",
];

/** The slowest first: they begin together, and the quick ones fill in. */
const PAYMENTS: Readonly<Record<string, Payment>> = {
  tok_timeout_then_failed: { from: "tok_timeout_then_failed", ending: doNotHonor, own: ITS_CAPTURE },
  tok_timeout_then_captured: { from: "tok_timeout_then_captured", ending: captured, own: ITS_CAPTURE },
  tok_5xx_twice: { from: "tok_5xx_twice", ending: captured, own: ITS_CAPTURE },
  tok_ok: { from: "tok_ok", ending: captured },
  tok_declined: { from: "tok_declined", ending: doNotHonor, own: [...ITS_CAPTURE, ...ITS_UNDOING] },
  tok_duplicate_webhook: { from: "tok_duplicate_webhook", ending: captured, own: ITS_POSTING },
  tok_dispute: { from: "tok_dispute", ending: captured, own: ITS_POSTING },
  tok_slow: { from: "tok_slow", ending: captured, own: ITS_CAPTURE },
  tok_async_failed: { from: "tok_async_failed", ending: doNotHonor, own: ITS_CAPTURE },
  tok_async: { from: "tok_async", ending: captured, own: ITS_CAPTURE },
  tok_insufficient: { from: "tok_insufficient", ending: insufficient, own: ITS_CAPTURE },
  "a wallet": {
    from: "wallet",
    ending: captured,
    funds: "5000.00",
    own: ["charge:debit:", "charge:post:", "charge:conclude:", "charge:completed"],
  },
  "an empty wallet": {
    from: "wallet",
    ending: { refused: "insufficient_funds" },
    own: ["charge:debit:", "charge:assess:compensate:", "charge:admit:compensate:", "charge:compensated"],
  },
};

describe("a charge survives a SIGKILL at every step of its journal", () => {
  for (const [title, payment] of Object.entries(PAYMENTS)) {
    test.concurrent(`paid from ${title}`, { timeout: 600_000 }, () => endure(title, payment));
  }
});
