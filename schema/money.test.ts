import Big from "big.js";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { z } from "zod";
import { CURRENCIES, exponentOf } from "./currency.ts";
import {
  addChecked,
  canonicalMoney,
  convertIndicative,
  feeOf,
  figureOf,
  formatMinor,
  fromMinor,
  inRange,
  MAX_MINOR,
  moneySchema,
  parseMinor,
  toMinor,
  toSignedMinor,
} from "./money.ts";

const currencies = fc.oneof(fc.constantFrom("JPY", "EUR", "KWD", "CLF"), fc.constantFrom(...Object.keys(CURRENCIES)));
const amounts = fc.oneof(fc.constantFrom(0n, 1n, 9n, 10n, MAX_MINOR - 1n, MAX_MINOR), fc.bigInt(0n, MAX_MINOR));

/** The paths and codes that the schema complains of; empty when it accepts. */
function complaints(input: unknown): string[] {
  const result = moneySchema.safeParse(input);
  return result.success ? [] : result.error.issues.map((issue) => issue.path.join("/"));
}

describe("money on the wire", () => {
  test("comes back as it went out, in every currency, up to 2^63-1 minor units", () => {
    fc.assert(
      fc.property(amounts, currencies, (minor, currency) => {
        const money = fromMinor(minor, currency);
        expect(moneySchema.parse(money)).toEqual(money);
        expect(toMinor(money)).toBe(minor);
        expect(canonicalMoney(money)).toEqual(money);
        expect(money.amount.split(".")[1]?.length ?? 0).toBe(exponentOf(currency));
        expect(parseMinor(formatMinor(-minor, currency), currency, { signed: true })).toBe(-minor);
      }),
      { numRuns: 500 },
    );
  });

  test.each([
    [MAX_MINOR, "JPY", "9223372036854775807"],
    [MAX_MINOR, "EUR", "92233720368547758.07"],
    [MAX_MINOR, "KWD", "9223372036854775.807"],
    [MAX_MINOR, "CLF", "922337203685477.5807"],
    [0n, "EUR", "0.00"],
    [0n, "JPY", "0"],
    [5n, "EUR", "0.05"],
    [1n, "CLF", "0.0001"],
    [-5n, "EUR", "-0.05"],
    [-1200n, "JPY", "-1200"],
  ])("%d minor units of %s read %s", (minor, currency, amount) => {
    expect(formatMinor(minor, currency)).toBe(amount);
    expect(parseMinor(amount, currency, { signed: true })).toBe(minor);
  });

  test.each([
    ["12", "EUR", 1200n, "12.00"],
    ["12.3", "EUR", 1230n, "12.30"],
    ["0.5", "KWD", 500n, "0.500"],
    ["7", "CLF", 70000n, "7.0000"],
    ["7", "JPY", 7n, "7"],
  ])("missing decimals are filled up: %s %s is %d minor units", (amount, currency, minor, canonical) => {
    expect(toMinor({ amount, currency })).toBe(minor);
    expect(canonicalMoney({ amount, currency })).toEqual({ amount: canonical, currency });
  });

  test("a figure is read however large it has become, and with its sign", () => {
    expect(figureOf("27670116110564327421", "ISK")).toBe(3n * MAX_MINOR);
    expect(figureOf("-92233720368547758.08", "EUR")).toBe(-MAX_MINOR - 1n);
    fc.assert(
      fc.property(
        fc.bigInt(-(2n ** 127n), 2n ** 127n),
        fc.constantFrom("JPY", "EUR", "KWD", "CLF"),
        (minor, currency) => {
          expect(figureOf(formatMinor(minor, currency), currency)).toBe(minor);
        },
      ),
    );
    for (const text of ["", "-", "--1", "1.", "01", "1.001", "1e3", "9".repeat(40)]) {
      expect(() => figureOf(text, "EUR")).toThrow("not a figure in EUR");
    }
    expect(() => figureOf("1", "XXX")).toThrow("not a figure in XXX");
  });

  test("zero and amounts past 2^63-1 are well formed but out of range", () => {
    for (const amount of ["0", "0.00", "92233720368547758.08", "9999999999999999999.99"]) {
      expect(complaints({ amount, currency: "EUR" })).toEqual([]);
      expect(inRange(toMinor({ amount, currency: "EUR" }))).toBe(false);
    }
    expect(toMinor({ amount: "9999999999999999999.99", currency: "EUR" })).toBe(999999999999999999999n);
    expect([inRange(-1n), inRange(1n), inRange(MAX_MINOR), inRange(MAX_MINOR + 1n)]).toEqual([
      false,
      true,
      true,
      false,
    ]);
  });

  test.each(
    [
      [
        "",
        "1e3",
        "1E3",
        "+1",
        "-1",
        "-0",
        " 1",
        "1 ",
        "1\n",
        "1.234",
        "1.00000",
        "12.",
        ".5",
        ".",
        "012",
        "00",
        "00.5",
      ],
      [
        "1,00",
        "1_000",
        "0x10",
        "NaN",
        "Infinity",
        "١",
        "１",
        "1.2.3",
        "10000000000000000000",
        "1".repeat(20),
        "0".repeat(19),
      ],
    ].flat(),
  )("an amount of %j EUR is refused at /amount", (amount) => {
    expect(complaints({ amount, currency: "EUR" })).toEqual(["amount"]);
    expect(parseMinor(amount, "EUR")).toBeNull();
    expect(() => toMinor({ amount, currency: "EUR" })).toThrow(/not valid money/);
  });

  test.each([1, 1.5, 0, 1n, null, undefined, true, {}, ["1"]])(
    "an amount that is no string (%s) is refused",
    (amount) => {
      expect(complaints({ amount, currency: "EUR" })).toEqual(["amount"]);
    },
  );

  test.each([
    ["1.0", "JPY"],
    ["1.0000", "KWD"],
    ["1.00000", "CLF"],
  ])("%s has too many decimals for %s, even of zeros", (amount, currency) => {
    expect(complaints({ amount, currency })).toEqual(["amount"]);
    expect(parseMinor(amount, currency, { signed: true })).toBeNull();
  });

  test.each(["", "eur", "EURO", "ABC", "XAU", "XXX", "BGN", "constructor", "__proto__", 978, null, undefined])(
    "the currency %j is refused at /currency",
    (currency) => {
      expect(complaints({ amount: "1.00", currency })).toEqual(["currency"]);
    },
  );

  test("an unknown currency is no amount to the parser and a bug to the formatter", () => {
    expect(parseMinor("1", "ABC")).toBeNull();
    expect(() => formatMinor(1n, "ABC")).toThrow(/unknown currency/);
  });

  test("both fields are told of at once", () => {
    expect(complaints({ amount: "1e3", currency: "eur" })).toEqual(["amount", "currency"]);
  });

  test("a field too many, a field too few and no object are refused", () => {
    expect(moneySchema.safeParse({ amount: "1", currency: "EUR", exponent: 2 }).success).toBe(false);
    expect(complaints({ currency: "EUR" })).toEqual(["amount"]);
    expect(complaints({ amount: "1" })).toEqual(["currency"]);
    for (const input of [null, undefined, "1.00 EUR", 1, [], ["1", "EUR"]]) expect(complaints(input)).toEqual([""]);
  });

  test("a sign is read only where it is asked for, and only one", () => {
    expect(parseMinor("-1.00", "EUR", { signed: true })).toBe(-100n);
    expect(parseMinor("-1.00", "EUR")).toBeNull();
    expect(parseMinor("--1.00", "EUR", { signed: true })).toBeNull();
    expect(parseMinor("+1.00", "EUR", { signed: true })).toBeNull();
  });

  test("the schema can be published as JSON Schema", () => {
    expect(z.toJSONSchema(moneySchema)).toMatchObject({ type: "object", additionalProperties: false });
  });
});

describe("sums", () => {
  test("are exact up to the limit and stop there", () => {
    expect(addChecked(MAX_MINOR, 0n)).toBe(MAX_MINOR);
    expect(addChecked(MAX_MINOR - 1n, 1n)).toBe(MAX_MINOR);
    expect(addChecked(-MAX_MINOR, MAX_MINOR)).toBe(0n);
    expect(() => addChecked(MAX_MINOR, 1n)).toThrow(RangeError);
    expect(() => addChecked(-MAX_MINOR, -1n)).toThrow(RangeError);
  });
});

describe("fees", () => {
  test.each([
    [10000n, "0.015", 150n],
    [100n, "0.005", 1n],
    [99n, "0.005", 0n],
    [33n, "0.015", 0n],
    [34n, "0.015", 1n],
    [0n, "0.015", 0n],
    [1n, "0.5", 1n],
    [MAX_MINOR, "1", MAX_MINOR],
    [MAX_MINOR, "0", 0n],
    [MAX_MINOR, "0.015", 138350580552821637n],
  ])("on %d at %s are %d, halves rounded up", (minor, rate, fee) => {
    expect(feeOf(minor, rate)).toBe(fee);
  });

  test("are exact, never negative and never more than the amount", () => {
    fc.assert(
      fc.property(amounts, fc.bigInt(0n, 10n ** 6n), (minor, millionths) => {
        const rate = millionths === 10n ** 6n ? "1" : `0.${millionths.toString().padStart(6, "0")}`;
        const fee = feeOf(minor, rate);
        expect(fee).toBe((minor * millionths * 2n + 10n ** 6n) / (2n * 10n ** 6n));
        expect(fee >= 0n && fee <= minor).toBe(true);
      }),
    );
  });

  test.each(["", "-0.1", "1.1", "2", ".5", "1e-2", "1.5%", "0.", "00.1"])("have no rate %j", (rate) => {
    expect(() => feeOf(100n, rate)).toThrow(RangeError);
  });

  test("are not taken from a negative amount", () => {
    expect(() => feeOf(-1n, "0.015")).toThrow(RangeError);
  });
});

describe("indicative conversion", () => {
  const rates = { EUR: "1", USD: "1.25", JPY: "160", KWD: "0.35", CLF: "0.027" };

  test.each([
    [10000n, "EUR", "USD", 12500n],
    [12500n, "USD", "EUR", 10000n],
    [10000n, "EUR", "JPY", 16000n],
    [160n, "JPY", "EUR", 100n],
    [100n, "EUR", "KWD", 350n],
    [100n, "EUR", "CLF", 270n],
    [100n, "EUR", "EUR", 100n],
  ])("minds the decimals of both: %d %s → %s", (minor, from, to, expected) => {
    expect(convertIndicative(minor, from, to, rates)).toBe(expected);
    expect(convertIndicative(-minor, from, to, rates)).toBe(-expected);
  });

  test("rounds once, halves to the even unit", () => {
    fc.assert(
      fc.property(fc.oneof(fc.bigInt(0n, 400n), amounts), (minor) => {
        const [numerator, denominator] = [minor * 100n, 125n];
        const [floor, twice] = [numerator / denominator, (numerator % denominator) * 2n];
        const up = twice > denominator || (twice === denominator && floor % 2n === 1n);
        expect(convertIndicative(minor, "USD", "EUR", rates)).toBe(up ? floor + 1n : floor);
      }),
    );
    const half = { EUR: "1", USD: "0.5" };
    expect([1n, 3n, 5n, 7n, -1n, -3n].map((minor) => convertIndicative(minor, "EUR", "USD", half))).toEqual([
      0n,
      2n,
      2n,
      4n,
      0n,
      -2n,
    ]);
  });

  test("needs a rate for both currencies", () => {
    expect(() => convertIndicative(1n, "EUR", "GBP", rates)).toThrow(/no reference rate for GBP/);
    expect(() => convertIndicative(1n, "constructor", "EUR", rates)).toThrow(/unknown currency/);
  });

  test("leaves the shared big.js constructor as it was", () => {
    expect([Big.DP, Big.RM, Big.strict]).toEqual([20, 1, false]);
  });
});

describe("money that may be negative", () => {
  test.each([
    ["-12.34", "EUR", -1_234n],
    ["12.34", "EUR", 1_234n],
    ["-1", "JPY", -1n],
    ["-0.00", "EUR", 0n],
  ])("%s %s", (amount, currency, minor) => {
    expect(toSignedMinor({ amount, currency })).toBe(minor);
  });

  test.each([
    ["--1.00", "EUR"],
    ["-1.001", "EUR"],
    ["1.00", "EUX"],
  ])("is not %s %s", (amount, currency) => {
    expect(() => toSignedMinor({ amount, currency })).toThrow("not valid money");
  });
});
