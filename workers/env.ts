import { z } from "zod";
import type { ObjectEnv } from "../objects/kit/env.ts";
import type { RebuildOrder } from "./consumers/env.ts";

/** What the Worker finds in its environment: the objects' bindings, and the edge's own. */
export type Env = ObjectEnv & {
  REBUILDS: Queue<RebuildOrder>;
  /** Absent when `CROWDPAY_RATE` is 0. */
  RATE?: RateLimit;
};

const buildSchema = z.object({
  version: z.string().max(64),
  commit: z.string().max(64).nullable().default(null),
  built_at: z.string().max(64).nullable().default(null),
});
export type Build = z.infer<typeof buildSchema>;

/** A variable holding JSON of a known form. The message names no value: it may be a secret's neighbour in a log. */
const json = <T extends z.ZodType>(schema: T) =>
  z.string().transform((text, context): z.output<T> => {
    try {
      const parsed = schema.safeParse(JSON.parse(text));
      if (parsed.success) return parsed.data;
    } catch {
      // Not JSON at all: the same answer.
    }
    context.issues.push({ code: "custom", input: null, message: "must be JSON of the documented form" });
    return z.NEVER;
  });

const jwks = z.object({ keys: z.array(z.looseObject({ kty: z.string() })).min(1) });

/** `whsec_` and 24-64 bytes of base64. */
const webhookSecret = z
  .string()
  .regex(/^whsec_[A-Za-z0-9+/]{32,88}={0,2}$/, { error: "must be whsec_ and 24-64 bytes of base64" });

const settingsSchema = z.object({
  ISSUER: z.string().min(1).optional(),
  AUDIENCE: z.string().min(1),
  JWKS_URL: z.url({ protocol: /^https?$/ }).optional(),
  /** Public keys of the local issuer; exists only under `npm start`. */
  LOCAL_JWKS: json(jwks).optional(),
  WEBHOOK_SECRET_SANDBOX: webhookSecret,
  CROWDPAY_CLOCK: z.enum(["manual"]).optional(),
  BUILD: json(buildSchema).default({ version: "0.0.0", commit: null, built_at: null }),
});
export type EdgeSettings = z.infer<typeof settingsSchema>;

const memo = new WeakMap<object, EdgeSettings>();

/** The edge's settings, parsed once an environment. Throws, naming variables and never their values, when one is malformed. */
export const edgeSettings = (env: object): EdgeSettings => {
  const known = memo.get(env);
  if (known !== undefined) return known;
  // An empty variable is an absent one: that is how deployments switch a setting off.
  const present = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== ""));
  const result = settingsSchema.safeParse(present);
  if (!result.success) {
    const faults = result.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`);
    throw new Error(`settings: ${faults.join("; ")}`);
  }
  memo.set(env, result.data);
  return result.data;
};
