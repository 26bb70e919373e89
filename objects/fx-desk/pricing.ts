import Big from "big.js";
import { type Conversion, convert, ratioOf, sellFor } from "../../schema/fx.ts";
import { convertIndicative, fromMinor, inRange, MAX_MINOR, type MoneyJson, toMinor } from "../../schema/money.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import type { Asked } from "./events.ts";
import type { FirmAnswer, FirmQuote, FirmRequest } from "./providers/adapter.ts";

const Decimal = Big();
Decimal.strict = true;

const BASIS = 10_000;

const referenceOf = (currency: string): Big => {
  const rate = REFERENCE_RATES[currency];
  if (rate === undefined) throw new Error(`no reference rate for ${currency}`);
  return new Decimal(rate);
};

/** Whether a rate lies within `bandBps` basis points of the reference cross rate, either side; computed exactly. */
export const inBand = (rate: string, sell: string, buy: string, bandBps: number): boolean => {
  const asked = new Decimal(rate).times(referenceOf(sell));
  const reference = referenceOf(buy);
  return asked
    .minus(reference)
    .abs()
    .times(String(BASIS))
    .lte(reference.times(String(bandBps)));
};

/**
 * Whether at every rate within the band more than an account holds would change hands, so that there is nothing to ask anybody for.
 * To the unit it is not exact; what little is let through comes to nothing at the rate that is offered.
 */
export const isTooLarge = ({ sell, buy }: FirmRequest, bandBps: number): boolean => {
  const indicative = (amount: string, from: string, to: string): bigint =>
    convertIndicative(toMinor({ amount, currency: from }), from, to, REFERENCE_RATES);
  if (sell.amount !== null) {
    const least = indicative(sell.amount, sell.currency, buy.currency) * BigInt(BASIS - bandBps);
    return least > MAX_MINOR * BigInt(BASIS);
  }
  if (buy.amount === null) throw new Error("a request without an amount");
  const least = indicative(buy.amount, buy.currency, sell.currency) * BigInt(BASIS);
  return least > MAX_MINOR * BigInt(BASIS + bandBps);
};

/** What became of asking one provider; `latencyMs` null: it was not asked, or its answer is told of elsewhere. */
export type Offer = {
  provider: string;
  latencyMs: number | null;
  answer: FirmAnswer | { outcome: "late" | "not_asked" };
};

/** The firm quote that is best for the customer. `firmMs`: from when it was asked for. */
export type Best = { provider: string; quote: string; firmMs: number; conversion: Conversion };

/** `nothing`: a rate was to be had, and at it nothing, or more than an account holds, would come out. */
export type Priced = { asked: Asked[]; best: Best | null; nothing: boolean };

/** The conversion a request comes to at a rate; null when nothing, or too much, would come out. */
export const conversionAt = ({ sell, buy }: FirmRequest, rate: string): Conversion | null => {
  if (sell.amount !== null) return convert({ amount: sell.amount, currency: sell.currency }, buy.currency, rate);
  if (buy.amount === null) throw new Error("a request without an amount");
  const wanted: MoneyJson = { amount: buy.amount, currency: buy.currency };
  const sold = sellFor(toMinor(wanted), ratioOf(rate, sell.currency, buy.currency));
  return inRange(sold) ? convert(fromMinor(sold, sell.currency), buy.currency, rate) : null;
};

const same = (a: MoneyJson, b: MoneyJson): boolean => a.amount === b.amount && a.currency === b.currency;

/** Whether a provider's amounts are what its own rate makes of the request: only then does a fill cover the conversion. */
const follows = (quote: FirmQuote, { sell, buy }: Conversion): boolean =>
  same(quote.sell, sell) && same(quote.buy, buy);

type Judged = { asked: Asked; candidate: Best | null; nothing: boolean };

const judge = (request: FirmRequest, offer: Offer, rules: PricingRules): Judged => {
  const { provider, latencyMs, answer } = offer;
  const latency = latencyMs === null ? {} : { latency_ms: String(latencyMs) };
  const without = (status: Asked["status"], nothing = false): Judged => ({
    asked: { provider, status, ...latency },
    candidate: null,
    nothing,
  });
  if (answer.outcome !== "firm") return without(answer.outcome);
  const { rate, quote, firmMs } = answer;
  if (!inBand(rate, request.sell.currency, request.buy.currency, rules.bandBps)) {
    return { asked: { provider, status: "off_market", rate, ...latency }, candidate: null, nothing: false };
  }
  const conversion = conversionAt(request, rate);
  if (conversion === null) return without("refused", true);
  if (!follows(answer, conversion) || firmMs - rules.askedMs <= rules.leastFirmMs) return without("refused");
  return {
    asked: { provider, status: "beaten", rate, ...latency },
    candidate: { provider, quote, firmMs, conversion },
    nothing: false,
  };
};

export type PricingRules = {
  bandBps: number;
  /** A quote that is firm no longer than this is as good as none, milliseconds. */
  leastFirmMs: number;
  /** How long ago the providers were asked, milliseconds: longer than the provider itself took, when others were waited for. */
  askedMs: number;
  /** Of two equal quotes the better provider's is taken. */
  scoreOf(provider: string): number;
};

/** Negative when `a` is better for the customer: less to sell, then more to buy, then the provider's score, then its name. */
const compare = (a: Best, b: Best, scoreOf: PricingRules["scoreOf"]): number => {
  const sold = toMinor(a.conversion.sell) - toMinor(b.conversion.sell);
  if (sold !== 0n) return sold < 0n ? -1 : 1;
  const bought = toMinor(a.conversion.buy) - toMinor(b.conversion.buy);
  if (bought !== 0n) return bought > 0n ? -1 : 1;
  const score = scoreOf(b.provider) - scoreOf(a.provider);
  return score !== 0 ? score : a.provider < b.provider ? -1 : 1;
};

/** Compares what providers offer. Every one of them is in `asked`, in the order given; at most one is best. */
export const price = (request: FirmRequest, offers: readonly Offer[], rules: PricingRules): Priced => {
  const judged = offers.map((offer) => judge(request, offer, rules));
  const [best = null] = judged.flatMap(({ candidate }) => candidate ?? []).sort((a, b) => compare(a, b, rules.scoreOf));
  return {
    asked: judged.map(({ asked }) => (asked.provider === best?.provider ? { ...asked, status: "best" } : asked)),
    best,
    nothing: best === null && judged.some(({ nothing }) => nothing),
  };
};
