import { describe, expect, test } from "vitest";
import { CURRENCIES, exponentOf, isCurrency } from "./currency.ts";

const withExponent = (exponent: number) => Object.keys(CURRENCIES).filter((code) => exponentOf(code) === exponent);

describe("the currency table", () => {
  test("has the 165 active ISO 4217 codes with a minor unit, each once", () => {
    expect(Object.keys(CURRENCIES)).toHaveLength(165);
    expect(Object.keys(CURRENCIES).every((code) => /^[A-Z]{3}$/.test(code))).toBe(true);
    expect([0, 2, 3, 4].map((exponent) => withExponent(exponent).length)).toEqual([17, 139, 7, 2]);
  });

  test("follows the standard where Intl does not", () => {
    const table = {
      IQD: 3,
      HUF: 2,
      IDR: 2,
      COP: 2,
      PKR: 2,
      LBP: 2,
      IRR: 2,
      JPY: 0,
      ISK: 0,
      UYI: 0,
      CLF: 4,
      UYW: 4,
      CLP: 0,
    };
    for (const [code, exponent] of Object.entries(table)) expect([code, exponentOf(code)]).toEqual([code, exponent]);
  });

  test("has the three-decimal currencies complete", () => {
    expect(withExponent(3)).toEqual(["BHD", "IQD", "JOD", "KWD", "LYD", "OMR", "TND"]);
  });

  test.each(["XCG", "ZWG", "SLE", "VED", "XAD", "XCD", "XOF"])("accepts %s", (code) => {
    expect(isCurrency(code)).toBe(true);
  });

  test.each(["ANG", "BGN", "HRK", "SLL", "ZWL", "CUC"])("no longer accepts the withdrawn %s", (code) => {
    expect(isCurrency(code)).toBe(false);
  });

  test.each("XAG XAU XBA XBB XBC XBD XDR XPD XPT XSU XTS XUA XXX".split(" "))("takes no payment in %s", (code) => {
    expect(isCurrency(code)).toBe(false);
  });

  test.each(["", "eur", "Eur", " EUR", "EURO", "constructor", "__proto__", "toString", "hasOwnProperty"])(
    "finds no currency called %j",
    (code) => {
      expect(isCurrency(code)).toBe(false);
      expect(() => exponentOf(code)).toThrow(/unknown currency/);
    },
  );

  test("cannot be changed", () => {
    expect(Object.isFrozen(CURRENCIES)).toBe(true);
    expect(Object.values(CURRENCIES).every((entry) => Object.isFrozen(entry))).toBe(true);
  });
});
