import { describe, test } from "vitest";
import { type Ending, endure } from "./ordeal.ts";

/**
 * One SIGKILL at each step a charge's journal knows, for every instrument: before the step's call, after it, and at the end. A
 * fault-free run tells which points there are; each is then struck once, and so is each that only a recovery passes. Before its
 * capture no instrument differs from another, so those points are struck with one of them, and with all under `CRASH_POINTS=all`.
 */

const captured: Ending = { status: "succeeded" };
const doNotHonor: Ending = { status: "failed", decline_reason: "do_not_honor" };

/** The slowest first: they begin together, and the quick ones fill in. */
const SOURCES: readonly (readonly [title: string, from: string, ending: Ending, funds?: string])[] = [
  ["tok_timeout_then_failed", "tok_timeout_then_failed", doNotHonor],
  ["tok_timeout_then_captured", "tok_timeout_then_captured", captured],
  ["tok_slow", "tok_slow", captured],
  ["tok_async_failed", "tok_async_failed", doNotHonor],
  ["tok_async", "tok_async", captured],
  ["tok_5xx_twice", "tok_5xx_twice", captured],
  ["tok_duplicate_webhook", "tok_duplicate_webhook", captured],
  ["tok_declined", "tok_declined", doNotHonor],
  ["tok_insufficient", "tok_insufficient", { status: "failed", decline_reason: "insufficient_funds" }],
  ["tok_dispute", "tok_dispute", captured],
  ["tok_ok", "tok_ok", captured],
  ["a wallet", "wallet", captured, "5000.00"],
  ["an empty wallet", "wallet", { refused: "insufficient_funds" }],
];

describe("a charge survives a SIGKILL at every step of its journal", () => {
  for (const [title, from, ending, funds] of SOURCES) {
    test.concurrent(`paid from ${title}`, { timeout: 600_000 }, () =>
      endure(title, {
        from,
        ending,
        ...(funds === undefined ? {} : { funds }),
        ...(from === "tok_ok" || from === "wallet" ? {} : { from_step: "capture" }),
      }),
    );
  }
});
