import Big from "big.js";
import { CURRENCIES } from "../../schema/currency.ts";
import { formatMinor, fromMinor } from "../../schema/money.ts";
import { AS_OF, REFERENCE_RATES } from "../../schema/reference-rates.ts";
import type { DeskBooks, IndicativeRates } from "../../schema/rpc/desk.ts";
import type { DeskState } from "./state.ts";

/** Digits of an indicative rate that say something. */
const DIGITS = 7;

const Decimal = Big();
Decimal.DP = 30;
Decimal.strict = true;

/** Units of every other currency for one of `base`, to seven digits. Nothing is ever traded at these. Throws for an unknown currency. */
export const indicativeRates = (base: string): IndicativeRates => {
  const one = REFERENCE_RATES[base];
  if (one === undefined) throw new Error(`no reference rate for ${base}`);
  const rates = Object.keys(CURRENCIES)
    .filter((currency) => currency !== base && REFERENCE_RATES[currency] !== undefined)
    .sort()
    .map((currency) => [
      currency,
      new Decimal(REFERENCE_RATES[currency] ?? "0").div(one).prec(DIGITS, Decimal.roundHalfEven).toFixed(),
    ]);
  return { base, as_of: AS_OF, rates: Object.fromEntries(rates) };
};

const byName = <T>(rows: Iterable<[string, T]>): [string, T][] => [...rows].sort(([a], [b]) => (a < b ? -1 : 1));

export const deskBooks = (state: DeskState, limitMinor: bigint): DeskBooks => ({
  positions: byName(state.positions).map(([currency, { position, open }]) => ({
    currency,
    position: formatMinor(position, currency),
    open: formatMinor(open, currency),
  })),
  limit: fromMinor(limitMinor, "EUR"),
  exposure: fromMinor(state.exposure, "EUR"),
  fills: byName(state.fills).map(([key, { paid, received }]) => {
    const [provider = "", currency = ""] = key.split(" ");
    return { provider, currency, paid: formatMinor(paid, currency), received: formatMinor(received, currency) };
  }),
});
