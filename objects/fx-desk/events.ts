import type { Fee } from "../../schema/charges.ts";
import type { MoneyJson } from "../../schema/money.ts";
import type { CompetingQuote } from "../../schema/rpc/desk.ts";

/** What a provider that was asked did, as an event has it. Without `latency_ms` it says nothing of the provider's service. */
export type Asked = CompetingQuote & { latency_ms?: string };

/** Data of the desk's events. Each carries the figures the fold needs, so that the fold holds no list of quotes or sagas. */
export type DeskEventData = {
  /** Providers were asked, and no quote came of it: none was firm in time, or the answer came after the quote was given. */
  "providers.asked": { asked: Asked[] };
  "quote.given": {
    quote: string;
    subject: string;
    pod: string | null;
    sell: MoneyJson;
    buy: MoneyJson;
    debit: MoneyJson;
    rounding: MoneyJson;
    rate: string;
    fees: Fee[];
    settled: MoneyJson;
    provider: string;
    /** The provider's id of its quote, and until when the desk holds it firm. */
    provider_quote: string;
    firm_until: string;
    competing: Asked[];
    expires_at: string;
  };
  "quote.accepted": {
    saga: string;
    charge: string;
    quote: string;
    sell: MoneyJson;
    debit: MoneyJson;
    eur_equivalent: MoneyJson;
  };
  /** `given_back` null: nothing had been accepted, and a late accept will be refused. */
  "quote.released": {
    saga: string;
    reason: string;
    given_back: { quote: string; sell: MoneyJson; debit: MoneyJson; eur_equivalent: MoneyJson } | null;
  };
  "quote.converted": { saga: string; quote: string; sell: MoneyJson; debit: MoneyJson };
  /** In the log before the call leaves. `asked`: whom a new quote was asked of; empty where the accepted one is traded. */
  "hedge.intended": {
    saga: string;
    hedge: string;
    attempt: string;
    reference: string;
    provider: string;
    provider_quote: string;
    sell: MoneyJson;
    buy: MoneyJson;
    rate: string;
    asked: Asked[];
  };
  /** `slippage`: what the fill falls short of its quote, in hundredths of a basis point; negative where it exceeds it. */
  "hedge.filled": {
    saga: string;
    hedge: string;
    reference: string;
    provider: string;
    provider_ref: string;
    sell: MoneyJson;
    buy: MoneyJson;
    rate: string;
    slippage: string;
    eur_equivalent: MoneyJson;
  };
  "hedge.refused": { saga: string; hedge: string; reference: string; provider: string; detail: string };
};

export type DeskEvent = { [T in keyof DeskEventData]: { type: T; data: DeskEventData[T] } }[keyof DeskEventData];
