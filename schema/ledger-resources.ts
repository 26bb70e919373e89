import { z } from "zod";
import {
  count,
  decimal,
  entryResource,
  eventRow,
  hash,
  moneyResource,
  named,
  problemResource,
  time,
  transferProcessing,
  transferResource,
} from "./resources.ts";

/** Answers about batches, periods, past balances and statements, as HTTP clients read them. */

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
