import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { exponentOf } from "./currency.ts";
import { convert, convertDown, convertUp, isRate, ratioOf, sellFor } from "./fx.ts";
import { fromMinor, MAX_MINOR, toMinor } from "./money.ts";

/** A currency of each exponent there is: 0, 2, 3 and 4. */
const CODES = ["JPY", "EUR", "BHD", "CLF"] as const;
const PAIRS = CODES.flatMap((sell) => CODES.map((buy) => [sell, buy] as const));
const rate = fc
  .tuple(fc.integer({ min: 0, max: 999_999 }), fc.integer({ min: 1, max: 999_999_999 }))
  .map(([whole, fraction]) => `${whole}.${String(fraction).padStart(9, "0")}`);
const minor = fc.oneof(fc.bigInt({ min: 1n, max: 1_000n }), fc.bigInt({ min: 1n, max: 10n ** 15n }));

describe("a rate", () => {
  it("is a positive decimal of at most twelve digits either side", () => {
    expect(["1", "0.5", "1.08710", "999999999999.999999999999"].every(isRate)).toBe(true);
    expect(["0", "0.0", "-1", "01", "1.", ".5", "1e3", " 1", "1000000000000", "0.0000000000001"].some(isRate)).toBe(
      false,
    );
    expect(() => ratioOf("0", "EUR", "USD")).toThrow(RangeError);
  });

  it("is a ratio of minor units in lowest terms", () => {
    expect(ratioOf("1.08710", "EUR", "USD")).toEqual({ num: 10_871n, den: 10_000n });
    expect(ratioOf("0.006", "JPY", "EUR")).toEqual({ num: 3n, den: 5n });
    expect(ratioOf("178.91", "EUR", "JPY")).toEqual({ num: 17_891n, den: 10_000n });
  });

  it("is exact where a float is not", () => {
    expect(convertDown(12_345_678_901_234_567n, ratioOf("1.0871", "EUR", "EUR"))).toBe(13_420_987_533_532_097n);
  });
});

describe("a conversion", () => {
  it.each(PAIRS)("from %s to %s makes and loses nothing", (sell, buy) => {
    fc.assert(
      fc.property(minor, rate, (sold, price) => {
        const found = convert(fromMinor(sold, sell), buy, price);
        const exact = sold * BigInt(price.replace(".", "")) * 10n ** BigInt(exponentOf(buy));
        const unit = 10n ** 9n * 10n ** BigInt(exponentOf(sell));
        const down = exact / unit;
        const up = exact % unit === 0n ? down : down + 1n;
        if (down < 1n || up > MAX_MINOR) {
          expect(found).toBeNull();
          return;
        }
        if (found === null) throw new Error("nothing came out");
        expect([toMinor(found.buy), toMinor(found.debit)]).toEqual([down, up]);
        expect(toMinor(found.debit)).toBe(toMinor(found.buy) + toMinor(found.rounding));
        expect(toMinor(found.rounding) <= 1n).toBe(true);
      }),
    );
  });

  it.each(PAIRS)("there and back, %s to %s, never gains", (sell, buy) => {
    fc.assert(
      fc.property(minor, rate, (sold, price) => {
        const there = ratioOf(price, sell, buy);
        const back = { num: there.den, den: there.num };
        expect(convertDown(convertDown(sold, there), back) <= sold).toBe(true);
      }),
    );
  });

  it.each(PAIRS)("that must buy an amount, %s to %s, sells as little as buys it", (sell, buy) => {
    fc.assert(
      fc.property(minor, rate, (wanted, price) => {
        const ratio = ratioOf(price, sell, buy);
        const sold = sellFor(wanted, ratio);
        expect(convertDown(sold, ratio) >= wanted).toBe(true);
        expect(convertDown(sold - 1n, ratio) < wanted).toBe(true);
        expect(convertUp(sold, ratio) >= wanted).toBe(true);
      }),
    );
  });

  it("of which nothing would come out, or too much, is none", () => {
    expect(convert({ amount: "1", currency: "JPY" }, "EUR", "0.006")).toBeNull();
    expect(convert({ amount: "9000000000000000.00", currency: "EUR" }, "JPY", "178000")).toBeNull();
  });
});
