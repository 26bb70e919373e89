import Big from "big.js";
import { z } from "zod";
import { exponentOf, isCurrency } from "./currency.ts";

/** Money on the wire: a decimal string in major units, never a number. Inside it is a `bigint` of minor units. */
export type MoneyJson = { amount: string; currency: string };

/** The largest amount, and the largest balance either way, in minor units. −2^63 is left out so that every amount negates. */
export const MAX_MINOR = 2n ** 63n - 1n;

const UNSIGNED = /^(?:0|[1-9][0-9]{0,18})(?:\.[0-9]{1,4})?$/;

/**
 * Money in a request. It checks the form only: zero and amounts past {@link MAX_MINOR} pass, because they are refused as
 * `amount_out_of_range` (see {@link inRange}) and not as malformed input.
 */
export const moneySchema = z
  .strictObject({
    amount: z.string().regex(UNSIGNED, {
      error: "must be a decimal string: at most 19 digits before the point, no sign, exponent, space or leading zero",
    }),
    currency: z.string().refine(isCurrency, { error: "must be an ISO 4217 payment currency code" }),
  })
  .check((context) => {
    const { amount, currency } = context.value;
    // Checks of the object run even after a refused field, so that all faults are told at once.
    if (!UNSIGNED.test(amount) || !isCurrency(currency)) return;
    const exponent = exponentOf(currency);
    if (decimalsOf(amount) > exponent) {
      const message = `must have at most ${exponent} decimals in ${currency}`;
      context.issues.push({ code: "custom", path: ["amount"], input: amount, message });
    }
  });

function decimalsOf(amount: string): number {
  const point = amount.indexOf(".");
  return point === -1 ? 0 : amount.length - point - 1;
}

/**
 * Minor units of a decimal string, missing decimals filled up ("12" is "12.00"). `null` when it is malformed, has more decimals
 * than the currency or the currency is unknown. The result may exceed {@link MAX_MINOR}. `signed` allows one leading "-".
 */
export function parseMinor(amount: string, currency: string, options?: { signed?: boolean }): bigint | null {
  const negative = options?.signed === true && amount.startsWith("-");
  const digits = negative ? amount.slice(1) : amount;
  if (!isCurrency(currency) || !UNSIGNED.test(digits)) return null;
  const minor = minorOf(digits, currency);
  return minor === null || !negative ? minor : -minor;
}

/** Null where there are more decimals than the currency has. */
function minorOf(digits: string, currency: string): bigint | null {
  const decimals = decimalsOf(digits);
  const exponent = exponentOf(currency);
  return decimals > exponent ? null : BigInt(digits.replace(".", "") + "0".repeat(exponent - decimals));
}

/** As long as what any number of transfers can come to. */
const FIGURE = /^-?(?:0|[1-9][0-9]{0,38})(?:\.[0-9]{1,4})?$/;

/**
 * Minor units of a figure that an account has computed: a counter, a balance. Unlike an amount it may lie beyond
 * {@link MAX_MINOR}, for the house's accounts take whatever they are sent. Throws an Error for anything else: that is a bug.
 */
export function figureOf(text: string, currency: string): bigint {
  const minor = FIGURE.test(text) && isCurrency(currency) ? minorOf(text.replace("-", ""), currency) : null;
  if (minor === null) throw new Error(`not a figure in ${currency}: ${JSON.stringify(text)}`);
  return text.startsWith("-") ? -minor : minor;
}

/** A decimal string with exactly the currency's decimals; "-" before a negative. Throws an Error for an unknown currency. */
export function formatMinor(minor: bigint, currency: string): string {
  const exponent = exponentOf(currency);
  const sign = minor < 0n ? "-" : "";
  const digits = (minor < 0n ? -minor : minor).toString().padStart(exponent + 1, "0");
  if (exponent === 0) return sign + digits;
  return `${sign}${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
}

/** Minor units of money that {@link moneySchema} has accepted. Throws an Error for any other: that is a bug of the caller. */
export function toMinor(money: MoneyJson): bigint {
  const minor = parseMinor(money.amount, money.currency);
  if (minor === null) throw new Error(`not valid money: ${JSON.stringify(money)}`);
  return minor;
}

/** Minor units of money that may be negative, such as a balance or a floor. Throws an Error for malformed money: a bug. */
export function toSignedMinor(money: MoneyJson): bigint {
  const minor = parseMinor(money.amount, money.currency, { signed: true });
  if (minor === null) throw new Error(`not valid money: ${JSON.stringify(money)}`);
  return minor;
}

/** Money for the wire, with exactly the currency's decimals; negative allowed. Throws an Error for an unknown currency. */
export function fromMinor(minor: bigint, currency: string): MoneyJson {
  return { amount: formatMinor(minor, currency), currency };
}

/** The one spelling of an amount, for comparing and hashing requests: "12" EUR becomes "12.00". */
export function canonicalMoney(money: MoneyJson): MoneyJson {
  return fromMinor(toMinor(money), money.currency);
}

/** Whether an amount may be moved: 1 … {@link MAX_MINOR}. If not, the refusal is `amount_out_of_range`. */
export function inRange(minor: bigint): boolean {
  return minor >= 1n && minor <= MAX_MINOR;
}

/** The sum of two amounts. Throws a RangeError past ±{@link MAX_MINOR}, where SQLite's own `+` would turn into a double. */
export function addChecked(a: bigint, b: bigint): bigint {
  const sum = a + b;
  if (sum > MAX_MINOR || sum < -MAX_MINOR) throw new RangeError(`sum of money out of range: ${a} + ${b}`);
  return sum;
}

// A copy of the constructor, so that its settings are ours alone. With DP 0 a division is rounded once, straight to minor units.
const Decimal = Big();
Decimal.DP = 0;
Decimal.RM = Decimal.roundHalfEven;
Decimal.strict = true;

const FEE_RATE = /^(?:0(?:\.[0-9]{1,18})?|1(?:\.0{1,18})?)$/;

/**
 * One fee on an amount: `minor × rate`, computed exactly and rounded half up to the minor unit, so 0 … `minor`.
 * `rate` is a decimal string 0 … 1, such as "0.015" for 1.5 %. Throws a RangeError for a negative amount or a rate that is
 * malformed or above 1. Each fee is rounded by itself: on a tiny amount several fees together may exceed it.
 */
export function feeOf(minor: bigint, rate: string): bigint {
  if (minor < 0n) throw new RangeError(`no fee on a negative amount: ${minor}`);
  if (!FEE_RATE.test(rate)) throw new RangeError(`fee rate must be a decimal string from 0 to 1: ${rate}`);
  return BigInt(new Decimal(minor.toString()).times(rate).toFixed(0, Decimal.roundHalfUp));
}

/**
 * About what `minor` of one currency is in another, in its minor units, rounded half to even. `rates` has units of each currency
 * per 1 EUR as decimal strings. For indicative figures only (risk thresholds, aggregate balances): money never moves at this
 * rate. Negative in, negative out; the result may exceed {@link MAX_MINOR}. Throws an Error for a currency without a rate.
 */
export function convertIndicative(
  minor: bigint,
  from: string,
  to: string,
  rates: Readonly<Record<string, string>>,
): bigint {
  const numerator = scaledRate(to, rates);
  const denominator = scaledRate(from, rates);
  if (from === to) return minor;
  return BigInt(new Decimal(minor.toString()).times(numerator).div(denominator).toFixed(0));
}

/** Minor units of a currency per 1 EUR. */
function scaledRate(currency: string, rates: Readonly<Record<string, string>>): Big {
  const exponent = exponentOf(currency);
  const rate = rates[currency];
  if (rate === undefined) throw new Error(`no reference rate for ${currency}`);
  return new Decimal(rate).times((10n ** BigInt(exponent)).toString());
}
