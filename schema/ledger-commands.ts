import { z } from "zod";
import { currency, money, text } from "./commands.ts";
import { POD_LIMITS } from "./pods.ts";

/** Commands and questions of the ledger as operators write them, and a pod's statement. */

/** Transfers one batch holds at most, and the most its body may hold, bytes. */
export const MAX_BATCH_TRANSFERS = 1_000;
export const MAX_BATCH_BYTES = 4 * 1024 * 1024;

/** A moment (RFC 3339), spelled as events spell theirs: UTC, milliseconds. What is finer is cut off. */
export const moment = z.iso
  .datetime({ offset: true, error: "must be an RFC 3339 time such as 2026-01-31T12:00:00Z" })
  .transform((value, context) => {
    const at = new Date(value);
    const year = at.getUTCFullYear();
    if (year >= 1970 && year <= 9998) return at.toISOString();
    context.issues.push({ code: "custom", input: value, message: "must be from 1970 to 9998" });
    return z.NEVER;
  });

/** A moment, or a day that stands for its first one in UTC. */
const dayOrMoment = z.union([z.iso.date().transform((day) => `${day}T00:00:00.000Z`), moment], {
  error: "must be an RFC 3339 time such as 2026-01-31T12:00:00Z, or a day",
});

const seq = z
  .string()
  .regex(/^\d{1,15}$/, { error: "must be the seq of an event" })
  .transform(Number);

/** A client's own transfer id: no shard, the shard follows from its hash. */
const transferId = z.string().regex(/^trf_[0-7][0-9A-HJKMNP-TV-Z]{25}$/, { error: "must be trf_ and a ULID" });

/** Any transfer's id, one that a saga of the house made included: those name their shard. */
const anyTransferId = z
  .string()
  .regex(/^trf_[0-7][0-9A-HJKMNP-TV-Z]{25}(?:[0-9A-HJKMNP-TV-Z]{2})?$/, { error: "must be a transfer's id" });

const legs = z
  .array(
    z.strictObject({
      account: z.string().min(1).max(120),
      direction: z.enum(["debit", "credit"]),
      amount: money,
    }),
  )
  .min(2)
  .max(100);

const metadata = z
  .record(z.string().regex(/^[a-z][a-z0-9_]{0,39}$/, { error: "must be snake_case, at most 40 characters" }), text(500))
  .refine((entries) => Object.keys(entries).length <= 20, { error: "must have at most 20 entries" });

type Legs = z.output<typeof legs>;

/** A transfer of its own legs. `effective_at` is a claim, absent where it counts from when it is posted. */
export type TransferOrder = {
  kind: "transfer";
  id: string;
  legs: Legs;
  metadata: Record<string, string>;
  effective_at?: string;
};
/** The mirror of a transfer that was posted before. */
export type ReversalOrder = { kind: "reversal"; id: string; reverses: string };

/** `{id, legs, effective_at?, metadata?}` or `{id, reverses}`. One object and not a union, so that a fault is named where it is. */
export const createTransferBody = z
  .strictObject({
    id: transferId,
    legs: legs.optional().describe("required, unless `reverses` is there instead of everything else"),
    effective_at: moment.optional().describe("when it claims to count from; at most 5 minutes ahead"),
    metadata: metadata.optional().describe("a debit of a pod or wallet needs `reason`"),
    reverses: anyTransferId.optional().describe("the posted transfer to take back"),
  })
  .check((context) => {
    const { value } = context;
    const fault = (path: string, message: string) =>
      context.issues.push({ code: "custom", path: [path], input: value, message });
    if (value.reverses === undefined) {
      if (value.legs === undefined) fault("legs", "must be there, or reverses instead");
      return;
    }
    for (const field of ["legs", "effective_at", "metadata"] as const) {
      if (value[field] !== undefined) fault(field, "is not taken beside reverses");
    }
    if (value.reverses === value.id) fault("reverses", "must be another transfer");
  })
  .transform(({ id, legs, effective_at, metadata, reverses }): TransferOrder | ReversalOrder => {
    if (reverses !== undefined) return { kind: "reversal", id, reverses };
    const own = { kind: "transfer", id, legs: legs ?? [], metadata: metadata ?? {} } as const;
    return effective_at === undefined ? own : { ...own, effective_at };
  });

/** The transfers are parsed one by one: what is wrong with one is that one's result. */
export const batchBody = z.strictObject({
  transfers: z
    .array(z.unknown().meta({ description: "as `POST /v1/ledger/transfers` takes it, with `legs`" }))
    .min(1)
    .max(MAX_BATCH_TRANSFERS),
});

export const closePeriodBody = z.strictObject({ until: moment, reason: text(POD_LIMITS.reasonLength).optional() });

export const balanceQuery = z
  .object({ seq: seq.optional(), at: moment.optional() })
  .refine(({ seq, at }) => (seq === undefined) !== (at === undefined), {
    path: ["at"],
    error: "must be there, or seq",
  });

/** A range of a log: by moments, half-open, or by seqs, both included. */
export type StatementQuery =
  | { by: "time"; from: string | null; to: string | null }
  | { by: "seq"; from_seq: number; to_seq: number };

const range = {
  from: dayOrMoment.optional(),
  to: dayOrMoment.optional(),
  from_seq: seq.optional(),
  to_seq: seq.optional(),
};

type Range = { [K in keyof typeof range]?: z.output<(typeof range)[K]> };
type Fault = (path: string, message: string) => void;

const checkRange = ({ from, to, from_seq, to_seq }: Range, fault: Fault): void => {
  const [timed, counted] = [from !== undefined || to !== undefined, from_seq !== undefined || to_seq !== undefined];
  if (timed && counted) fault("from_seq", "is not taken beside from and to");
  else if (from !== undefined && to !== undefined && from > to) fault("to", "must not be before from");
  else if (counted && (from_seq === undefined || from_seq < 1)) {
    fault("from_seq", "must be there beside to_seq, and at least 1");
  } else if (counted && (to_seq === undefined || to_seq < (from_seq ?? 1) - 1)) {
    fault("to_seq", "must be there beside from_seq, and not before it");
  }
};

const toRange = ({ from, to, from_seq, to_seq }: Range): StatementQuery =>
  from_seq === undefined || to_seq === undefined
    ? { by: "time", from: from ?? null, to: to ?? null }
    : { by: "seq", from_seq, to_seq };

export const statementQuery = z
  .object(range)
  .check((context) =>
    checkRange(context.value, (path, message) =>
      context.issues.push({ code: "custom", path: [path], input: context.value, message }),
    ),
  )
  .transform((value) => toRange(value));

/** Without a currency it is the pod's home currency. */
export const podStatementQuery = z
  .object({ ...range, currency: currency.optional() })
  .check((context) =>
    checkRange(context.value, (path, message) =>
      context.issues.push({ code: "custom", path: [path], input: context.value, message }),
    ),
  )
  .transform(({ currency, ...value }) => ({ currency, range: toRange(value) }));
