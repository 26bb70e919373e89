import type { MoneyJson } from "./money.ts";

/**
 * The closed list of refusals. A refusal is a value every layer passes on unchanged; `workers/edge/problem.ts` is the one place
 * that turns a code into an HTTP status.
 */
export const REJECTION_CODES = [
  "invalid_request",
  "idempotency_key_missing",
  "unauthenticated",
  "forbidden",
  "kyc_required",
  "not_found",
  "method_not_allowed",
  "conflict",
  "quote_expired",
  "quote_used",
  "subject_changed",
  "idempotency_in_progress",
  "invitation_expired",
  "payload_too_large",
  "unsupported_media_type",
  "idempotency_mismatch",
  "insufficient_funds",
  "currency_mismatch",
  "amount_out_of_range",
  "split_mismatch",
  "unbalanced_transfer",
  "transfer_id_expired",
  "limit_exceeded",
  "account_closed",
  "account_frozen",
  "pod_not_active",
  "risk_declined",
  "upgrade_required",
  "rate_limited",
  "no_firm_liquidity",
  "overloaded",
  "upstream_unavailable",
  "internal",
] as const;

export type RejectionCode = (typeof REJECTION_CODES)[number];

export type InputError = { pointer: string; detail: string };

/** Why a command was refused. `detail` is for people; the optional fields are the extension members of the problem document. */
export type Rejection = {
  code: RejectionCode;
  detail: string;
  /** Where the input is wrong: RFC 6901 pointers into the body. */
  errors?: InputError[];
  /** `forbidden`: which rule said no. */
  reason?: string;
  /** `idempotency_mismatch`: pointer of the first field that differs. */
  field?: string;
  /** `insufficient_funds`: what could have been spent. */
  available?: MoneyJson;
  /** `unbalanced_transfer`, `split_mismatch`: what is left over. */
  difference?: MoneyJson;
  /** Seconds after which the same call is worth making again. */
  retry_after?: number;
  /** `method_not_allowed`: what is allowed. */
  allow?: string[];
  /** What the caller can do about it. */
  required_actions?: string[];
};

export type Refused = { ok: false; rejection: Rejection };
export type Result<T> = { ok: true; value: T } | Refused;

export const accept = <T>(value: T): Result<T> => ({ ok: true, value });

export const reject = (
  code: RejectionCode,
  detail: string,
  extra: Omit<Rejection, "code" | "detail"> = {},
): Refused => ({
  ok: false,
  rejection: { code, detail, ...extra },
});

/** Answers that are not kept under an idempotency key: the caller may use the key again. */
export const NOT_KEPT: ReadonlySet<RejectionCode> = new Set([
  "invalid_request",
  "idempotency_key_missing",
  "unauthenticated",
  "forbidden",
  "kyc_required",
  "not_found",
  "method_not_allowed",
  "idempotency_in_progress",
  "idempotency_mismatch",
  "payload_too_large",
  "unsupported_media_type",
  "rate_limited",
  "no_firm_liquidity",
  "overloaded",
  "upstream_unavailable",
  "internal",
]);

/**
 * RFC 6901 pointer of the first place where two JSON values differ, depth first, members in key order and elements by index; null
 * when they are equal. The empty pointer is the whole value.
 */
export const firstDifference = (before: unknown, after: unknown, at = ""): string | null => {
  if (before === after) return null;
  const bothObjects = typeof before === "object" && typeof after === "object" && before !== null && after !== null;
  if (!bothObjects || Array.isArray(before) !== Array.isArray(after)) return at;
  const left = before as Record<string, unknown>;
  const right = after as Record<string, unknown>;
  const keys = [...new Set([...Object.keys(left), ...Object.keys(right)])];
  for (const key of Array.isArray(before) ? keys.sort((a, b) => Number(a) - Number(b)) : keys.sort()) {
    // Own members only: a key named like one of Object.prototype's is there on one side or it is not.
    const found = firstDifference(own(left, key), own(right, key), `${at}/${escapePointer(key)}`);
    if (found !== null) return found;
  }
  return null;
};

const own = (object: Record<string, unknown>, key: string): unknown =>
  Object.hasOwn(object, key) ? object[key] : undefined;

const escapePointer = (key: string): string => key.replaceAll("~", "~0").replaceAll("/", "~1");
