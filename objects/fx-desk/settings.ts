import { z } from "zod";
import { LIQUIDITY_PROVIDERS } from "../../schema/liquidity-providers.ts";
import { moneySchema, toMinor } from "../../schema/money.ts";

const ms = (min: number, max: number) => z.int().min(min).max(max);

const deskSchema = z.strictObject({
  /** How long providers have to answer a request for a quote. */
  deadline_ms: ms(10, 10_000).default(800),
  /** How far a rate may lie from the reference, either side. */
  band_bps: z.int().min(1).max(5_000).default(150),
  /** The longest a quote of ours lasts. */
  ttl_ms: ms(1_000, 600_000).default(60_000),
  /** A quote of ours ends this long before the provider's. */
  margin_ms: ms(0, 60_000).default(5_000),
  /** How long a provider has to answer a trade, or a question about one. */
  trade_timeout_ms: ms(100, 20_000).default(3_000),
  /** Euros: what may be accepted or converted, and not yet hedged. */
  position_limit: moneySchema.shape.amount.default("1000000.00"),
  /** The share of questions a provider is to answer within the deadline. */
  sla_target: z
    .string()
    .regex(/^(?:0\.\d{1,4}|1)$/)
    .default("0.99"),
  /** Whom the desk asks, of those it has adapters for. */
  providers: z
    .array(z.enum(LIQUIDITY_PROVIDERS))
    .min(1)
    .refine((names) => new Set(names).size === names.length, "must not name a provider twice")
    .default([...LIQUIDITY_PROVIDERS]),
});

type Parsed = z.output<typeof deskSchema>;

/** How the desk asks and what it risks. `limitMinor`: the position limit in euro cents. */
export type DeskSettings = Readonly<Omit<Parsed, "position_limit">> & { readonly limitMinor: bigint };

const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("settings: CROWDPAY_FX must be JSON");
  }
};

/**
 * Settings from configuration (JSON such as `{"deadline_ms":500}`), each missing one as shipped. Throws on anything else, naming
 * what is wrong and never its value.
 */
export const deskSettings = (setting: string | undefined): DeskSettings => {
  const parsed = deskSchema.safeParse(setting === undefined || setting === "" ? {} : jsonIn(setting));
  if (!parsed.success) {
    const faults = parsed.error.issues.map(({ path, message }) => `${path.join(".")} ${message}`);
    throw new Error(`settings: CROWDPAY_FX ${faults.join("; ")}`);
  }
  const { position_limit, ...rest } = parsed.data;
  return { ...rest, limitMinor: toMinor({ amount: position_limit, currency: "EUR" }) };
};
