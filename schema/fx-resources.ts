import { z } from "zod";
import { count, currency, decimal, moneyResource, named, time } from "./resources.ts";
import { COMPETING_STATUSES } from "./rpc/desk.ts";

/** Answers about quotes, rates, providers and the desk, as HTTP clients read them. */

const rate = z.string().regex(/^\d{1,12}(\.\d{1,12})?$/);
const share = z.string().regex(/^\d\.\d{4}$/);

export const fxQuoteResource = named(
  "FxQuote",
  z.strictObject({
    id: z.string(),
    sell: moneyResource,
    buy: moneyResource.describe("sell × rate, rounded down, before our fees"),
    rate,
    fee: z
      .strictObject({
        amount: decimal,
        currency,
        items: z.array(z.strictObject({ name: z.enum(["psp", "fx"]), amount: decimal })),
      })
      .describe("what a charge at this quote will list"),
    provider: z.string(),
    competing: z.array(
      z.strictObject({ provider: z.string(), status: z.enum(COMPETING_STATUSES), rate: rate.optional() }),
    ),
    expires_at: time,
  }),
);

export const fxRatesResource = named(
  "FxRates",
  z.strictObject({
    base: currency,
    as_of: z.iso.date(),
    indicative: z.literal(true),
    rates: z.record(z.string(), z.string()).describe("units of each currency for one of the base"),
  }),
);

export const providerResource = named(
  "LiquidityProvider",
  z.strictObject({
    provider: z.string(),
    state: z.enum(["closed", "open", "half_open"]).describe("its circuit"),
    asked: count,
    answered: count.describe("in time"),
    late: count,
    off_market: count,
    won: count,
    trades: count,
    filled: count,
    fill_rate: share.nullable(),
    latency_p50_ms: count.nullable(),
    latency_p95_ms: count.nullable(),
    slippage_bps: z
      .string()
      .regex(/^-?\d+\.\d\d$/)
      .nullable(),
    score: share,
    sla: z.strictObject({
      deadline_ms: count,
      met: share.nullable().describe("share of questions answered in time"),
      target: z.string(),
      ok: z.boolean().nullable(),
    }),
  }),
);

const total = z.string().regex(/^-?\d+(\.\d{1,4})?$/);

export const deskBooksResource = named(
  "DeskBooks",
  z.strictObject({
    positions: z.array(
      z.strictObject({ currency, position: total, open: total.describe("accepted and not yet converted") }),
    ),
    limit: moneyResource,
    exposure: moneyResource.describe("accepted or converted, and not yet hedged"),
    fills: z.array(z.strictObject({ provider: z.string(), currency, paid: total, received: total })),
  }),
);
