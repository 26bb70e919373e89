import type { MoneyJson } from "../../../schema/money.ts";

/** What a firm quote is asked for: exactly one of the amounts is given, as on the wire. */
export type FirmRequest = {
  sell: { currency: string; amount: string | null };
  buy: { currency: string; amount: string | null };
};

/** `quote`: the provider's id of it. `firmMs`: how long it stays firm, counted from when it was asked for. */
export type FirmQuote = { quote: string; rate: string; sell: MoneyJson; buy: MoneyJson; firmMs: number };

export type FirmAnswer =
  | ({ outcome: "firm" } & FirmQuote)
  /** The provider's own word: it does not quote this. */
  | { outcome: "refused" }
  | { outcome: "unreachable" };

export type Fill = { provider_ref: string; sell: MoneyJson; buy: MoneyJson; rate: string };

/**
 * What became of a trade under our reference. `filled` is final, and so is `refused`: nothing was traded under it and nothing
 * will be. `not_found`: the provider knows none, which an attempt still on its way may yet change. Everything else is `unknown`.
 */
export type TradeAnswer =
  | ({ outcome: "filled" } & Fill)
  | { outcome: "refused"; detail: string }
  | { outcome: "not_found" }
  | { outcome: "unknown"; detail: string };

/**
 * What a liquidity provider must offer. An adapter never throws: whatever happens is one of the answers. No text of the
 * provider's choosing goes into a `detail`.
 */
export type LiquidityProvider = {
  readonly name: string;
  firm(request: FirmRequest, signal: AbortSignal): Promise<FirmAnswer>;
  /** Trades a quote under our reference; repeated, it is the same trade. */
  execute(quote: string, reference: string, signal: AbortSignal): Promise<TradeAnswer>;
  query(reference: string, signal: AbortSignal): Promise<TradeAnswer>;
  /** Makes the reference unusable for ever, `refused`, unless it has traded, `filled`. */
  cancel(reference: string, signal: AbortSignal): Promise<TradeAnswer>;
};
