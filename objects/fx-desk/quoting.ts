import { type FeeRates, settle } from "../../schema/fees.ts";
import { inRange, toMinor } from "../../schema/money.ts";
import { type Refused, type Result, reject } from "../../schema/rejections.ts";
import type { QuoteRecord, QuoteRequest } from "../../schema/rpc/desk.ts";
import type { Turn } from "../kit/actor.ts";
import { isoTime } from "../kit/clock.ts";
import type { EventMeta } from "../kit/event-log.ts";
import type { Quote, QuoteTerms } from "./decide.ts";
import type { DeskEvent } from "./events.ts";
import { type Best, isTooLarge, type Offer, type Priced, price } from "./pricing.ts";
import { NEW_PROVIDER } from "./provider-stats.ts";
import type { FirmRequest } from "./providers/adapter.ts";
import type { Rows } from "./rows.ts";
import type { DeskSettings } from "./settings.ts";
import type { DeskState } from "./state.ts";

/** A quote of ours lasts at least this long, or is not given, milliseconds. */
const LEAST_MS = 1_000;

const OUT_OF_RANGE = "an amount must be from one minor unit to 9223372036854775807";

const noneAt = ({ sell }: FirmRequest): Refused => {
  const pointer = sell.amount === null ? "/buy/amount" : "/sell/amount";
  const errors = [{ pointer, detail: "is out of range at the rate of now" }];
  return reject("amount_out_of_range", "nothing, or more than an account holds, would come out", { errors });
};

/** What is wrong with a request whatever the providers say; null: nothing. */
export const faultIn = (request: FirmRequest, bandBps: number): Refused | null => {
  const { sell, buy } = request;
  if (sell.currency === buy.currency) {
    const errors = [{ pointer: "/buy/currency", detail: "must be another currency than the sold one" }];
    return reject("currency_mismatch", "there is nothing to exchange within one currency", { errors });
  }
  for (const [pointer, { currency, amount }] of Object.entries({ "/sell/amount": sell, "/buy/amount": buy })) {
    if (amount === null || inRange(toMinor({ amount, currency }))) continue;
    return reject("amount_out_of_range", OUT_OF_RANGE, { errors: [{ pointer, detail: "is out of range" }] });
  }
  return isTooLarge(request, bandBps) ? noneAt(request) : null;
};

/** Compares offers, asked for `askedMs` ago, by the desk's rules and the log's word on each provider. */
export const priced = (
  request: FirmRequest,
  offers: readonly Offer[],
  askedMs: number,
  settings: DeskSettings,
  { providers }: DeskState,
): Priced =>
  price(request, offers, {
    bandBps: settings.band_bps,
    leastFirmMs: settings.margin_ms + LEAST_MS,
    askedMs,
    scoreOf: (name) => (providers.get(name) ?? NEW_PROVIDER).score,
  });

const noQuote = (request: FirmRequest, { nothing }: Priced): Refused =>
  nothing
    ? noneAt(request)
    : reject("no_firm_liquidity", "no provider gave a firm rate within the market in time", { retry_after: 5 });

/** What providers did that comes to no quote is told by an event of its own, when it says anything of them. */
export const tellAsked = (turn: Turn<DeskState>, { asked }: Priced, meta: EventMeta): void => {
  if (asked.every(({ latency_ms }) => latency_ms === undefined)) return;
  const event: DeskEvent = { type: "providers.asked", data: { asked } };
  turn.append(event.type, event.data, meta);
};

export type Order = {
  request: QuoteRequest;
  offers: readonly Offer[];
  /** When the providers were asked, milliseconds: their quotes are firm from then on. */
  askedAt: number;
  meta: EventMeta;
};

const termsFor = (
  turn: Turn<DeskState>,
  { request, askedAt }: Order,
  { conversion, provider, quote, firmMs }: Best,
  competing: Priced["asked"],
  settings: DeskSettings,
  fees: FeeRates,
): { terms: QuoteTerms; expiresAt: number } => {
  const firmUntil = askedAt + firmMs;
  const expiresAt = Math.min(turn.now + settings.ttl_ms, firmUntil - settings.margin_ms);
  const terms: QuoteTerms = {
    id: turn.ids.next("fxq", turn.now),
    subject: request.subject,
    pod: request.pod,
    ...conversion,
    ...settle(conversion.buy, fees, true),
    provider,
    competing: competing.map(({ latency_ms: _, ...shown }) => shown),
    created_at: isoTime(turn.now),
    expires_at: isoTime(expiresAt),
    provider_quote: quote,
    firm_until: firmUntil,
  };
  return { terms, expiresAt };
};

/** The turn that gives a quote: the best of the offers, in the log and as a row, or why there is none. */
export const giveQuote = (
  turn: Turn<DeskState>,
  rows: Rows,
  order: Order,
  settings: DeskSettings,
  fees: FeeRates,
): Result<{ quote: Quote; pruneAt: number }> => {
  const compared = priced(order.request, order.offers, turn.now - order.askedAt, settings, turn.state);
  if (compared.best === null) {
    tellAsked(turn, compared, order.meta);
    return noQuote(order.request, compared);
  }
  const { terms, expiresAt } = termsFor(turn, order, compared.best, compared.asked, settings, fees);
  const { id, created_at: _, firm_until, ...told } = terms;
  const data = { ...told, quote: id, firm_until: isoTime(firm_until), competing: compared.asked };
  const event: DeskEvent = { type: "quote.given", data };
  turn.append(event.type, event.data, order.meta);
  return { ok: true, value: { quote: { terms, expiresAt, saga: null }, pruneAt: rows.addQuote(terms, expiresAt) } };
};

/** A quote as others see it, under the status it has. */
export const recordOf = (terms: QuoteTerms, status: QuoteRecord["status"]): QuoteRecord => {
  const { provider_quote: _, firm_until: __, ...record } = terms;
  return { ...record, status };
};
