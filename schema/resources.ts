import { z } from "zod";
import { CHARGE_STATUSES, FAILURE_CODES } from "./charges.ts";
import { isCurrency } from "./currency.ts";
import { ROLES } from "./permissions.ts";
import { POD_STATUSES, POD_TYPES } from "./pods.ts";
import { REBUILD_PHASES } from "./read-model.ts";
import { REJECTION_CODES } from "./rejections.ts";
import { OPERATIONS } from "./saga-operations.ts";
import { SAGA_KINDS, SAGA_STATUSES, STEP_STATUSES } from "./sagas.ts";

/** Answers as HTTP clients read them: the source of the response schemas in the OpenAPI document. */

export const named = <T extends z.ZodType>(id: string, schema: T): T => schema.meta({ id });

/** An amount, or a figure: what any number of amounts come to. */
export const decimal = z.string().regex(/^-?\d{1,39}(\.\d{1,4})?$/);
export const currency = z.string().refine(isCurrency).meta({ pattern: "^[A-Z]{3}$" });
export const time = z.iso.datetime();
export const hash = z.string().regex(/^[0-9a-f]{64}$/);
export const count = z.number().int().min(0);

export const moneyResource = named("Money", z.strictObject({ amount: decimal, currency }));

const member = named("Member", z.strictObject({ user: z.string(), role: z.enum(ROLES) }));

export const balanceResource = named(
  "Balance",
  z.strictObject({ currency, posted: decimal, pending: decimal, pending_in: decimal, available: decimal }),
);

export const podResource = named(
  "Pod",
  z.strictObject({
    id: z.string(),
    name: z.string(),
    type: z.enum(POD_TYPES),
    status: z.enum(POD_STATUSES),
    currencies: z.array(currency),
    home_currency: currency,
    timezone: z.string(),
    members: z.array(member),
    balances: z.array(balanceResource),
    aggregate_balance: z.strictObject({ amount: decimal, currency, indicative: z.literal(true) }),
    seq: count,
    log_head: hash,
    created_at: time,
  }),
);

export const invitationResource = named(
  "Invitation",
  z.strictObject({ id: z.string(), token: z.string(), expires_at: time }),
);

export const membershipResource = named(
  "Membership",
  z.strictObject({ pod: z.string(), user: z.string(), role: z.enum(ROLES) }),
);

const eventBody = named(
  "Event",
  z.strictObject({
    stream: z.string(),
    seq: z.string(),
    id: z.string(),
    type: z.string(),
    version: z.string(),
    recorded_at: time,
    effective_at: time,
    correlation: z.string(),
    causation: z.string().nullable(),
    principal: z.strictObject({ user: z.string(), client_id: z.string() }),
    data: z.record(z.string(), z.unknown()),
  }),
);

export const eventRow = named("EventRow", z.strictObject({ seq: count, event: eventBody, prev_hash: hash, hash }));

export const chargeResource = named(
  "Charge",
  z.strictObject({
    id: z.string(),
    pod: z.string(),
    payer: z.string(),
    status: z.enum(CHARGE_STATUSES),
    amount: moneyResource,
    settled: moneyResource.optional(),
    fees: z.array(z.strictObject({ name: z.enum(["psp", "fx"]), amount: moneyResource })),
    fx: z
      .strictObject({ quote: z.string(), rate: z.string(), provider: z.string() })
      .optional()
      .describe("once a rate has been accepted"),
    risk: z
      .strictObject({
        outcome: z.enum(["approve", "review", "decline"]),
        reasons: z.array(z.string()),
        score: z.number().optional().describe("for operators only"),
      })
      .nullable()
      .describe("null until the charge has been assessed"),
    failure: z.strictObject({ code: z.enum(FAILURE_CODES), decline_reason: z.string().optional() }).optional(),
    saga: z.string(),
    created_at: time,
  }),
);

export const problemResource = named(
  "Problem",
  z.object({
    type: z.string(),
    title: z.string(),
    status: z.number().int(),
    detail: z.string(),
    instance: z.string().describe("the request id"),
    code: z.enum(REJECTION_CODES),
    errors: z.array(z.strictObject({ pointer: z.string(), detail: z.string() })).optional(),
    required_actions: z.array(z.string()).optional(),
    reason: z.string().optional(),
    field: z.string().optional(),
    available: moneyResource.optional(),
    difference: moneyResource.optional(),
  }),
);

export const sagaResource = named(
  "Saga",
  z.strictObject({
    id: z.string(),
    kind: z.enum(SAGA_KINDS),
    version: count,
    subject: z.string(),
    status: z.enum(SAGA_STATUSES),
    created_at: time,
    age_s: count,
    steps: z.array(
      z.strictObject({
        name: z.string(),
        status: z.enum(STEP_STATUSES),
        attempts: count,
        started_at: time.nullable(),
        ended_at: time.nullable(),
        error: z.looseObject({ code: z.enum(REJECTION_CODES), detail: z.string() }).optional(),
      }),
    ),
    parked_reason: z.string().optional(),
    actions: z.array(z.enum(OPERATIONS)).describe("what an operator may do next"),
    pending_approval: z
      .strictObject({
        step: z.string(),
        verdict: z.enum(["succeeded", "declined"]),
        provider_ref: z.string().nullable(),
        by: z.string(),
        note: z.string(),
        at: time,
      })
      .optional()
      .describe("a resolution that a second operator has to repeat"),
    operations: z
      .array(
        z.strictObject({
          action: z.enum(["cancel", "review", "retry", "compensate", "resolve"]),
          by: z.string(),
          note: z.string().nullable(),
          step: z.string().optional(),
          verdict: z.string().optional(),
          provider_ref: z.string().nullable().optional(),
          at: time,
        }),
      )
      .optional()
      .describe("what people did to it, oldest first"),
    strays: z
      .array(z.strictObject({ provider_ref: z.string(), amount: moneyResource, saga: z.string() }))
      .optional()
      .describe("captures nobody expected, and the sagas that booked them to suspense"),
  }),
);

export const deadLetterResource = named(
  "DeadLetter",
  z.strictObject({
    id: z.string(),
    queue: z.string(),
    stream: z.string().nullable(),
    body: z.unknown(),
    reason: z.enum(["exhausted", "chain"]),
    attempts: count,
    parked_at: time,
    redriven_at: time.nullable(),
  }),
);

export const rebuildResource = named(
  "Rebuild",
  z.strictObject({
    id: z.string(),
    phase: z.enum(REBUILD_PHASES),
    streams: count.describe("logs with any event that were read so far"),
    rows: count.describe("rebuilt rows compared so far"),
    tables: count,
    differ: count.describe("rows that were not as the logs say"),
    differences: z.array(z.strictObject({ table: z.string(), key: z.string() })).max(100),
    error: z.string().nullable(),
    started_at: time,
    updated_at: time,
  }),
);

export const redriveResource = z.strictObject({ redriven: count });

export const walletResource = named(
  "Wallet",
  z.strictObject({
    id: z.string().describe("the account"),
    currency,
    posted: decimal,
    pending: decimal,
    pending_in: decimal,
    available: decimal,
  }),
);

export const healthResource = z.strictObject({ ok: z.literal(true) });

export const readinessResource = named(
  "Readiness",
  z.strictObject({
    ok: z.boolean(),
    parts: z.strictObject({ d1: z.boolean(), actor: z.boolean(), queue: z.boolean() }),
  }),
);

export const versionResource = named(
  "Version",
  z.strictObject({ version: z.string(), commit: z.string().nullable(), built_at: z.string().nullable() }),
);

export const clockResource = z.strictObject({ now: time });

export const receivedResource = z.strictObject({ received: z.literal(true) });

export const feedTicketResource = named("FeedTicket", z.strictObject({ ticket: z.string(), expires_at: time }));

/** One page of a list. */
export const pageOf = <T extends z.ZodType>(item: T) =>
  z.strictObject({ data: z.array(item), next: z.string().nullable() });
