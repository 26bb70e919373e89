import { expect, test } from "vitest";
import { CURRENCIES } from "./currency.ts";
import { convertIndicative } from "./money.ts";
import { AS_OF, REFERENCE_RATES } from "./reference-rates.ts";

test("every payment currency has one reference rate, and nothing else has", () => {
  expect(Object.keys(REFERENCE_RATES).sort()).toEqual(Object.keys(CURRENCIES).sort());
  expect(REFERENCE_RATES.EUR).toBe("1");
  expect(AS_OF).toMatch(/^20[0-9]{2}-[01][0-9]-[0-3][0-9]$/);
});

test("the rates are plain positive decimals", () => {
  for (const rate of Object.values(REFERENCE_RATES)) {
    expect(rate).toMatch(/^(0|[1-9][0-9]*)(\.[0-9]+)?$/);
    expect(Number(rate)).toBeGreaterThan(0.01);
    expect(Number(rate)).toBeLessThan(1e7);
  }
});

test("money pegged one to one to other money has its rate", () => {
  const pegs = {
    BMD: "USD",
    BSD: "USD",
    PAB: "USD",
    USN: "USD",
    LSL: "ZAR",
    NAD: "ZAR",
    SZL: "ZAR",
    XAF: "XOF",
    CHW: "CHF",
  };
  for (const [code, anchor] of Object.entries(pegs)) expect(REFERENCE_RATES[code]).toBe(REFERENCE_RATES[anchor]);
});

test("any balance can be put into any currency", () => {
  for (const code of Object.keys(CURRENCIES)) {
    expect(convertIndicative(10n ** 12n, code, "EUR", REFERENCE_RATES) > 0n).toBe(true);
    expect(convertIndicative(10n ** 12n, "EUR", code, REFERENCE_RATES) > 0n).toBe(true);
  }
});
