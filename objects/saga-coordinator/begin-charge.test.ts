import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CURRENCIES } from "../../schema/currency.ts";
import { fromMinor, MAX_MINOR, toMinor } from "../../schema/money.ts";
import { chargeLegs, feeRates, settle } from "./begin-charge.ts";
import { POD } from "./testing/stories.ts";

const currency = fc.constantFrom(...Object.keys(CURRENCIES));
const minor = fc.oneof(fc.bigInt({ min: 1n, max: 200n }), fc.bigInt({ min: 1n, max: MAX_MINOR }));
const rate = fc
  .integer({ min: 0, max: 999_999 })
  .map((millionths) => ({ psp: `0.${String(millionths).padStart(6, "0")}` }));

describe("fees", () => {
  it("ship with 1.5 %", () => {
    expect(feeRates(undefined)).toEqual({ psp: "0.015" });
    expect(feeRates("")).toEqual({ psp: "0.015" });
    expect(settle({ amount: "20.00", currency: "EUR" }, feeRates(undefined))).toEqual({
      settled: { amount: "19.70", currency: "EUR" },
      fees: [{ name: "psp", amount: { amount: "0.30", currency: "EUR" } }],
    });
  });

  it("are configured, none at all included", () => {
    expect(feeRates('{"psp":"0.02"}')).toEqual({ psp: "0.02" });
    expect(feeRates('{"psp":"0"}')).toEqual({ psp: "0" });
  });

  it.each(["{", '{"psp":1}', '{"psp":"1.5"}', '{"psp":"-0.1"}', "{}", '{"psp":"0.1","fx":"0.1"}'])(
    "written as %s stop the object as it wakes",
    (setting) => {
      expect(() => feeRates(setting)).toThrow();
    },
  );

  it("are rounded half up to the minor unit", () => {
    const feeOf = (amount: string, code: string) =>
      settle({ amount, currency: code }, { psp: "0.015" }).fees[0]?.amount.amount;
    expect([feeOf("0.33", "EUR"), feeOf("0.34", "EUR"), feeOf("33", "JPY"), feeOf("34", "JPY")]).toEqual([
      "0.00",
      "0.01",
      "0",
      "1",
    ]);
  });

  it("and what is settled are together the amount, in every currency", () => {
    fc.assert(
      fc.property(currency, minor, rate, (code, gross, rates) => {
        const { settled, fees } = settle(fromMinor(gross, code), rates);
        const parts = [settled, ...fees.map((fee) => fee.amount)];
        expect(parts.reduce((sum, part) => sum + toMinor(part), 0n)).toBe(gross);
        expect(parts.every((part) => part.currency === code && toMinor(part) >= 0n)).toBe(true);
      }),
    );
  });
});

describe("the legs of a charge", () => {
  const legsOf = (gross: bigint, code: string, rates: { psp: string }, shard = 5) => {
    const amount = fromMinor(gross, code);
    const { settled, fees } = settle(amount, rates);
    return chargeLegs(POD, `psp:sandbox:${code}`, amount, settled, fees, shard);
  };

  it("sum to zero, none of them zero, whatever the amount, currency and rate", () => {
    fc.assert(
      fc.property(currency, minor, rate, fc.integer({ min: 0, max: 15 }), (code, gross, rates, shard) => {
        const legs = legsOf(gross, code, rates, shard);
        const sum = legs.reduce(
          (total, leg) => total + (leg.direction === "debit" ? toMinor(leg.amount) : -toMinor(leg.amount)),
          0n,
        );
        expect(sum).toBe(0n);
        expect(legs.every((leg) => toMinor(leg.amount) > 0n)).toBe(true);
        expect(legs.map((leg) => leg.index)).toEqual(legs.map((_, index) => String(index)));
      }),
    );
  });

  it("stand on the shard's own stripes, resolved for good", () => {
    expect(legsOf(10_000n, "EUR", { psp: "0.015" }, 6).map(({ account, direction }) => [account, direction])).toEqual([
      ["psp:sandbox:EUR#2", "debit"],
      [`pod:${POD}:EUR`, "credit"],
      ["fee:EUR#2", "credit"],
    ]);
  });

  it("leave out a fee of nothing, and a pod that gets nothing", () => {
    expect(legsOf(1n, "EUR", { psp: "0.015" }).map(({ account }) => account.split(":")[0])).toEqual(["psp", "pod"]);
    expect(legsOf(1n, "EUR", { psp: "0.9" }).map(({ account }) => account.split(":")[0])).toEqual(["psp", "fee"]);
  });
});
