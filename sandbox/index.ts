/**
 * The sandbox: a Worker of its own that plays the outside world. The product reaches it over plain HTTP, as it would
 * reach the real thing, and shares no code with it.
 *
 * psp/ is a card provider. What a payment does is chosen by its instrument:
 *
 *   tok_ok                     captures at once
 *   tok_slow                   captures, and answers, after 3 s
 *   tok_declined               402, declined with do_not_honor
 *   tok_insufficient           402, declined with insufficient_funds
 *   tok_timeout_then_captured  captures at once, but does not answer for 5 s; the status query tells
 *   tok_timeout_then_failed    likewise, declined with do_not_honor
 *   tok_5xx_twice              the first two POSTs for a reference answer 500 and leave nothing; the third captures
 *   tok_duplicate_webhook      captures; its webhook comes three times, once before the HTTP answer
 *   tok_async                  202 pending; captured 1.5 s later, told by webhook
 *   tok_async_failed           202 pending; failed 1.5 s later, told by webhook
 *   tok_dispute                captures; the webhook dispute.opened follows 1 s later
 *   tok_wrong_amount           captures more than it was asked to
 *   tok_no_answer              captures, and answers 500 to everything about it, for ever; no webhook
 *
 *   tok_script_<words>         what its words say (psp/instruments.ts): errors2, answer5000, hangup, late1500, copies3 …
 *
 * Every other outcome is announced by one webhook too, soon after the HTTP answer. Webhooks follow Standard Webhooks
 * and are retried after 1 s, 5 s, 30 s, 2 min and 10 min.
 *
 * The provider's contract: a merchant reference names one payment for ever. An Idempotency-Key belongs to its
 * reference, is remembered for 24 h and answers the same body again, except after a 5xx, which is forgotten; while the
 * first answer is withheld it is 409 in_flight. Voiding a reference no payment has used burns it: a later payment is
 * refused with reference_voided. A capture is never undone by a void. /books needs no key, lists everything that
 * matches, oldest first, and takes `after` and `limit` without heeding them.
 *
 * lp/ is three liquidity providers, lp-good, lp-slow and lp-wide, each with books of its own at /lp/{provider}/v1: a firm quote
 * (POST quotes), a trade of one under the customer's reference (POST trades, the same again is the same trade), its status
 * (GET trades/by-reference/{reference}) and its cancellation (POST …/cancel), which burns a reference no trade has used.
 * What a provider does is set, durably, by POST /fx/providers/{provider} {mode, spread_bps?, delay_ms?, firm_ms?, slip?}:
 *
 *   good                       quotes near the market and trades: lp-good's own mode
 *   slow                       a quote takes 3 s: lp-slow's own mode
 *   off_market                 quotes 5 % in the customer's favour: lp-wide's own mode
 *   refuse_quotes              422 to every quote
 *   refuse_trades              422 to every trade
 *   trade_timeout_then_filled  trades at once, but does not answer for 5 s; the status query tells
 *   trade_timeout_then_lost    does not trade, and answers 503 after 5 s
 *   down                       503 to everything
 *
 * /lp/books and /fx/providers need no key: all trades of all providers, and how each behaves.
 */
import { Hono } from "hono";
import { HTTPException } from "hono/http-exception";
import type { SandboxEnv } from "./env.ts";
import { lpApi, lpBooks } from "./lp/routes.ts";
import { pspApi, pspBooks } from "./psp/routes.ts";

export { LpBooks } from "./lp/object.ts";
export { PspBooks } from "./psp/object.ts";

const app = new Hono<{ Bindings: SandboxEnv }>()
  .get("/healthz", (c) => c.json({ ok: true }))
  .route("/", pspBooks)
  .route("/", lpBooks)
  .route("/lp/:provider/v1", lpApi)
  .route("/v1", pspApi)
  .notFound((c) => c.json({ error: { code: "not_found" } }, 404))
  .onError((error, c) => {
    if (error instanceof HTTPException) return error.getResponse();
    console.error("sandbox:", error);
    return c.json({ error: { code: "server_error" } }, 500);
  });

export default app;
