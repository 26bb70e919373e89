import { z } from "zod";
import { CHARGE_STATUSES, FAILURE_CODES } from "./charges.ts";
import { isCurrency } from "./currency.ts";
import { ROLES } from "./permissions.ts";
import { POD_STATUSES, POD_TYPES } from "./pods.ts";
import { REBUILD_PHASES } from "./read-model.ts";
import { REJECTION_CODES } from "./rejections.ts";
import { COMPETING_STATUSES } from "./rpc/desk.ts";
import { OPERATIONS } from "./saga-operations.ts";
import { SAGA_KINDS, SAGA_STATUSES, STEP_STATUSES } from "./sagas.ts";

/** Answers as HTTP clients read them: the source of the response schemas in the OpenAPI document. */

export const named = <T extends z.ZodType>(id: string, schema: T): T => schema.meta({ id });

export const decimal = z.string().regex(/^-?\d{1,19}(\.\d{1,4})?$/);
const currency = z.string().refine(isCurrency).meta({ pattern: "^[A-Z]{3}$" });
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

export const entryResource = named(
  "Entry",
  z.strictObject({
    id: z.string(),
    account: z.string(),
    seq: count,
    type: z.string(),
    debit: moneyResource.nullable(),
    credit: moneyResource.nullable(),
    balance: moneyResource,
    pod: z.string().optional(),
    transfer: z.string(),
    charge: z.string().optional(),
    recorded_at: time,
    effective_at: time,
    hash,
  }),
);

const counters = {
  debits_posted: decimal,
  credits_posted: decimal,
  debits_pending: decimal,
  credits_pending: decimal,
};

const hold = named(
  "Hold",
  z.strictObject({
    id: z.string(),
    direction: z.enum(["debit", "credit"]),
    amount: moneyResource,
    transfer: z.string(),
    saga: z.string(),
    since: time,
  }),
);

export const accountResource = named(
  "Account",
  z.strictObject({
    id: z.string(),
    type: z.enum(["asset", "liability", "income", "expense", "position"]),
    currency,
    normal_side: z.enum(["debit", "credit"]),
    status: z.enum(["open", "frozen", "closing", "closed"]),
    floor: decimal.nullable(),
    cap: decimal.nullable(),
    ...counters,
    available: decimal,
    holds: z.array(hold),
    seq: count.describe("of a striped account: the sum over its stripes"),
    head_hash: hash.nullable().describe("of a striped account: null, every stripe has a chain of its own"),
    stripes: z
      .array(z.strictObject({ id: z.string(), seq: count, hash, counters: z.strictObject(counters), ...counters }))
      .optional(),
  }),
);

export const closingResource = named(
  "AccountClosing",
  accountResource.extend({
    blockers: z
      .array(
        z.discriminatedUnion("reason", [
          z.strictObject({ reason: z.literal("balance"), amount: moneyResource }),
          z.strictObject({ reason: z.literal("holds"), count }),
        ]),
      )
      .describe("what keeps the account from being closed; empty once it is"),
  }),
);

export const monitorResource = named(
  "Monitor",
  z.strictObject({
    id: z.string(),
    account: z.string(),
    above: moneyResource.optional(),
    below: moneyResource.optional(),
    state: z.enum(["triggered", "resolved"]),
  }),
);

const explainedLine = named(
  "ExplainedLine",
  z.strictObject({
    seq: count,
    type: z.string(),
    debit: moneyResource.nullable(),
    credit: moneyResource.nullable(),
    balance: moneyResource.describe("the posted balance after this line, on the normal side"),
    transfer: z.string().nullable(),
    saga: z.string().nullable(),
    charge: z.string().nullable(),
    pod: z.string().nullable(),
    reason: z.string().nullable(),
    by: z.string(),
    recorded_at: time,
    floor: decimal.nullable().optional(),
    cap: decimal.nullable().optional(),
  }),
);

export const explanationResource = named(
  "Explanation",
  z.strictObject({
    account: z.string(),
    currency,
    normal_side: z.enum(["debit", "credit"]),
    status: z.enum(["open", "frozen", "closing", "closed"]),
    stopped: z
      .strictObject({ by: z.string(), reason: z.string().nullable(), since: time })
      .nullable()
      .describe("who made the status what it is, and why; null while the account is open"),
    seq: count,
    head_hash: hash,
    balance: decimal,
    available: z
      .strictObject({ amount: decimal, posted: decimal, pending: decimal, floor: decimal.nullable() })
      .describe("amount = posted - pending - floor"),
    headroom: z
      .strictObject({ amount: decimal, cap: decimal, posted: decimal, pending_in: decimal })
      .nullable()
      .describe("amount = cap - posted - pending_in; null without a cap"),
    holds: z.array(hold.extend({ aged: z.boolean().describe("open for more than a day") })),
    page: z.strictObject({ after: count, to: count, opening: decimal, closing: decimal }),
    lines: z.array(explainedLine),
    next: z.string().nullable(),
  }),
);

const leg = z.strictObject({ account: z.string(), direction: z.enum(["debit", "credit"]), amount: moneyResource });

export const transferResource = named(
  "LedgerTransfer",
  z.strictObject({
    id: z.string(),
    status: z.literal("posted"),
    legs: z.array(leg),
    balances: z.array(z.strictObject({ account: z.string(), balance: moneyResource })),
    recorded_at: time,
    effective_at: time.optional().describe("when it claims to count from, where that was said"),
    reverses: z.string().optional().describe("the transfer it is the mirror of"),
    reversed_by: z.string().optional().describe("on the single read: the reversal that stands"),
  }),
);

export const transferProcessing = named(
  "LedgerTransferProcessing",
  z.strictObject({ id: z.string(), status: z.literal("processing"), saga: z.string() }),
);

export const trialBalanceResource = named(
  "TrialBalance",
  z.strictObject({
    balanced: z.boolean(),
    currencies: z.array(
      z.strictObject({ currency, debits: decimal, credits: decimal, in_transit: decimal, difference: decimal }),
    ),
    cut: z.strictObject({
      epoch: count,
      taken_at: time,
      shards: count,
      accounts: z.record(z.string(), z.strictObject({ seq: count, hash })),
    }),
  }),
);

export const verificationResource = named(
  "Verification",
  z.strictObject({
    id: z.string(),
    ok: z.boolean(),
    checked: z.strictObject({ actors: count, events: count }),
    failures: z.array(z.strictObject({ stream: z.string(), seq: count, reason: z.string() })),
  }),
);

export const verificationProgress = named(
  "VerificationProgress",
  z.strictObject({ id: z.string(), progress: z.strictObject({ done: count, total: count }) }),
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
