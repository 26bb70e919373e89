/** What the market believes: units per euro, the sandbox's own table. A pair with another currency is not traded here. */
const PER_EURO: Readonly<Record<string, string>> = {
  AED: "4.1722",
  AUD: "1.6186",
  BHD: "0.42716",
  BRL: "5.9351",
  CAD: "1.6119",
  CHF: "0.94677",
  CLP: "1099.4",
  CNY: "7.6205",
  CZK: "24.395",
  DKK: "7.4751",
  EUR: "1",
  GBP: "0.85818",
  HKD: "8.9123",
  HUF: "367.48",
  IDR: "20468",
  INR: "109.16",
  ISK: "136.97",
  JOD: "0.80548",
  JPY: "178.91",
  KES: "147.32",
  KRW: "1543",
  KWD: "0.35072",
  MXN: "20.455",
  NGN: "1506.6",
  NOK: "10.846",
  NZD: "2.0078",
  OMR: "0.43722",
  PLN: "4.3731",
  RON: "5.2783",
  SEK: "11.339",
  SGD: "1.4526",
  TND: "3.3733",
  TRY: "55.662",
  USD: "1.1361",
  VND: "29479",
  XOF: "655.96",
  ZAR: "18.677",
};

/** Decimal places of the currencies that do not have two. */
const EXPONENTS: Readonly<Record<string, number>> = {
  BHD: 3,
  CLP: 0,
  ISK: 0,
  JOD: 3,
  JPY: 0,
  KRW: 0,
  KWD: 3,
  OMR: 3,
  TND: 3,
  VND: 0,
  XOF: 0,
};

const SCALE = 12;
const ONE = 10n ** BigInt(SCALE);
const BASIS = 10_000n;

export const exponentOf = (currency: string): number => EXPONENTS[currency] ?? 2;

/** A plain decimal as a whole number of 10^−digits. Throws when it has more digits than that. */
export const scaled = (text: string, digits: number): bigint => {
  const [whole = "0", fraction = ""] = text.split(".");
  if (fraction.length > digits) throw new RangeError(`${text} has more than ${digits} decimals`);
  return BigInt(whole + fraction.padEnd(digits, "0"));
};

export const unscaled = (value: bigint, digits: number): string => {
  if (digits === 0) return String(value);
  const text = String(value).padStart(digits + 1, "0");
  return `${text.slice(0, -digits)}.${text.slice(-digits)}`;
};

/** At least five decimals, and at least six digits that say something; a rate is never rounded in the customer's favour. */
const decimalsFor = (rate: bigint): number => Math.min(SCALE, Math.max(5, SCALE + 6 - String(rate).length));

/** Units of `buy` for one of `sell`, `spreadBps` below the middle (negative: above it); null for a pair that is not traded. */
export const rateFor = (sell: string, buy: string, spreadBps: number): string | null => {
  const from = PER_EURO[sell];
  const to = PER_EURO[buy];
  if (from === undefined || to === undefined || sell === buy) return null;
  const mid = (scaled(to, SCALE) * ONE) / scaled(from, SCALE);
  const rate = (mid * (BASIS - BigInt(spreadBps))) / BASIS;
  const decimals = decimalsFor(rate);
  return unscaled(rate / 10n ** BigInt(SCALE - decimals), decimals);
};

export type Side = { currency: string; amount?: string | undefined };

/** Both amounts at a rate: the bought one rounded down, or the least sold one that buys what was asked for. Null: an amount has too many decimals. */
export const amountsAt = (rate: string, sell: Side, buy: Side): { sell: string; buy: string } | null => {
  const out = exponentOf(sell.currency);
  const into = exponentOf(buy.currency);
  const num = scaled(rate, SCALE) * 10n ** BigInt(into);
  const den = ONE * 10n ** BigInt(out);
  try {
    const sold =
      sell.amount === undefined ? (scaled(buy.amount ?? "0", into) * den + num - 1n) / num : scaled(sell.amount, out);
    return { sell: unscaled(sold, out), buy: unscaled((sold * num) / den, into) };
  } catch {
    return null;
  }
};
