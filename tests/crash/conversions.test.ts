import { describe, test } from "vitest";
import { endure, type Payment } from "./ordeal.ts";

/** One SIGKILL at each step that a converted charge's journal knows, and at each of its hedge's. */
const PAYMENTS: Readonly<Record<string, Payment>> = {
  "an instrument": { from: "tok_ok", ending: { status: "succeeded" } },
  "an instrument that is declined": {
    from: "tok_declined",
    ending: { status: "failed", decline_reason: "do_not_honor" },
  },
  "a wallet": { from: "wallet", ending: { status: "succeeded" }, funds: "5000.00" },
  "an empty wallet": { from: "wallet", ending: { refused: "insufficient_funds" } },
};

describe("a charge that settles in another currency survives a SIGKILL at every step of its journal and its hedge's", () => {
  for (const [title, payment] of Object.entries(PAYMENTS)) {
    test.concurrent(`paid from ${title}`, { timeout: 600_000 }, () => endure(title, { ...payment, settle: "USD" }));
  }
});
