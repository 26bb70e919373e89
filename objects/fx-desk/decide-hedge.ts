import { fromMinor, inRange, type MoneyJson, toMinor } from "../../schema/money.ts";
import type { HedgeAnswer } from "../../schema/rpc/desk.ts";
import type { Deal, QuoteTerms } from "./decide.ts";
import type { Asked, DeskEvent } from "./events.ts";
import type { Fill } from "./providers/adapter.ts";

/** What is to be traded at a provider: its quote, and the amounts of it. */
export type TradeTerms = {
  provider: string;
  provider_quote: string;
  sell: MoneyJson;
  buy: MoneyJson;
  rate: string;
};

/** The last attempt to cover a conversion. While one is `intended`, a trade may have been made, and nobody else is sent to. */
export type Hedge = { attempt: number; reference: string; terms: TradeTerms } & (
  | { stage: "intended" | "refused" }
  | { stage: "filled"; fill: Fill }
);

type Converted = Extract<Deal, { quote: QuoteTerms }>;

/** What to do for a conversion: nothing more, ask about the attempt under way, trade the accepted quote, or ask for a new one. */
export type HedgeStep =
  | { do: "answer"; answer: HedgeAnswer }
  | { do: "resolve"; hedge: Hedge }
  | { do: "trade"; terms: TradeTerms }
  | { do: "quote" };

export const filledAnswer = (provider: string, { provider_ref, sell, buy, rate }: Fill): HedgeAnswer => ({
  outcome: "filled",
  provider,
  provider_ref,
  sell,
  buy,
  rate,
});

/** The quote a charge was converted at is traded itself while the provider stands by it, and only by the first attempt. */
export const nextStep = ({ quote }: Converted, hedge: Hedge | null, nowMs: number): HedgeStep => {
  if (hedge?.stage === "filled") return { do: "answer", answer: filledAnswer(hedge.terms.provider, hedge.fill) };
  if (hedge?.stage === "intended") return { do: "resolve", hedge };
  if (hedge === null && nowMs < quote.firm_until) {
    const { provider, provider_quote, sell, buy, rate } = quote;
    return { do: "trade", terms: { provider, provider_quote, sell, buy, rate } };
  }
  return { do: "quote" };
};

export type HedgeChange = { event: DeskEvent; keep: Hedge };

/**
 * The intent of a trade. Its reference is derived from quote and attempt: no other trade of the desk's ever has it. Throws when
 * an attempt is under way or has filled: then nothing may be intended.
 */
export const intend = (
  deal: Converted,
  before: Hedge | null,
  hedge: string,
  terms: TradeTerms,
  asked: Asked[],
): HedgeChange & { keep: Hedge & { stage: "intended" | "refused" } } => {
  if (before !== null && before.stage !== "refused") throw new Error("a conversion is covered once");
  const attempt = (before?.attempt ?? 0) + 1;
  const reference = `${deal.quote.id}.${attempt}`;
  return {
    event: {
      type: "hedge.intended",
      data: { saga: deal.saga, hedge, attempt: String(attempt), reference, ...terms, asked },
    },
    keep: { attempt, reference, terms, stage: "intended" },
  };
};

const HUNDREDTHS = 1_000_000n;

/** What a fill falls short of its quote, hundredths of a basis point, rounded against the provider. */
export const slippageOf = (quoted: MoneyJson, bought: MoneyJson): bigint => {
  const whole = toMinor(quoted);
  const short = (whole - toMinor(bought)) * HUNDREDTHS;
  return short > 0n ? (short + whole - 1n) / whole : short / whole;
};

/** Whether a fill is of the trade that was meant: all that was to be sold, into the currency that was to be bought. */
export const covers = ({ sell, buy }: TradeTerms, fill: Fill): boolean =>
  fill.sell.currency === sell.currency &&
  toMinor(fill.sell) === toMinor(sell) &&
  fill.buy.currency === buy.currency &&
  inRange(toMinor(fill.buy));

/** The fill of the attempt under way. */
export const fillOf = (deal: Converted, under: Hedge, hedge: string, fill: Fill): HedgeChange => ({
  event: {
    type: "hedge.filled",
    data: {
      saga: deal.saga,
      hedge,
      reference: under.reference,
      provider: under.terms.provider,
      ...fill,
      slippage: String(slippageOf(under.terms.buy, fill.buy)),
      eur_equivalent: fromMinor(deal.eurMinor, "EUR"),
    },
  },
  keep: { attempt: under.attempt, reference: under.reference, terms: under.terms, stage: "filled", fill },
});

/** The attempt under way came to nothing, and never will. */
export const refusalOf = (deal: Converted, under: Hedge, hedge: string, detail: string): HedgeChange => ({
  event: {
    type: "hedge.refused",
    data: { saga: deal.saga, hedge, reference: under.reference, provider: under.terms.provider, detail },
  },
  keep: { attempt: under.attempt, reference: under.reference, terms: under.terms, stage: "refused" },
});
