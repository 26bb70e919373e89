import { z } from "zod";
import type { LpBooks } from "./lp/object.ts";
import type { PspBooks } from "./psp/object.ts";

/** What the runtime hands to the sandbox: bindings, one var and three secrets, the last four not yet trusted. */
export type SandboxEnv = {
  PSP_BOOKS: DurableObjectNamespace<PspBooks>;
  LP_BOOKS: DurableObjectNamespace<LpBooks>;
  PRODUCT_WEBHOOK_URL: string;
  WEBHOOK_SECRET: string;
  PSP_API_KEY: string;
  LP_API_KEY: string;
};

const configShape = z.object({
  PRODUCT_WEBHOOK_URL: z.url({ protocol: /^https?$/ }),
  WEBHOOK_SECRET: z.string().regex(/^whsec_[A-Za-z0-9+/]{16,}={0,2}$/, "must be whsec_ followed by base64"),
  PSP_API_KEY: z.string().min(8),
  LP_API_KEY: z.string().min(8),
});

export type SandboxConfig = {
  /** Where webhooks are delivered. */
  productWebhookUrl: string;
  /** `whsec_` + base64 key, shared with the product. */
  webhookSecret: string;
  /** The bearer token the product must present. */
  pspApiKey: string;
  /** The bearer token the product must present to the liquidity providers. */
  lpApiKey: string;
};

const parsed = new WeakMap<SandboxEnv, SandboxConfig>();

/** The checked configuration, parsed once per `env`. Throws naming the variable that is missing or malformed. */
export function configOf(env: SandboxEnv): SandboxConfig {
  const known = parsed.get(env);
  if (known) return known;
  const result = configShape.safeParse(env);
  if (!result.success) throw new Error(`sandbox configuration: ${z.prettifyError(result.error)}`);
  const config = {
    productWebhookUrl: result.data.PRODUCT_WEBHOOK_URL,
    webhookSecret: result.data.WEBHOOK_SECRET,
    pspApiKey: result.data.PSP_API_KEY,
    lpApiKey: result.data.LP_API_KEY,
  };
  parsed.set(env, config);
  return config;
}
