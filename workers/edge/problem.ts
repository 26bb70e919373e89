import type { Rejection, RejectionCode } from "../../schema/rejections.ts";

type Kind = { status: number; title: string };

/** The one place that turns a rejection code into an HTTP status. */
const KINDS: Readonly<Record<RejectionCode, Kind>> = {
  invalid_request: { status: 400, title: "Invalid request" },
  idempotency_key_missing: { status: 400, title: "Idempotency key missing" },
  unauthenticated: { status: 401, title: "Not authenticated" },
  forbidden: { status: 403, title: "Forbidden" },
  kyc_required: { status: 403, title: "Identity check required" },
  not_found: { status: 404, title: "Not found" },
  method_not_allowed: { status: 405, title: "Method not allowed" },
  conflict: { status: 409, title: "Conflict" },
  quote_expired: { status: 409, title: "Quote expired" },
  quote_used: { status: 409, title: "Quote already used" },
  subject_changed: { status: 409, title: "Subject changed" },
  idempotency_in_progress: { status: 409, title: "Still in progress" },
  invitation_expired: { status: 410, title: "Invitation expired" },
  payload_too_large: { status: 413, title: "Payload too large" },
  unsupported_media_type: { status: 415, title: "Unsupported media type" },
  idempotency_mismatch: { status: 422, title: "Idempotency key used for another command" },
  insufficient_funds: { status: 422, title: "Insufficient funds" },
  currency_mismatch: { status: 422, title: "Currency mismatch" },
  amount_out_of_range: { status: 422, title: "Amount out of range" },
  split_mismatch: { status: 422, title: "Split does not add up" },
  unbalanced_transfer: { status: 422, title: "Unbalanced transfer" },
  transfer_id_expired: { status: 422, title: "Transfer id expired" },
  limit_exceeded: { status: 422, title: "Limit exceeded" },
  account_closed: { status: 422, title: "Account closed" },
  account_frozen: { status: 422, title: "Account frozen" },
  pod_not_active: { status: 422, title: "Pod not active" },
  risk_declined: { status: 422, title: "Declined by risk rules" },
  upgrade_required: { status: 426, title: "Upgrade required" },
  rate_limited: { status: 429, title: "Too many requests" },
  no_firm_liquidity: { status: 503, title: "No firm liquidity" },
  overloaded: { status: 503, title: "Overloaded" },
  upstream_unavailable: { status: 503, title: "Upstream unavailable" },
  internal: { status: 500, title: "Internal error" },
};

/** Seconds to wait where a refusal names none of its own. */
const RETRY_AFTER: Partial<Record<RejectionCode, number>> = {
  idempotency_in_progress: 1,
  rate_limited: 60,
  overloaded: 1,
  upstream_unavailable: 5,
};

export const statusOf = (code: RejectionCode): number => KINDS[code].status;

/** The `WWW-Authenticate` of a 401: no error code for a caller who showed no token at all (RFC 6750, 3.1). */
const challenge = (rejection: Rejection): string =>
  rejection.reason === undefined
    ? 'Bearer realm="crowdpay"'
    : `Bearer realm="crowdpay", error="${rejection.reason}", error_description="${rejection.detail}"`;

/** The problem document of a refusal (RFC 9457). `instance` is the id of the request that was refused. */
export const problemBody = (rejection: Rejection, instance: string): Record<string, unknown> => {
  const { code, detail, errors, reason, field, available, difference, required_actions } = rejection;
  const { status, title } = KINDS[code];
  return {
    type: `urn:crowdpay:problem:${code}`,
    title,
    status,
    // What went wrong inside is for the log, whatever an actor wrote here.
    detail: code === "internal" ? "something went wrong on our side; the request id names it" : detail,
    instance,
    code,
    ...(errors === undefined ? {} : { errors }),
    ...(reason === undefined || code === "unauthenticated" ? {} : { reason }),
    ...(field === undefined ? {} : { field }),
    ...(available === undefined ? {} : { available }),
    ...(difference === undefined ? {} : { difference }),
    ...(required_actions === undefined ? {} : { required_actions }),
  };
};

/** The headers a refusal brings along. */
export const problemHeaders = (rejection: Rejection): Record<string, string> => {
  const retryAfter = rejection.retry_after ?? RETRY_AFTER[rejection.code];
  return {
    "content-type": "application/problem+json",
    ...(retryAfter === undefined ? {} : { "retry-after": String(Math.max(1, Math.ceil(retryAfter))) }),
    ...(rejection.code === "unauthenticated" ? { "www-authenticate": challenge(rejection) } : {}),
    ...(rejection.code === "upgrade_required" ? { upgrade: "websocket" } : {}),
    ...(rejection.allow === undefined ? {} : { allow: rejection.allow.join(", ") }),
  };
};
