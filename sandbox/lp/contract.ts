import { z } from "zod";
import type { Money } from "../money.ts";

/** The liquidity providers there are, and how each behaves until it is told otherwise. */
export const PROVIDERS = ["lp-good", "lp-slow", "lp-wide"] as const;
export type ProviderName = (typeof PROVIDERS)[number];

export const isProvider = (name: string): name is ProviderName => (PROVIDERS as readonly string[]).includes(name);

export const MODES = [
  "good",
  "slow",
  "off_market",
  "refuse_quotes",
  "refuse_trades",
  "trade_timeout_then_filled",
  "trade_timeout_then_lost",
  "down",
] as const;
export type Mode = (typeof MODES)[number];

/** A provider's behaviour. `spread_bps`: below the market's middle, negative above it. Times in milliseconds. */
export type Behaviour = {
  mode: Mode;
  spread_bps: number;
  /** How long a quote is withheld. */
  delay_ms: number;
  /** How long a quote is firm. */
  firm_ms: number;
  /** Minor units of the bought currency by which a fill falls short of its quote. */
  slip: number;
};

const OWN_SPREAD_BPS = { "lp-good": 20, "lp-slow": 15, "lp-wide": 40 } as const satisfies Record<ProviderName, number>;
const OWN_MODE = { "lp-good": "good", "lp-slow": "slow", "lp-wide": "off_market" } as const satisfies Record<
  ProviderName,
  Mode
>;

/** Mispriced in the customer's favour: a desk that only looked for the best rate would take it. */
const OFF_MARKET_BPS = -500;
const SLOW_MS = 3_000;
const FIRM_MS = 120_000;

/** The behaviour of a mode, with whatever else the command says. */
export const behaviourOf = (name: ProviderName, change: Partial<Behaviour>): Behaviour => {
  const mode = change.mode ?? OWN_MODE[name];
  return {
    mode,
    spread_bps: change.spread_bps ?? (mode === "off_market" ? OFF_MARKET_BPS : OWN_SPREAD_BPS[name]),
    delay_ms: change.delay_ms ?? (mode === "slow" ? SLOW_MS : 0),
    firm_ms: change.firm_ms ?? FIRM_MS,
    slip: change.slip ?? 0,
  };
};

/** Sets a provider's behaviour; what is left out is the mode's own. */
export const behaviourShape = z
  .strictObject({
    mode: z.enum(MODES),
    spread_bps: z.int().min(-5_000).max(5_000),
    delay_ms: z.int().min(0).max(10_000),
    firm_ms: z.int().min(1).max(3_600_000),
    slip: z.int().min(0).max(1_000),
  })
  .partial();

const side = z.strictObject({
  currency: z.string().regex(/^[A-Z]{3}$/),
  amount: z
    .string()
    .regex(/^\d{1,19}(\.\d{1,8})?$/)
    .optional(),
});

/** Asks for a firm quote: exactly one amount is given. */
export const quoteShape = z
  .strictObject({ sell: side, buy: side })
  .refine(({ sell, buy }) => (sell.amount === undefined) !== (buy.amount === undefined), {
    error: "exactly one amount",
  });
export type QuoteRequest = z.infer<typeof quoteShape>;

export const referenceShape = z.string().regex(/^[\x21-\x7e]{1,255}$/, "must be 1-255 printable ASCII characters");
export const tradeShape = z.strictObject({ quote: referenceShape, reference: referenceShape });

/** A firm quote. `firm_for_ms` and not a time of day: the two clocks need not agree. */
export type Quote = { id: string; sell: Money; buy: Money; rate: string; firm_for_ms: number };

/** A trade as every endpoint shows it. `reference` is the customer's. */
export type Trade = {
  id: string;
  reference: string;
  quote: string;
  status: "filled";
  sell: Money;
  buy: Money;
  rate: string;
};

export type RefusalCode =
  | "already_filled"
  | "not_found"
  | "quote_expired"
  | "quote_used"
  | "reference_cancelled"
  | "reference_used"
  | "unsupported_pair"
  | "invalid_amount"
  | "quote_refused"
  | "trade_refused"
  | "unavailable";

/** What the books answer. `withhold_ms`: the answer is late, whatever has been decided. */
export type Reply<T> =
  | { kind: "done"; value: T; withhold_ms: number }
  | { kind: "refused"; code: RefusalCode; trade?: Trade; withhold_ms?: number };

export type BooksRow = { provider: string; trade: string; at: string } & Omit<Trade, "id">;
