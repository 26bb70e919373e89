import type { LiquidityProviderName } from "../../../schema/liquidity-providers.ts";
import type { ObjectSettings } from "../../kit/env.ts";
import type { LiquidityProvider } from "./adapter.ts";
import { sandboxProvider } from "./sandbox.ts";

type Make = (name: string, settings: ObjectSettings) => LiquidityProvider;

const ofSandbox: Make = (name, settings) =>
  sandboxProvider({ name, url: settings.LP_URL_SANDBOX, apiKey: settings.LP_API_KEY_SANDBOX });

const ADAPTERS: Readonly<Record<LiquidityProviderName, Make>> = {
  "lp-good": ofSandbox,
  "lp-slow": ofSandbox,
  "lp-wide": ofSandbox,
};

/** The adapters of the named providers under a deployment's settings. */
export const providersOf = (
  names: readonly LiquidityProviderName[],
  settings: ObjectSettings,
): Map<string, LiquidityProvider> => new Map(names.map((name) => [name, ADAPTERS[name](name, settings)]));
