import { type MoneyJson, toMinor } from "./money.ts";
import { type Refused, reject } from "./rejections.ts";
import type { QuoteRecord } from "./rpc/desk.ts";

/** What a charge at a quote must have in common with it. */
export type ToConvert = { sell: MoneyJson; buy_currency: string; pod: string };

/**
 * Why a quote is not for this charge, whatever the clock says and whoever has used it; null: it is. In order: other currencies or
 * another pod – `currency_mismatch`; another amount – `amount_out_of_range`.
 */
export const misfitOf = (quote: Pick<QuoteRecord, "sell" | "buy" | "pod">, charge: ToConvert): Refused | null => {
  const at = (detail: string) => ({ errors: [{ pointer: "/quote", detail }] });
  if (quote.sell.currency !== charge.sell.currency || quote.buy.currency !== charge.buy_currency) {
    return reject("currency_mismatch", "this quote is for other currencies", at("must be for these currencies"));
  }
  if (quote.pod !== null && quote.pod !== charge.pod) {
    return reject("currency_mismatch", "this quote is for another pod", at("must be for this pod"));
  }
  if (toMinor(quote.sell) !== toMinor(charge.sell)) {
    return reject("amount_out_of_range", "this quote is for another amount", at("must be for this amount"));
  }
  return null;
};
