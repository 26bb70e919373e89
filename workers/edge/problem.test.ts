import { describe, expect, it } from "vitest";
import { REJECTION_CODES, type RejectionCode } from "../../schema/rejections.ts";
import { problemBody, problemHeaders, statusOf } from "./problem.ts";

const EXPECTED: Record<RejectionCode, number> = {
  invalid_request: 400,
  idempotency_key_missing: 400,
  unauthenticated: 401,
  forbidden: 403,
  kyc_required: 403,
  not_found: 404,
  method_not_allowed: 405,
  conflict: 409,
  quote_expired: 409,
  quote_used: 409,
  subject_changed: 409,
  idempotency_in_progress: 409,
  invitation_expired: 410,
  payload_too_large: 413,
  unsupported_media_type: 415,
  idempotency_mismatch: 422,
  insufficient_funds: 422,
  currency_mismatch: 422,
  amount_out_of_range: 422,
  split_mismatch: 422,
  unbalanced_transfer: 422,
  transfer_id_expired: 422,
  limit_exceeded: 422,
  account_closed: 422,
  account_frozen: 422,
  pod_not_active: 422,
  risk_declined: 422,
  upgrade_required: 426,
  rate_limited: 429,
  no_firm_liquidity: 503,
  overloaded: 503,
  upstream_unavailable: 503,
  internal: 500,
};

describe("problem documents", () => {
  it.each(REJECTION_CODES)("%s has the status of the contract and every member of RFC 9457", (code) => {
    expect(statusOf(code)).toBe(EXPECTED[code]);
    expect(problemBody({ code, detail: "why" }, "request-1")).toMatchObject({
      type: `urn:crowdpay:problem:${code}`,
      title: expect.stringMatching(/^[A-Z]/),
      status: EXPECTED[code],
      detail: expect.any(String),
      instance: "request-1",
      code,
    });
  });

  it("says nothing of what went wrong inside", () => {
    const body = problemBody({ code: "internal", detail: "SQLITE_BUSY at accounts.ts:12" }, "request-1");
    expect(JSON.stringify(body)).not.toContain("SQLITE");
  });

  it("carries the extension members of a refusal and no others", () => {
    const body = problemBody(
      { code: "insufficient_funds", detail: "short", available: { amount: "1.00", currency: "EUR" }, retry_after: 3 },
      "request-1",
    );
    expect(body.available).toEqual({ amount: "1.00", currency: "EUR" });
    expect(Object.keys(body)).not.toContain("retry_after");
  });

  it("challenges a caller without a token differently from one with a bad token", () => {
    const bare = problemHeaders({ code: "unauthenticated", detail: "a token is needed" });
    const bad = problemHeaders({ code: "unauthenticated", detail: "the token has expired", reason: "invalid_token" });
    expect(bare["www-authenticate"]).toBe('Bearer realm="crowdpay"');
    expect(bad["www-authenticate"]).toContain('error="invalid_token"');
  });

  it("tells when to come again, and what a path allows", () => {
    expect(problemHeaders({ code: "rate_limited", detail: "", retry_after: 7 })["retry-after"]).toBe("7");
    expect(problemHeaders({ code: "idempotency_in_progress", detail: "" })["retry-after"]).toBe("1");
    expect(problemHeaders({ code: "method_not_allowed", detail: "", allow: ["GET", "HEAD"] }).allow).toBe("GET, HEAD");
  });
});
