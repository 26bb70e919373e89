/** The liquidity providers there are adapters for. A provider's name is in its accounts' names, so it is never given to another. */
export const LIQUIDITY_PROVIDERS = ["lp-good", "lp-slow", "lp-wide"] as const;

export type LiquidityProviderName = (typeof LIQUIDITY_PROVIDERS)[number];

export const isLiquidityProvider = (name: string): name is LiquidityProviderName =>
  (LIQUIDITY_PROVIDERS as readonly string[]).includes(name);
