import { addChecked, formatMinor, toMinor } from "../../schema/money.ts";
import type { QuoteRecord } from "../../schema/rpc/desk.ts";

/** A quote as whoever asked for it sees it. `fee`: what a charge at this quote will list, in the bought currency. */
export const quoteResource = ({ id, sell, buy, rate, fees, provider, competing, expires_at }: QuoteRecord) => ({
  id,
  sell,
  buy,
  rate,
  fee: {
    amount: formatMinor(
      fees.reduce((sum, { amount }) => addChecked(sum, toMinor(amount)), 0n),
      buy.currency,
    ),
    currency: buy.currency,
    items: fees.map(({ name, amount }) => ({ name, amount: amount.amount })),
  },
  provider,
  competing,
  expires_at,
});
