import type { LiquidityProviderName } from "../../../schema/liquidity-providers.ts";
import type { ObjectSettings } from "../../kit/env.ts";
import type { LiquidityProvider } from "./adapter.ts";
import { sandboxProvider } from "./sandbox.ts";

/** The adapter under a deployment's settings; null: those say not how the provider is reached. */
type Make = (name: string, settings: ObjectSettings) => LiquidityProvider | null;

const ofSandbox: Make = (name, { LP_URL_SANDBOX: url, LP_API_KEY_SANDBOX: apiKey }) =>
  url === undefined || apiKey === undefined ? null : sandboxProvider({ name, url, apiKey });

const ADAPTERS: Readonly<Record<LiquidityProviderName, Make>> = {
  "lp-good": ofSandbox,
  "lp-slow": ofSandbox,
  "lp-wide": ofSandbox,
};

/** The adapters of the named providers. One that the settings do not reach is told of and left out: it gives no rate, no more. */
export const providersOf = (
  names: readonly LiquidityProviderName[],
  settings: ObjectSettings,
): Map<string, LiquidityProvider> => {
  const found = new Map<string, LiquidityProvider>();
  for (const name of names) {
    const provider = ADAPTERS[name](name, settings);
    if (provider === null) console.error(`fx: the settings do not say how ${name} is reached`);
    else found.set(name, provider);
  }
  return found;
};
