import type { ObjectSettings } from "../../kit/env.ts";
import type { LiquidityProvider } from "./adapter.ts";
import { sandboxProvider } from "./sandbox.ts";

type Make = (name: string, settings: ObjectSettings) => LiquidityProvider;

const ofSandbox: Make = (name, settings) =>
  sandboxProvider({ name, url: settings.LP_URL_SANDBOX, apiKey: settings.LP_API_KEY_SANDBOX });

const ADAPTERS: Readonly<Record<string, Make>> = { "lp-good": ofSandbox, "lp-slow": ofSandbox, "lp-wide": ofSandbox };

/** The adapters of the named providers under a deployment's settings. Throws for a provider nobody wrote one for. */
export const providersOf = (names: readonly string[], settings: ObjectSettings): Map<string, LiquidityProvider> =>
  new Map(
    names.map((name) => {
      const make = Object.hasOwn(ADAPTERS, name) ? ADAPTERS[name] : undefined;
      if (make === undefined) throw new Error(`settings: CROWDPAY_FX providers: no such provider`);
      return [name, make(name, settings)];
    }),
  );
