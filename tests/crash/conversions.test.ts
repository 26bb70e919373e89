import { describe, test } from "vitest";
import { endure, type Payment } from "./ordeal.ts";

/**
 * One SIGKILL at each step that a converted charge's journal knows, and at each of its hedge's: at those that any charge takes with
 * the charges of `every-step.test.ts`, at those that a conversion takes however it is paid with one of these, and at all of all under
 * `CRASH_POINTS=all`.
 */
const PAYMENTS: Readonly<Record<string, Payment>> = {
  "an instrument": {
    from: "tok_ok",
    ending: { status: "succeeded" },
    own: [
      "charge:accept:",
      "charge:reserve:",
      "charge:capture:",
      "charge:convert:",
      "charge:post:",
      "charge:conclude:",
      "charge:completed",
      "hedge:",
    ],
  },
  "an instrument that is declined": {
    from: "tok_declined",
    ending: { status: "failed", decline_reason: "do_not_honor" },
    own: ["charge:capture:", "charge:reserve:compensate:", "charge:accept:compensate:"],
  },
  "a wallet": {
    from: "wallet",
    ending: { status: "succeeded" },
    funds: "5000.00",
    own: ["charge:debit:", "charge:convert:", "charge:post:"],
  },
  "an empty wallet": {
    from: "wallet",
    ending: { refused: "insufficient_funds" },
    own: ["charge:debit:", "charge:accept:compensate:"],
  },
};

describe("a charge that settles in another currency survives a SIGKILL at every step of its journal and its hedge's", () => {
  for (const [title, payment] of Object.entries(PAYMENTS)) {
    test.concurrent(`paid from ${title}`, { timeout: 600_000 }, () => endure(title, { ...payment, settle: "USD" }));
  }
});
