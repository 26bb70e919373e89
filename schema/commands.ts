import { z } from "zod";
import { exponentOf, isCurrency } from "./currency.ts";
import { parseDuration } from "./durations.ts";
import { USER_PATTERN } from "./ids.ts";
import { canonicalMoney, moneySchema, parseMinor } from "./money.ts";
import { ROLES } from "./permissions.ts";
import { INVITATION_TTL_S, POD_LIMITS, POD_TYPES } from "./pods.ts";
import { SAGA_KINDS, SAGA_STATUSES } from "./sagas.ts";

/**
 * Commands as HTTP clients write them. Parsing fills defaults in and spells money one way, so that two spellings of one command
 * are equal afterwards; what depends on a pod, a role or a balance is decided later.
 */

const CONTROL = /\p{Cc}/u;
/** They turn the order in which what follows is shown, beyond the end of the text. */
const TURNING = /[\u202a-\u202e\u2066-\u2069]/u;
/** Anything that is seen: neither space nor format character, nor one of the letters that look like nothing. */
const SEEN = /[^\p{Z}\p{Cf}\u115f\u1160\u2800\u3164\uffa0]/u;

/** A line of text from a person: well-formed Unicode, no control characters, not blank to the eye. */
export const text = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .refine((value) => value.isWellFormed() && !CONTROL.test(value) && !TURNING.test(value), {
      error: "must be well-formed text without control characters",
    })
    .refine((value) => SEEN.test(value), { error: "must not be blank" });

/** Money as every command takes it, spelled with exactly the currency's decimals. */
export const money = moneySchema.transform(canonicalMoney);

export const currency = z.string().refine(isCurrency, { error: "must be an ISO 4217 payment currency code" });
export const user = z.string().regex(USER_PATTERN, { error: "must be a user id: 1-64 of A-Z a-z 0-9 . _ -" });
export const role = z.enum(ROLES);

const isTimezone = (name: string): boolean => {
  // Offsets such as "+02:00" pass Intl too, but a zone is a place: it knows its summer time.
  if (!/^[A-Za-z][A-Za-z0-9_+/-]{0,63}$/.test(name)) return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: name });
    return true;
  } catch {
    return false;
  }
};

export const createPodBody = z
  .strictObject({
    name: text(POD_LIMITS.nameLength),
    type: z.enum(POD_TYPES),
    currencies: z
      .array(currency)
      .min(1)
      .max(POD_LIMITS.currencies)
      .refine((codes) => new Set(codes).size === codes.length, { error: "must not name a currency twice" }),
    home_currency: currency.optional(),
    timezone: z.string().refine(isTimezone, { error: "must be an IANA time zone" }).default("UTC"),
  })
  .check((context) => {
    const { currencies, home_currency } = context.value;
    if (home_currency === undefined || !Array.isArray(currencies) || currencies.includes(home_currency)) return;
    context.issues.push({
      code: "custom",
      path: ["home_currency"],
      input: home_currency,
      message: "must be one of currencies",
    });
  })
  .transform(({ home_currency, ...pod }) => ({ ...pod, home_currency: home_currency ?? pod.currencies[0] ?? "" }));

export const renamePodBody = z.strictObject({ name: text(POD_LIMITS.nameLength) });

export const freezeBody = z.strictObject({ reason: text(POD_LIMITS.reasonLength).optional() });

/** Body of a command that takes nothing: absent, or an empty object. */
export const emptyBody = z.strictObject({});

const seconds = z.union(
  [
    z.number().int().meta({ minimum: INVITATION_TTL_S.min, maximum: INVITATION_TTL_S.max }),
    z
      .string()
      .max(32)
      .transform((value, context) => {
        const duration = parseDuration(value);
        if (duration !== null && duration.months === 0) return duration.ms / 1000;
        context.issues.push({ code: "custom", input: value });
        return z.NEVER;
      }),
  ],
  { error: "must be a duration such as P7D, PT1H or 30m, or whole seconds" },
);

export const invitationBody = z
  .strictObject({
    role,
    expires_in: seconds
      .refine((value) => value >= INVITATION_TTL_S.min && value <= INVITATION_TTL_S.max, {
        error: `must be from ${INVITATION_TTL_S.min} to ${INVITATION_TTL_S.max} seconds`,
      })
      .default(INVITATION_TTL_S.default),
  })
  .transform(({ role, expires_in }) => ({ role, expires_in_s: expires_in }));

export const changeRoleBody = z.strictObject({ role });

/** An instrument of a connector: 1-255 visible ASCII characters. */
const instrumentToken = z.string().regex(/^[\x21-\x7e]{1,255}$/, { error: "must be 1-255 visible ASCII characters" });

export const createChargeBody = z.strictObject({
  amount: money,
  source: z.discriminatedUnion("type", [
    z.strictObject({ type: z.literal("instrument"), token: instrumentToken }),
    z.strictObject({ type: z.literal("wallet") }),
  ]),
  payer: user.optional(),
  settle_currency: currency.optional(),
  quote: z.string().min(1).max(64).optional(),
  description: text(500).optional(),
});

export const reviewBody = z.strictObject({ decision: z.enum(["approve", "decline"]), note: text(1_000) });

/** An operator's word on a saga. The note is kept in the journal for good: it names no person and nothing of theirs. */
export const operateBody = z.strictObject({ note: text(1_000).optional() });

/** How a step ended at a provider, by an operator's evidence: a success names the provider's own reference. */
export const resolveBody = z
  .strictObject({
    step: text(64),
    verdict: z.enum(["succeeded", "declined"]),
    provider_ref: text(255).optional(),
    note: text(1_000),
  })
  .check((context) => {
    const { verdict, provider_ref } = context.value;
    if (verdict === "declined" || provider_ref !== undefined) return;
    context.issues.push({
      code: "custom",
      path: ["provider_ref"],
      input: provider_ref,
      message: "is what a success is believed by",
    });
  });

const duration = z
  .string()
  .max(32)
  .transform((value, context) => {
    const parsed = parseDuration(value);
    if (parsed !== null) return parsed;
    context.issues.push({ code: "custom", input: value, message: "must be an ISO 8601 duration such as P1M or PT5M" });
    return z.NEVER;
  });

export const redriveBody = z
  .strictObject({
    ids: z.array(z.string().min(1).max(128)).min(1).max(100).optional(),
    limit: z.number().int().min(1).max(100).optional(),
  })
  .refine(({ ids, limit }) => ids === undefined || limit === undefined, { error: "takes ids or a limit, not both" });

export const advanceClockBody = z.strictObject({ advance: duration });

/** One side of a quote: a currency, and perhaps how much of it. */
const quoteSide = z
  .strictObject({ currency, amount: moneySchema.shape.amount.optional() })
  .check((context) => {
    const { amount, currency } = context.value;
    if (amount === undefined || !moneySchema.shape.amount.safeParse(amount).success || !isCurrency(currency)) return;
    if (parseMinor(amount, currency) !== null) return;
    const message = `must have at most ${exponentOf(currency)} decimals in ${currency}`;
    context.issues.push({ code: "custom", path: ["amount"], input: amount, message });
  })
  .transform(({ amount, currency }) => ({
    currency,
    amount: amount === undefined ? null : canonicalMoney({ amount, currency }).amount,
  }));

export const fxQuoteBody = z
  .strictObject({ sell: quoteSide, buy: quoteSide, pod: z.string().min(1).max(200).nullable().default(null) })
  .check((context) => {
    // A side that was refused is not there to be looked at.
    if (context.issues.length > 0) return;
    const { sell, buy } = context.value;
    if ((sell.amount === null) !== (buy.amount === null)) return;
    context.issues.push({
      code: "custom",
      path: [sell.amount === null ? "sell" : "buy", "amount"],
      input: context.value,
      message: "exactly one of the two amounts must be there",
    });
  });

export const fxRatesQuery = z.object({ base: currency.default("EUR") });

/** Query parameters are strings; what a route does not know is ignored. A cursor's form is the read model's to know. */
export const limitQuery = z.object({
  limit: z
    .string()
    .regex(/^\d{1,3}$/, { error: "must be a whole number from 1 to 200" })
    .transform(Number)
    .refine((value) => value >= 1 && value <= 200, { error: "must be a whole number from 1 to 200" })
    .prefault("50"),
});

export const eventsQuery = limitQuery.extend({
  after: z
    .string()
    .regex(/^\d{1,15}$/, { error: "must be the seq of an event" })
    .transform(Number)
    .prefault("0"),
});

/** `ticket` in place of a token; what it may look like, the feed that issued it knows. */
export const feedQuery = eventsQuery.pick({ after: true }).extend({ ticket: z.string().optional() });

export const entriesQuery = limitQuery.extend({ currency: currency.optional() });

/** `older_than`: an age (`PT5M`, `30s`, seconds) or a moment (RFC 3339). */
const age = z
  .string()
  .max(40)
  .transform((value, context): { ageMs: number } | { beforeMs: number } => {
    if (/^\d{1,9}$/.test(value)) return { ageMs: Number(value) * 1000 };
    const parsed = parseDuration(value);
    if (parsed !== null && parsed.months === 0) return { ageMs: parsed.ms };
    const moment = /^\d{4}-\d\d-\d\dT\d\d:\d\d/.test(value) ? Date.parse(value) : Number.NaN;
    if (!Number.isNaN(moment)) return { beforeMs: moment };
    context.issues.push({ code: "custom", input: value, message: "must be an age such as PT5M or an RFC 3339 time" });
    return z.NEVER;
  });

export const sagasQuery = limitQuery.extend({
  status: z.enum(SAGA_STATUSES).optional(),
  kind: z.enum(SAGA_KINDS).optional(),
  subject: user.optional(),
  older_than: age.optional(),
});

export const trialBalanceQuery = z.object({ wait: z.enum(["fresh"]).optional() });
