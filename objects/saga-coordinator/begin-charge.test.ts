import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CURRENCIES } from "../../schema/currency.ts";
import { settle } from "../../schema/fees.ts";
import { fromMinor, MAX_MINOR, toMinor } from "../../schema/money.ts";
import { chargeLegs } from "./begin-charge.ts";
import { POD } from "./testing/stories.ts";

const currency = fc.constantFrom(...Object.keys(CURRENCIES));
const minor = fc.oneof(fc.bigInt({ min: 1n, max: 200n }), fc.bigInt({ min: 1n, max: MAX_MINOR }));
const rate = fc
  .integer({ min: 0, max: 999_999 })
  .map((millionths) => ({ psp: `0.${String(millionths).padStart(6, "0")}`, fx: "0.005" }));

describe("the legs of a charge", () => {
  const legsOf = (gross: bigint, code: string, psp: string, shard = 5) => {
    const amount = fromMinor(gross, code);
    const { settled, fees } = settle(amount, { psp, fx: "0" }, false);
    return chargeLegs(POD, `psp:sandbox:${code}`, amount, settled, fees, shard);
  };

  it("sum to zero, none of them zero, whatever the amount, currency and rate", () => {
    fc.assert(
      fc.property(currency, minor, rate, fc.integer({ min: 0, max: 15 }), (code, gross, rates, shard) => {
        const legs = legsOf(gross, code, rates.psp, shard);
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
    expect(legsOf(10_000n, "EUR", "0.015", 6).map(({ account, direction }) => [account, direction])).toEqual([
      ["psp:sandbox:EUR#2", "debit"],
      [`pod:${POD}:EUR`, "credit"],
      ["fee:EUR#2", "credit"],
    ]);
  });

  it("leave out a fee of nothing, and a pod that gets nothing", () => {
    expect(legsOf(1n, "EUR", "0.015").map(({ account }) => account.split(":")[0])).toEqual(["psp", "pod"]);
    expect(legsOf(1n, "EUR", "0.9").map(({ account }) => account.split(":")[0])).toEqual(["psp", "fee"]);
  });
});
