import { z } from "zod";
import type { Fee } from "./charges.ts";
import { addChecked, feeOf, fromMinor, type MoneyJson, toMinor } from "./money.ts";

const rate = z.string().regex(/^0(?:\.\d{1,6})?$/);
const feesSchema = z.strictObject({ psp: rate, fx: rate.default("0.005") });

/** Our fees, as shares of the amount in the settled currency before fees. `fx` is taken on conversion only. */
export type FeeRates = z.infer<typeof feesSchema>;

const SHIPPED_FEES: FeeRates = { psp: "0.015", fx: "0.005" };

/** Fee rates from configuration (JSON such as `{"psp":"0.015","fx":"0.005"}`), or the shipped ones. Throws on anything else. */
export const feeRates = (setting: string | undefined): FeeRates =>
  setting === undefined || setting === "" ? SHIPPED_FEES : feesSchema.parse(JSON.parse(setting));

/** Amount less fees, and the fees, each rounded half up to the minor unit; together they never exceed the amount. */
export const settle = (amount: MoneyJson, rates: FeeRates, converted: boolean): { settled: MoneyJson; fees: Fee[] } => {
  const names: Fee["name"][] = converted ? ["psp", "fx"] : ["psp"];
  let rest = toMinor(amount);
  const fees = names.map((name): Fee => {
    let fee = feeOf(toMinor(amount), rates[name]);
    if (fee > rest) fee = rest;
    rest = addChecked(rest, -fee);
    return { name, amount: fromMinor(fee, amount.currency) };
  });
  return { settled: fromMinor(rest, amount.currency), fees };
};
