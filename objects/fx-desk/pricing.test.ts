import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { convertDown, ratioOf } from "../../schema/fx.ts";
import { formatMinor, toMinor } from "../../schema/money.ts";
import { conversionAt, inBand, isTooLarge, type Offer, price } from "./pricing.ts";
import type { FirmRequest } from "./providers/adapter.ts";

const SELL_100: FirmRequest = { sell: { currency: "EUR", amount: "100.00" }, buy: { currency: "USD", amount: null } };
const BUY_100: FirmRequest = { sell: { currency: "EUR", amount: null }, buy: { currency: "USD", amount: "100.00" } };
const RULES = { bandBps: 150, leastFirmMs: 6_000, askedMs: 10, scoreOf: () => 1 };

const firm = (provider: string, rate: string, request: FirmRequest = SELL_100, change: object = {}): Offer => {
  const conversion = conversionAt(request, rate);
  const none = { amount: "0.00", currency: "USD" };
  const terms = { sell: conversion?.sell ?? none, buy: conversion?.buy ?? none, rate, quote: `q_${provider}` };
  return { provider, latencyMs: 10, answer: { outcome: "firm", firmMs: 60_000, ...terms, ...change } };
};
const silent = (provider: string, outcome: "late" | "refused" | "unreachable"): Offer => ({
  provider,
  latencyMs: 801,
  answer: { outcome },
});

const told = (request: FirmRequest, offers: Offer[]) => {
  const { asked, best } = price(request, offers, RULES);
  return { statuses: asked.map(({ provider, status }) => `${provider} ${status}`), best };
};

describe("comparing what providers offer", () => {
  it("takes what buys the customer most, and shows what became of everybody", () => {
    const offers = [
      firm("a", "1.1300"),
      firm("b", "1.1340"),
      firm("c", "1.1930"),
      silent("d", "late"),
      silent("e", "refused"),
      silent("f", "unreachable"),
      { provider: "g", latencyMs: null, answer: { outcome: "not_asked" as const } },
    ];
    const { statuses, best } = told(SELL_100, offers);
    expect(statuses).toEqual([
      "a beaten",
      "b best",
      "c off_market",
      "d late",
      "e refused",
      "f unreachable",
      "g not_asked",
    ]);
    expect(best?.conversion).toMatchObject({ buy: { amount: "113.40" }, rate: "1.1340" });
  });

  it("takes what costs the customer least where the bought amount is given", () => {
    const { best } = told(BUY_100, [firm("a", "1.1300", BUY_100), firm("b", "1.1340", BUY_100)]);
    expect(best).toMatchObject({ provider: "b", conversion: { sell: { amount: "88.19" }, buy: { amount: "100.00" } } });
  });

  it("of two that are equal takes the one with the better score, then the first by name", () => {
    const offers = [firm("b", "1.1300"), firm("a", "1.1300")];
    expect(price(SELL_100, offers, RULES).best?.provider).toBe("a");
    const scoreOf = (name: string) => (name === "b" ? 2 : 1);
    expect(price(SELL_100, offers, { ...RULES, scoreOf }).best?.provider).toBe("b");
  });

  it("takes nothing off the market, however good it looks, and nothing that is firm too shortly", () => {
    expect(told(SELL_100, [firm("a", "1.2000"), firm("b", "1.0900")])).toMatchObject({
      statuses: ["a off_market", "b off_market"],
      best: null,
    });
    expect(told(SELL_100, [firm("a", "1.1300", SELL_100, { firmMs: 6_010 })]).statuses).toEqual(["a refused"]);
    expect(told(SELL_100, [firm("a", "1.1300", SELL_100, { firmMs: 6_011 })]).statuses).toEqual(["a best"]);
  });

  it("counts what a quote is still firm for from when it was asked, whoever else was waited for", () => {
    const offer = firm("a", "1.1300", SELL_100, { firmMs: 6_800 });
    const statusAfter = (askedMs: number) => price(SELL_100, [offer], { ...RULES, askedMs }).asked[0]?.status;
    expect([statusAfter(799), statusAfter(800)]).toEqual(["best", "refused"]);
  });

  it("does not believe amounts that do not follow from the provider's own rate", () => {
    const more = { buy: { amount: "113.01", currency: "USD" } };
    expect(told(SELL_100, [firm("a", "1.1300", SELL_100, more)]).statuses).toEqual(["a refused"]);
  });

  it("says that nothing would come out only when nobody's rate makes something of it", () => {
    const yen: FirmRequest = { sell: { currency: "JPY", amount: "1" }, buy: { currency: "EUR", amount: null } };
    expect(price(yen, [firm("a", "0.00558", yen)], RULES)).toMatchObject({ best: null, nothing: true });
    const huge: FirmRequest = {
      sell: { currency: "EUR", amount: null },
      buy: { currency: "VND", amount: "9223372036854700000" },
    };
    expect(price(huge, [firm("a", "29479", huge)], RULES).best?.provider).toBe("a");
    const back: FirmRequest = {
      sell: { currency: "VND", amount: null },
      buy: { currency: "EUR", amount: "92233720368547758.07" },
    };
    expect(price(back, [firm("a", "0.0000339224", back)], RULES)).toMatchObject({ best: null, nothing: true });
    expect(price(SELL_100, [silent("a", "late")], RULES)).toMatchObject({ best: null, nothing: false });
  });
});

describe("more than an account holds", () => {
  const most = "92233720368547758.07";
  const within = (change: object) => isTooLarge({ ...SELL_100, ...change }, 150);
  const dong = { currency: "VND", amount: null };

  it("is sold or bought at no rate of the market, so that nobody need be asked", () => {
    expect(within({ sell: { currency: "EUR", amount: most }, buy: dong })).toBe(true);
    expect(within({ sell: dong, buy: { currency: "EUR", amount: most } })).toBe(true);
    expect(within({ sell: { currency: "EUR", amount: most }, buy: { currency: "GBP", amount: null } })).toBe(false);
    expect(within({ sell: { currency: "GBP", amount: null }, buy: { currency: "EUR", amount: most } })).toBe(false);
  });

  it("is not what only some rates of the market come to", () => {
    // At the lowest rate of the band, 1.1361 × 0.985, the most dollars there can be cost 82,420,821,046,038,038.28 euros.
    const buy = { currency: "USD", amount: null };
    expect(within({ sell: { currency: "EUR", amount: "82400000000000000.00" }, buy })).toBe(false);
    expect(within({ sell: { currency: "EUR", amount: "82500000000000000.00" }, buy })).toBe(true);
  });
});

describe("the reference band", () => {
  it("ends exactly where it says: 1.1361 × (1 ± 1.5 %)", () => {
    expect(inBand("1.1531415", "EUR", "USD", 150)).toBe(true);
    expect(inBand("1.153141500001", "EUR", "USD", 150)).toBe(false);
    expect(inBand("1.1190585", "EUR", "USD", 150)).toBe(true);
    expect(inBand("1.119058499999", "EUR", "USD", 150)).toBe(false);
  });

  it("is taken of the cross rate where neither side is the euro", () => {
    // 178.91 / 1.1361 = 157.4773…
    expect(inBand("157.477", "USD", "JPY", 1)).toBe(true);
    expect(inBand("157.50", "USD", "JPY", 1)).toBe(false);
  });
});

const rateArb = fc
  .tuple(fc.integer({ min: 1, max: 999 }), fc.integer({ min: 0, max: 999_999 }))
  .map(([whole, part]) => `${whole}.${String(part).padStart(6, "0")}`);

describe("a conversion", () => {
  it("for a bought amount costs the least that buys at least that", () => {
    fc.assert(
      fc.property(rateArb, fc.bigInt(1n, 10n ** 12n), (rate, wanted) => {
        const request: FirmRequest = {
          sell: { currency: "EUR", amount: null },
          buy: { currency: "JPY", amount: formatMinor(wanted, "JPY") },
        };
        const conversion = conversionAt(request, rate) ?? expect.unreachable();
        const sold = toMinor(conversion.sell);
        expect(toMinor(conversion.buy) >= wanted).toBe(true);
        expect(convertDown(sold - 1n, ratioOf(rate, "EUR", "JPY")) < wanted).toBe(true);
      }),
    );
  });
});
