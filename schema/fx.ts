import Big from "big.js";
import { exponentOf } from "./currency.ts";
import { addChecked, fromMinor, inRange, type MoneyJson, toMinor } from "./money.ts";

/**
 * Exact foreign exchange. A rate is a decimal string on the wire, units of the bought currency for one unit of the sold one; inside
 * it is a ratio of whole numbers between minor units, so that no conversion ever passes through a float.
 */
export type Ratio = { num: bigint; den: bigint };

const RATE = /^(?:0|[1-9]\d{0,11})(?:\.\d{1,12})?$/;

/** Whether a text is a rate: a positive decimal of at most 12 digits before and 12 after the point. */
export const isRate = (text: string): boolean => RATE.test(text) && /[1-9]/.test(text);

const Decimal = Big();
Decimal.strict = true;

const gcd = (a: bigint, b: bigint): bigint => (b === 0n ? a : gcd(b, a % b));

/** Minor units of `buy` per minor unit of `sell`, in lowest terms. Throws for a text that is no rate or an unknown currency. */
export const ratioOf = (rate: string, sell: string, buy: string): Ratio => {
  if (!isRate(rate)) throw new RangeError(`not a rate: ${rate}`);
  const [whole = "", fraction = ""] = new Decimal(rate).toFixed().split(".");
  const num = BigInt(whole + fraction) * 10n ** BigInt(exponentOf(buy));
  const den = 10n ** BigInt(fraction.length + exponentOf(sell));
  const common = gcd(num, den);
  return { num: num / common, den: den / common };
};

const ceilDiv = (a: bigint, b: bigint): bigint => (a + b - 1n) / b;

/** `minor × ratio`, rounded down: what a customer is credited. For amounts from zero. */
export const convertDown = (minor: bigint, { num, den }: Ratio): bigint => (minor * num) / den;

/** `minor × ratio`, rounded up: what the position is debited. For amounts from zero. */
export const convertUp = (minor: bigint, { num, den }: Ratio): bigint => ceilDiv(minor * num, den);

/** The least amount to sell that buys at least `minor` at this ratio, rounded down. For amounts from zero. */
export const sellFor = (minor: bigint, { num, den }: Ratio): bigint => ceilDiv(minor * den, num);

/**
 * One conversion, whole: `debit` = ⌈sell × rate⌉ leaves the position, `buy` = ⌊sell × rate⌋ is the customer's before fees, and
 * `rounding` = debit − buy, zero or one minor unit, is income of the rounding account.
 */
export type Conversion = { sell: MoneyJson; buy: MoneyJson; debit: MoneyJson; rounding: MoneyJson; rate: string };

/** Converts a sold amount; null when nothing, or more than an account holds, would come out. Throws for a text that is no rate. */
export const convert = (sell: MoneyJson, buyCurrency: string, rate: string): Conversion | null => {
  const ratio = ratioOf(rate, sell.currency, buyCurrency);
  const sold = toMinor(sell);
  const down = convertDown(sold, ratio);
  const up = convertUp(sold, ratio);
  if (!inRange(sold) || !inRange(down) || !inRange(up)) return null;
  return {
    sell,
    buy: fromMinor(down, buyCurrency),
    debit: fromMinor(up, buyCurrency),
    rounding: fromMinor(addChecked(up, -down), buyCurrency),
    rate,
  };
};
