import { z } from "zod";
import { PROJECTOR } from "../../schema/read-model.ts";
import type { RunMessage } from "../../schema/run-message.ts";
import { bucketArchive } from "./archive.ts";
import type { LogPort } from "./relay.ts";
import type { Namespace } from "./stub.ts";

/** The bindings and secrets that objects use, by the names in wrangler.toml. */
export type ObjectEnv = {
  PODS: Namespace;
  FEEDS: Namespace;
  ACCOUNTS: Namespace;
  COORDINATORS: Namespace;
  GATEWAYS: Namespace;
  RISK_PROFILES: Namespace;
  FX_DESKS: Namespace;
  EVENTS: Queue<RunMessage>;
  READ_MODEL: D1Database;
  /** Sealed stretches of logs. */
  LOGS: R2Bucket;
  /** Test only: a fault point answers 204, or kills the process. Absent in every deployment. */
  FAULTS?: { fetch(request: string): Promise<Response> };
  /** Test only: `off` passes the fault points by where `FAULTS` is bound for other faults; each is a call out of the runtime. */
  CROWDPAY_FAULT_POINTS?: string;
};

const settingsSchema = z.object({
  /** Key-encryption key of the local key service: 32 bytes, base64. */
  KEK: z.base64().refine((text) => Buffer.from(text, "base64").length === 32, "must be 32 bytes, base64"),
  PSP_URL_SANDBOX: z.url(),
  PSP_API_KEY_SANDBOX: z.string().min(1),
  /** Missing where no liquidity provider is dealt with: only conversions need one, and every object reads these settings. */
  LP_URL_SANDBOX: z.url().optional(),
  LP_API_KEY_SANDBOX: z.string().min(1).optional(),
  /** Actors that may be woken at once by whoever asks after all of them. Missing where they are on as many machines as there are. */
  CROWDPAY_AWAKE: z.coerce.number().int().positive().optional(),
  /** Overrides of the shipped risk rules, JSON. */
  CROWDPAY_RISK: z.string().optional(),
  /** Overrides of the shipped fees: JSON such as {"psp":"0.015"}. */
  CROWDPAY_FEES: z.string().optional(),
  /** Overrides of how the desk asks and what it risks: JSON such as {"deadline_ms":500}. */
  CROWDPAY_FX: z.string().optional(),
});
export type ObjectSettings = z.infer<typeof settingsSchema>;

const parsed = new WeakMap<object, ObjectSettings>();

/** The settings in an environment, parsed once. Throws, naming the variable and never its value, when one is missing or malformed. */
export const settingsOf = (env: object): ObjectSettings => {
  const known = parsed.get(env);
  if (known !== undefined) return known;
  const result = settingsSchema.safeParse(env);
  if (!result.success) {
    throw new Error(
      `settings: ${result.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ")}`,
    );
  }
  parsed.set(env, result.data);
  return result.data;
};

/** Whose checkpoints an actor waits for before it is quiet. */
const CONSUMERS = [PROJECTOR];

/** The relay of an actor whose events no list shows gathers so long, milliseconds: a payment's two come to one message. */
export const UNLISTED_GATHER_MS = 500;

/** A log's outside: the events queue, the consumers' checkpoints in the read model, and the archive of what is sealed. */
export const relayPort = (env: Pick<ObjectEnv, "EVENTS" | "READ_MODEL" | "LOGS">, gatherMs?: number): LogPort => ({
  ...(gatherMs === undefined ? {} : { gatherMs }),
  archive: bucketArchive(env.LOGS),
  async send(runs) {
    await env.EVENTS.sendBatch(runs.map((body) => ({ body, contentType: "json" as const })));
  },
  async consumed(stream) {
    const row = await env.READ_MODEL.prepare(
      `SELECT count(*) AS consumers, min(seq) AS seq FROM checkpoints
       WHERE stream = ? AND consumer IN (SELECT value FROM json_each(?))`,
    )
      .bind(stream, JSON.stringify(CONSUMERS))
      .first<{ consumers: number; seq: number | null }>();
    return row === null || row.consumers < CONSUMERS.length ? 0 : (row.seq ?? 0);
  },
});
