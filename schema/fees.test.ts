import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CURRENCIES } from "./currency.ts";
import { feeRates, settle } from "./fees.ts";
import { fromMinor, MAX_MINOR, toMinor } from "./money.ts";

const currency = fc.constantFrom(...Object.keys(CURRENCIES));
const minor = fc.oneof(fc.bigInt({ min: 1n, max: 200n }), fc.bigInt({ min: 1n, max: MAX_MINOR }));
const share = fc.integer({ min: 0, max: 999_999 }).map((millionths) => `0.${String(millionths).padStart(6, "0")}`);

describe("fees", () => {
  it("ship with 1.5 %, and 0.5 % more on conversion", () => {
    expect(feeRates(undefined)).toEqual({ psp: "0.015", fx: "0.005" });
    expect(feeRates("")).toEqual({ psp: "0.015", fx: "0.005" });
    const amount = { amount: "20.00", currency: "EUR" };
    const psp = { name: "psp", amount: { amount: "0.30", currency: "EUR" } };
    const fx = { name: "fx", amount: { amount: "0.10", currency: "EUR" } };
    expect(settle(amount, feeRates(undefined), false)).toEqual({
      settled: { amount: "19.70", currency: "EUR" },
      fees: [psp],
    });
    expect(settle(amount, feeRates(undefined), true)).toEqual({
      settled: { amount: "19.60", currency: "EUR" },
      fees: [psp, fx],
    });
  });

  it("are configured, none at all included", () => {
    expect(feeRates('{"psp":"0.02"}')).toEqual({ psp: "0.02", fx: "0.005" });
    expect(feeRates('{"psp":"0","fx":"0"}')).toEqual({ psp: "0", fx: "0" });
  });

  it.each(["{", '{"psp":1}', '{"psp":"1.5"}', '{"psp":"-0.1"}', "{}", '{"psp":"0.1","other":"0.1"}'])(
    "written as %s stop the object as it wakes",
    (setting) => {
      expect(() => feeRates(setting)).toThrow();
    },
  );

  it("are rounded half up to the minor unit", () => {
    const feeOf = (amount: string, code: string) =>
      settle({ amount, currency: code }, { psp: "0.015", fx: "0" }, false).fees[0]?.amount.amount;
    expect([feeOf("0.33", "EUR"), feeOf("0.34", "EUR"), feeOf("33", "JPY"), feeOf("34", "JPY")]).toEqual([
      "0.00",
      "0.01",
      "0",
      "1",
    ]);
  });

  it("and what is settled are together the amount, whatever the rates and the currency", () => {
    fc.assert(
      fc.property(currency, minor, share, share, fc.boolean(), (code, gross, psp, fx, converted) => {
        const { settled, fees } = settle(fromMinor(gross, code), { psp, fx }, converted);
        const parts = [settled, ...fees.map((fee) => fee.amount)];
        expect(parts.reduce((sum, part) => sum + toMinor(part), 0n)).toBe(gross);
        expect(parts.every((part) => part.currency === code && toMinor(part) >= 0n)).toBe(true);
      }),
    );
  });
});
