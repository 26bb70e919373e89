import { convertIndicative, fromMinor, type MoneyJson, toMinor } from "../../schema/money.ts";
import { misfitOf } from "../../schema/quote-fit.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import { type Refused, reject } from "../../schema/rejections.ts";
import type { AcceptedTerms, DeskAnswer, DeskOp, QuoteRecord, QuoteStatus } from "../../schema/rpc/desk.ts";
import type { DeskEvent } from "./events.ts";
import type { DeskState } from "./state.ts";

/** A quote as it was given; its status follows from its deal and the clock. */
export type QuoteTerms = Omit<QuoteRecord, "status"> & {
  /** The provider's id of its quote, and until when the desk holds it firm, milliseconds. */
  provider_quote: string;
  firm_until: number;
};

/** A quote and the saga that accepted it, if any has. */
export type Quote = { terms: QuoteTerms; expiresAt: number; saga: string | null };

/** What a saga has come to. `released` and `tombstone` are final; the latter was released before it accepted anything. */
export type Deal =
  | { saga: string; state: "accepted" | "released" | "converted"; charge: string; quote: QuoteTerms; eurMinor: bigint }
  | { saga: string; state: "tombstone" };

/** What an operation comes to. `change` null: nothing is written. */
export type Outcome = { answer: DeskAnswer; change: { event: DeskEvent; keep: Deal } | null };

type Accept = Extract<DeskOp, { op: "accept" }>;

const unchanged = (answer: DeskAnswer): Outcome => ({ answer, change: null });
const refused = (refusal: Refused): Outcome => unchanged(refusal);

/** What a position in this amount weighs against the limit: euro cents at the reference rates. */
export const eurMinorOf = (amount: MoneyJson): bigint =>
  convertIndicative(toMinor(amount), amount.currency, "EUR", REFERENCE_RATES);

/** Why no more of this can be taken on; null: it can. */
export const pastLimit = (state: DeskState, sell: MoneyJson, limitMinor: bigint): Refused | null =>
  state.exposure + eurMinorOf(sell) > limitMinor
    ? reject("no_firm_liquidity", "the desk has taken on all it may for now", { retry_after: 5 })
    : null;

export const termsOf = (quote: QuoteTerms): AcceptedTerms => {
  const { sell, buy, debit, rounding, rate, id, provider, fees, settled } = quote;
  return { sell, buy, debit, rounding, rate, quote: id, provider, fees, settled };
};

/** A quote's status by the desk's clock. Once accepted it does not expire. */
export const statusOf = ({ expiresAt, saga }: Quote, deal: Deal | null, nowMs: number): QuoteStatus => {
  if (saga === null) return nowMs < expiresAt ? "open" : "expired";
  // A deal that ended so long ago that its row is gone was converted or released; either way the quote is spent.
  if (deal === null || deal.state === "tombstone") return "released";
  return deal.state;
};

/**
 * Decides one acceptance. `quote`: the one named, or the one just given for an accept that names none. Guards, in this order:
 * 1. the saga has accepted before: the same terms again, whatever it names now; it has released: `quote_used`.
 * 2. no such quote, or another person's: `not_found`.
 * 3. accepted by another saga, whatever became of that: `quote_used`.
 * 4. past its time by the desk's clock: `quote_expired`.
 * 5. not for this charge: `misfitOf`.
 * 6. the position would pass its limit: `no_firm_liquidity`.
 * From here it must succeed, and the rate is fixed.
 */
export const decideAccept = (
  state: DeskState,
  known: Deal | null,
  quote: Quote | null,
  op: Accept,
  limitMinor: bigint,
  nowMs: number,
): Outcome => {
  if (known !== null) {
    return known.state === "tombstone" || known.state === "released"
      ? refused(reject("quote_used", "the rate of this charge was given back"))
      : unchanged({ ok: true, op: "accept", terms: termsOf(known.quote) });
  }
  if (quote === null || quote.terms.subject !== op.payer) return refused(reject("not_found", "no such quote"));
  if (quote.saga !== null) return refused(reject("quote_used", "this quote has been used"));
  if (nowMs >= quote.expiresAt) return refused(reject("quote_expired", "this quote has expired"));
  const wrong = misfitOf(quote.terms, op);
  if (wrong !== null) return refused(wrong);
  const full = pastLimit(state, quote.terms.sell, limitMinor);
  if (full !== null) return refused(full);
  const eurMinor = eurMinorOf(quote.terms.sell);
  const { id, sell, debit } = quote.terms;
  return {
    answer: { ok: true, op: "accept", terms: termsOf(quote.terms) },
    change: {
      event: {
        type: "quote.accepted",
        data: { saga: op.saga, charge: op.charge, quote: id, sell, debit, eur_equivalent: fromMinor(eurMinor, "EUR") },
      },
      keep: { saga: op.saga, state: "accepted", charge: op.charge, quote: quote.terms, eurMinor },
    },
  };
};

/**
 * Gives an accepted rate back. Again, or of a saga that accepted nothing: the same answer, the latter with a tombstone. Of a
 * converted one it is a bug of the caller's: `conflict`.
 */
export const decideRelease = (known: Deal | null, saga: string, reason: string): Outcome => {
  const answer: DeskAnswer = { ok: true, op: "release" };
  if (known === null) {
    return {
      answer,
      change: {
        event: { type: "quote.released", data: { saga, reason, given_back: null } },
        keep: { saga, state: "tombstone" },
      },
    };
  }
  if (known.state === "converted") return refused(reject("conflict", "a converted quote cannot be released"));
  if (known.state !== "accepted") return unchanged(answer);
  const { id: quote, sell, debit } = known.quote;
  const given_back = { quote, sell, debit, eur_equivalent: fromMinor(known.eurMinor, "EUR") };
  return {
    answer,
    change: {
      event: { type: "quote.released", data: { saga, reason, given_back } },
      keep: { ...known, state: "released" },
    },
  };
};

/** Marks an accepted rate executed. Again: the same answer. Of a saga that holds no rate it is a bug of the caller's: `conflict`. */
export const decideConvert = (known: Deal | null, saga: string): Outcome => {
  if (known?.state === "converted") return unchanged({ ok: true, op: "convert" });
  if (known?.state !== "accepted") return refused(reject("conflict", "this saga holds no rate to convert at"));
  const { id: quote, sell, debit } = known.quote;
  return {
    answer: { ok: true, op: "convert" },
    change: {
      event: { type: "quote.converted", data: { saga, quote, sell, debit } },
      keep: { ...known, state: "converted" },
    },
  };
};
