import { z } from "zod";
import { isRate } from "../../../schema/fx.ts";
import { canonicalMoney, moneySchema } from "../../../schema/money.ts";
import { type Exchange, exchange, type Fetch, globalFetch } from "../../kit/exchange.ts";
import type { FirmAnswer, FirmRequest, LiquidityProvider, TradeAnswer } from "./adapter.ts";

export type SandboxOptions = { name: string; url: string; apiKey: string; fetch?: Fetch };

const id = z.string().regex(/^[\x21-\x7e]{1,255}$/);
const money = moneySchema.transform(canonicalMoney);
const rate = z.string().refine(isRate);

const quoteSchema = z.object({ id, sell: money, buy: money, rate, firm_for_ms: z.int().min(1).max(86_400_000) });
const tradeSchema = z.object({ id, reference: id, status: z.literal("filled"), sell: money, buy: money, rate });
const cancelledSchema = z.object({ reference: id, status: z.literal("cancelled") });
const errorSchema = z.object({ error: z.object({ code: z.string() }), trade: z.unknown().optional() });

type Answered = Extract<Exchange, { kind: "answered" }>;

const unknown = (detail: string): TradeAnswer => ({ outcome: "unknown", detail });

/** Codes with which the provider says that this reference has not traded, and never will with this quote. */
const REFUSALS: Readonly<Record<string, string>> = {
  quote_expired: "the provider's quote was no longer firm",
  quote_used: "the provider's quote had been traded already",
  not_found: "the provider no longer knew its quote",
  trade_refused: "the provider refused the trade",
  reference_cancelled: "the trade was cancelled",
};

const firmIn = (exchanged: Exchange): FirmAnswer => {
  if (exchanged.kind === "broken") return { outcome: "unreachable" };
  const { status, json } = exchanged;
  const quote = quoteSchema.safeParse(json).data;
  if (status >= 200 && status < 300 && quote !== undefined) {
    const { id, sell, buy, rate, firm_for_ms } = quote;
    return { outcome: "firm", quote: id, rate, sell, buy, firmMs: firm_for_ms };
  }
  return status === 422 && errorSchema.safeParse(json).success ? { outcome: "refused" } : { outcome: "unreachable" };
};

const fillIn = (json: unknown, reference: string): TradeAnswer => {
  const trade = tradeSchema.safeParse(json).data;
  if (trade === undefined) return unknown("the answer could not be read");
  if (trade.reference !== reference) return unknown("the answer was about another trade");
  return { outcome: "filled", provider_ref: trade.id, sell: trade.sell, buy: trade.buy, rate: trade.rate };
};

const executed = ({ status, json }: Answered, reference: string): TradeAnswer => {
  if (status >= 200 && status < 300) return fillIn(json, reference);
  const code = errorSchema.safeParse(json).data?.error.code ?? "";
  const refusal = Object.hasOwn(REFUSALS, code) ? REFUSALS[code] : undefined;
  if (refusal !== undefined && status >= 400 && status < 500) return { outcome: "refused", detail: refusal };
  // Refused at the door, before the request was looked at.
  if (status === 401 || status === 429) return { outcome: "refused", detail: "the provider did not let us in" };
  return unknown(`the provider answered ${status}`);
};

const queried = ({ status, json }: Answered, reference: string): TradeAnswer => {
  if (status >= 200 && status < 300) return fillIn(json, reference);
  // Only the provider's own word: a 404 from something in between must not pass for it.
  if (status === 404 && errorSchema.safeParse(json).data?.error.code === "not_found") return { outcome: "not_found" };
  return unknown(`the provider answered ${status}`);
};

const cancelled = ({ status, json }: Answered, reference: string): TradeAnswer => {
  if (status >= 200 && status < 300) {
    if (cancelledSchema.safeParse(json).data?.reference !== reference) return unknown("the answer could not be read");
    return { outcome: "refused", detail: "the trade was cancelled" };
  }
  const error = errorSchema.safeParse(json).data;
  if (status === 409 && error?.error.code === "already_filled") return fillIn(error.trade, reference);
  return unknown(`the provider answered ${status}`);
};

/** A provider of the sandbox over plain HTTP. `url` is the sandbox's base, `apiKey` its bearer token. */
export const sandboxProvider = ({ name, url, apiKey, fetch = globalFetch }: SandboxOptions): LiquidityProvider => {
  const base = `${url.replace(/\/+$/, "")}/lp/${encodeURIComponent(name)}/v1`;
  const headers = { authorization: `Bearer ${apiKey}`, accept: "application/json" };
  const get = (path: string, signal: AbortSignal) => exchange(fetch, base + path, { method: "GET", headers }, signal);
  const post = (path: string, body: unknown, signal: AbortSignal) => {
    const init = { headers: { ...headers, "content-type": "application/json" }, body: JSON.stringify(body) };
    return exchange(fetch, base + path, { method: "POST", ...init }, signal);
  };
  const read = (
    exchanged: Exchange,
    reference: string,
    reader: (answered: Answered, reference: string) => TradeAnswer,
  ): TradeAnswer => (exchanged.kind === "broken" ? unknown(exchanged.detail) : reader(exchanged, reference));
  const byReference = (reference: string) => `/trades/by-reference/${encodeURIComponent(reference)}`;

  return {
    name,
    firm: async (request, signal) => firmIn(await post("/quotes", firmBody(request), signal)),
    execute: async (quote, reference, signal) =>
      read(await post("/trades", { quote, reference }, signal), reference, executed),
    query: async (reference, signal) => read(await get(byReference(reference), signal), reference, queried),
    cancel: async (reference, signal) =>
      read(await post(`${byReference(reference)}/cancel`, {}, signal), reference, cancelled),
  };
};

const side = ({ currency, amount }: FirmRequest["sell"]) => ({ currency, ...(amount === null ? {} : { amount }) });
const firmBody = ({ sell, buy }: FirmRequest) => ({ sell: side(sell), buy: side(buy) });
