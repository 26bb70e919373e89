import { z } from "zod";
import { count, currency, decimal, eventRow, hash, moneyResource, named, problemResource, time } from "./resources.ts";

/** Answers about accounts, their past, transfers and what is proved of the books, as HTTP clients read them. */

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

export const batchResource = named(
  "LedgerBatchResults",
  z.strictObject({
    results: z
      .array(
        z.union([
          z.strictObject({ status: z.literal(201), transfer: transferResource, replayed: z.literal(true).optional() }),
          z.strictObject({ status: z.literal(202), transfer: transferProcessing }),
          z.strictObject({
            status: z.number().int().min(400).max(599),
            problem: problemResource,
            replayed: z.literal(true).optional(),
          }),
        ]),
      )
      .describe("one a transfer, in the order of the request: what the transfer alone would have been answered"),
  }),
);

export const periodResource = named(
  "LedgerPeriod",
  z.strictObject({
    until: time,
    in_flight: count.describe(
      "transfers begun before the closing, claiming a moment before it, that are not posted yet",
    ),
  }),
);

const balanceFigures = {
  balance: moneyResource.describe("posted, on the normal side"),
  debits_posted: decimal,
  credits_posted: decimal,
};

const newest = { seq: count, recorded_at: time.nullable(), hash };

export const pastBalanceResource = named(
  "BalanceAsOf",
  z.strictObject({
    account: z.string(),
    as_of: z
      .enum(["seq", "effective_at"])
      .describe("what was asked by; effective_at is a claim that later entries add to"),
    at: time.nullable(),
    ...balanceFigures,
    seq: count.nullable().describe("of the newest event looked at; null for a striped account"),
    recorded_at: time.nullable().describe("of that event; null before the first, and for a striped account"),
    hash: hash.nullable(),
    stripes: z.array(z.strictObject({ id: z.string(), ...balanceFigures, ...newest })).optional(),
  }),
);

export const statementResource = named(
  "Statement",
  z
    .strictObject({
      account: z.string(),
      normal_side: z.enum(["debit", "credit"]),
      from_seq: count,
      to_seq: z.number().int().min(0).describe("included; from_seq - 1 when nothing happened"),
      opening: moneyResource,
      closing: moneyResource,
      hash_before: hash,
      hash_after: hash,
      entries: z.array(entryResource),
      events: z
        .array(eventRow)
        .describe("what the entries follow from, and what hashes from hash_before to hash_after"),
    })
    .describe("proves itself: see tools/verify-statement.ts"),
);
