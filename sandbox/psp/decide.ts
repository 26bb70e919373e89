import type { PaymentStatus, RefusalCode, WebhookType } from "./contract.ts";
import { type Behaviour, WEBHOOK_LAG_MS } from "./instruments.ts";

/** When the delivery made before the answer is taken up again if the process died during it. */
const INLINE_FALLBACK_MS = 5_000;

export type Standing = { status: PaymentStatus; declineReason: string | null };

export type Opening =
  | { outcome: "server_error" }
  | ({ outcome: "opened"; settleAt: number | null; answerAt: number } & Standing);

/** What a POST for a new reference does, after `failures` server errors answered to earlier ones. */
export function openPayment(behaviour: Behaviour, capture: boolean, failures: number, now: number): Opening {
  if (failures < behaviour.serverErrors) return { outcome: "server_error" };
  const answerAt = now + behaviour.answerAfterMs;
  if (behaviour.settleAfterMs > 0) {
    const settleAt = now + behaviour.settleAfterMs;
    return { outcome: "opened", status: "pending", declineReason: null, settleAt, answerAt };
  }
  return { outcome: "opened", ...settle(behaviour, capture), settleAt: null, answerAt };
}

/** What a payment becomes when the issuer decides. */
export function settle(behaviour: Behaviour, capture: boolean): Standing {
  if (!behaviour.decision.approved) return { status: "failed", declineReason: behaviour.decision.reason };
  return { status: capture ? "captured" : "authorised", declineReason: null };
}

export type Change = { outcome: "changed"; status: PaymentStatus } | { outcome: "unchanged" } | Refused;
type Refused = { outcome: "refused"; code: RefusalCode };

/** Voiding ends what is still open, leaves what has ended, and never undoes a capture. */
export function voidPayment(status: PaymentStatus): Change {
  if (status === "captured") return { outcome: "refused", code: "already_captured" };
  return status === "authorised" || status === "pending"
    ? { outcome: "changed", status: "voided" }
    : { outcome: "unchanged" };
}

/** Only an authorised payment is captured, and only once. */
export function capturePayment(status: PaymentStatus): Change {
  if (status === "authorised") return { outcome: "changed", status: "captured" };
  return { outcome: "refused", code: status === "captured" ? "already_captured" : "not_authorised" };
}

/** One event to tell the merchant, and when to deliver each of its copies. */
export type Announcement = {
  type: WebhookType;
  occurredAt: number;
  deliverAt: number[];
  /** The first copy goes out before the HTTP answer; its `deliverAt` is only for when that was cut short. */
  firstInline: boolean;
};

/** The events a payment causes by reaching `status` at `now`, when its HTTP answer is due at `answerAt`. */
export function announce(behaviour: Behaviour, status: PaymentStatus, now: number, answerAt: number): Announcement[] {
  if (status !== "captured" && status !== "failed") return [];
  const first = Math.max(now, answerAt + behaviour.webhookLagMs);
  const deliverAt = Array.from({ length: behaviour.webhookCopies }, (_, copy) => first + copy * WEBHOOK_LAG_MS);
  if (behaviour.webhookBeforeAnswer) deliverAt.splice(0, 1, now + INLINE_FALLBACK_MS);
  const announcements: Announcement[] = [
    {
      type: status === "captured" ? "payment.captured" : "payment.failed",
      occurredAt: now,
      deliverAt,
      firstInline: behaviour.webhookBeforeAnswer,
    },
  ];
  if (status === "captured" && behaviour.disputeAfterMs !== null) {
    const occurredAt = now + behaviour.disputeAfterMs;
    announcements.push({ type: "dispute.opened", occurredAt, deliverAt: [occurredAt], firstInline: false });
  }
  return announcements;
}

/** After this many failed attempts in a row the next one waits so long. */
const RETRY_AFTER_MS = [1_000, 5_000, 30_000, 120_000, 600_000] as const;

/** When to try a delivery again after its `attempts`-th failure (from 1); null: give up. */
export function nextAttemptAt(attempts: number, now: number): number | null {
  const wait = RETRY_AFTER_MS[attempts - 1];
  return wait === undefined ? null : now + wait;
}
