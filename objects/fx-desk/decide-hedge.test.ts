import { describe, expect, it } from "vitest";
import type { Deal } from "./decide.ts";
import { covers, fillOf, intend, nextStep, refusalOf, slippageOf, type TradeTerms } from "./decide-hedge.ts";
import { NOW, quoteTerms, tradeTermsOf } from "./desk.fixture.ts";

const quote = quoteTerms();
const deal: Exclude<Deal, { state: "tombstone" }> = {
  saga: "sag_1",
  state: "converted",
  charge: "chg_1",
  quote,
  eurMinor: 10_000n,
};
const terms: TradeTerms = tradeTermsOf(quote);
const usd = (amount: string) => ({ amount, currency: "USD" });
const fill = { provider_ref: "lpt_1", sell: quote.sell, buy: usd("110.00"), rate: "1.1" };

describe("covering a conversion", () => {
  it("trades the accepted quote first, while its provider stands by it, and asks anew afterwards", () => {
    expect(nextStep(deal, null, quote.firm_until - 1)).toEqual({ do: "trade", terms });
    expect(nextStep(deal, null, quote.firm_until)).toEqual({ do: "quote" });
    const { keep: intended } = intend(deal, null, "sag_h", terms, []);
    const { keep: refused } = refusalOf(deal, intended, "sag_h", "expired");
    expect(nextStep(deal, refused, NOW)).toEqual({ do: "quote" });
  });

  it("does nothing but ask while an attempt is under way, and nothing at all once one has filled", () => {
    const { keep: intended } = intend(deal, null, "sag_h", terms, []);
    expect(nextStep(deal, intended, NOW)).toEqual({ do: "resolve", hedge: intended });
    const { keep: filled } = fillOf(deal, intended, "sag_h", fill);
    expect(nextStep(deal, filled, NOW)).toEqual({
      do: "answer",
      answer: { outcome: "filled", provider: "lp-good", ...fill },
    });
    expect(() => intend(deal, intended, "sag_h", terms, [])).toThrow(/covered once/);
    expect(() => intend(deal, filled, "sag_h", terms, [])).toThrow(/covered once/);
  });

  it("gives each attempt a reference of its own", () => {
    const first = intend(deal, null, "sag_h", terms, []).keep;
    const second = intend(deal, refusalOf(deal, first, "sag_h", "no").keep, "sag_h", terms, []).keep;
    expect([first.reference, second.reference]).toEqual(["fxq_1.1", "fxq_1.2"]);
  });

  it("believes only a fill of all that was to be sold, into what was to be bought", () => {
    expect(covers(terms, fill)).toBe(true);
    expect(covers(terms, { ...fill, buy: usd("109.99") })).toBe(true);
    expect(covers(terms, { ...fill, sell: { amount: "99.99", currency: "EUR" } })).toBe(false);
    expect(covers(terms, { ...fill, sell: usd("100.00") })).toBe(false);
    expect(covers(terms, { ...fill, buy: { amount: "110.00", currency: "GBP" } })).toBe(false);
    expect(covers(terms, { ...fill, buy: usd("0.00") })).toBe(false);
    expect(covers(terms, { ...fill, buy: usd("92233720368547758.08") })).toBe(false);
  });

  it("measures slippage in hundredths of a basis point, rounded against the provider", () => {
    expect(slippageOf(usd("100.00"), usd("100.00"))).toBe(0n);
    expect(slippageOf(usd("100.00"), usd("99.99"))).toBe(100n);
    expect(slippageOf(usd("300.00"), usd("299.99"))).toBe(34n);
    expect(slippageOf(usd("300.00"), usd("300.01"))).toBe(-33n);
  });
});
