import { z } from "zod";

/** A decimal string in major units and an ISO currency code. The sandbox never converts or rounds it. */
export type Money = { amount: string; currency: string };

/** Money as a request carries it: a plain positive decimal, at most 19 digits before the point. */
export const moneyShape = z.strictObject({
  amount: z
    .string()
    .regex(/^\d{1,19}(\.\d{1,8})?$/, "must be a plain decimal")
    .refine((amount) => /[1-9]/.test(amount), "must be above zero"),
  currency: z.string().regex(/^[A-Z]{3}$/, "must be an ISO 4217 code"),
});

/** Zero with as many decimals as `money` has, in its currency. */
export function zeroLike(money: Money): Money {
  const decimals = money.amount.split(".")[1];
  return { amount: decimals ? `0.${"0".repeat(decimals.length)}` : "0", currency: money.currency };
}

/** More than `money`, in its currency: another digit before the first. */
export function overcharge(money: Money): Money {
  return { ...money, amount: `1${money.amount}` };
}
