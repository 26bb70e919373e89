import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CURRENCIES } from "../../schema/currency.ts";
import { settle } from "../../schema/fees.ts";
import { convert } from "../../schema/fx.ts";
import { fromMinor, MAX_MINOR, toMinor } from "../../schema/money.ts";
import { chargeLegs, convertedLegs } from "./begin-charge.ts";
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

describe("the legs of a converted charge", () => {
  const byExponent = fc.constantFrom("JPY", "EUR", "USD", "KWD", "CLF");
  const wholesale = fc.integer({ min: 1, max: 2_000_000_000 }).map((units) => (units / 1_000_000).toFixed(6));
  const terms = (gross: bigint, sold: string, bought: string, exchange: string, psp: string, fx: string) => {
    const conversion = convert(fromMinor(gross, sold), bought, exchange);
    if (conversion === null) return null;
    return { ...conversion, ...settle(conversion.buy, { psp, fx }, true), quote: "fxq_1", provider: "lp-a" };
  };
  const by = (amount: ReturnType<typeof fromMinor>, type: "wallet" | "instrument") => ({
    pod: POD,
    payer: "alice",
    amount,
    source:
      type === "wallet"
        ? { type }
        : { type, connector: "sandbox", token: { sealed: "x", key: "k" }, fingerprint: "fp" },
  });

  it("sum to zero in each currency, none of them zero, and the rounding is at most a unit", () => {
    fc.assert(
      fc.property(
        fc.tuple(byExponent, byExponent).filter(([sold, bought]) => sold !== bought),
        fc.bigInt({ min: 1n, max: 10n ** 13n }),
        wholesale,
        rate,
        fc.constantFrom("wallet", "instrument"),
        ([sold, bought], gross, exchange, { psp, fx }, from) => {
          const accepted = terms(gross, sold, bought, exchange, psp, fx);
          fc.pre(accepted !== null);
          if (accepted === null) return;
          const legs = convertedLegs(by(fromMinor(gross, sold), from), accepted, 6);
          const sums = new Map<string, bigint>();
          for (const { amount, direction } of legs) {
            const minorUnits = direction === "debit" ? toMinor(amount) : -toMinor(amount);
            sums.set(amount.currency, (sums.get(amount.currency) ?? 0n) + minorUnits);
          }
          expect([...sums.values()]).toEqual([0n, 0n]);
          expect(legs.every((leg) => toMinor(leg.amount) > 0n)).toBe(true);
          expect(legs.map((leg) => leg.index)).toEqual(legs.map((_, index) => String(index)));
          const rounding = legs.filter(({ account }) => account.startsWith("rounding:"));
          expect(rounding.reduce((sum, { amount }) => sum + toMinor(amount), 0n)).toBeLessThanOrEqual(1n);
        },
      ),
    );
  });

  const legsFrom = (type: "wallet" | "instrument", exchange: string) => {
    const accepted = terms(10_000n, "EUR", "USD", exchange, "0.015", "0.005");
    if (accepted === null) throw new Error("nothing comes out");
    return convertedLegs(by(fromMinor(10_000n, "EUR"), type), accepted, 6).map(
      ({ account, direction, amount }) => `${direction} ${account} ${amount.amount}`,
    );
  };

  it("leave the unit between to the rounding account", () => {
    expect(legsFrom("instrument", "1.08712")).toEqual([
      "debit psp:sandbox:EUR#2 100.00",
      "credit fx:EUR#2 100.00",
      "debit fx:USD#2 108.72",
      `credit pod:${POD}:USD 106.54`,
      "credit fee:USD#2 1.63",
      "credit fee:USD#2 0.54",
      "credit rounding:USD#2 0.01",
    ]);
  });

  it("have no rounding where nothing is between, and come from the wallet where that pays", () => {
    expect(legsFrom("wallet", "1.08")).toEqual([
      "debit wallet:alice:EUR 100.00",
      "credit fx:EUR#2 100.00",
      "debit fx:USD#2 108.00",
      `credit pod:${POD}:USD 105.84`,
      "credit fee:USD#2 1.62",
      "credit fee:USD#2 0.54",
    ]);
  });
});
