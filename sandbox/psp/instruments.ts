/** What a test instrument makes the provider do. Times are milliseconds after the request that opened the payment. */
export type Behaviour = {
  /** What the card issuer decides. */
  decision: { approved: true } | { approved: false; reason: "do_not_honor" | "insufficient_funds" };
  /** When the decision is made; until then the payment is pending. 0: in the request itself. */
  settleAfterMs: number;
  /** How long the HTTP answer is withheld, whatever has been decided meanwhile. */
  answerAfterMs: number;
  /** How many POSTs for a reference answer 500 and leave nothing behind before one is accepted. */
  serverErrors: number;
  /** How often the webhook of a decision is delivered, each time with the same event id. */
  webhookCopies: number;
  /** The first copy is delivered before the HTTP answer. */
  webhookBeforeAnswer: boolean;
  /** A chargeback is announced this long after the capture; null: never. */
  disputeAfterMs: number | null;
  /** Captures more than it was asked to. */
  overcharges: boolean;
  /** Answers nothing but 500 about its payment, to whoever asks and for ever, and sends no webhook. */
  mute: boolean;
};

const plain: Behaviour = {
  decision: { approved: true },
  settleAfterMs: 0,
  answerAfterMs: 0,
  serverErrors: 0,
  webhookCopies: 1,
  webhookBeforeAnswer: false,
  disputeAfterMs: null,
  overcharges: false,
  mute: false,
};

const doNotHonor = { approved: false, reason: "do_not_honor" } as const;
const insufficientFunds = { approved: false, reason: "insufficient_funds" } as const;

const behaviours: ReadonlyMap<string, Behaviour> = new Map([
  ["tok_ok", plain],
  ["tok_slow", { ...plain, settleAfterMs: 3_000, answerAfterMs: 3_000 }],
  ["tok_declined", { ...plain, decision: doNotHonor }],
  ["tok_insufficient", { ...plain, decision: insufficientFunds }],
  ["tok_timeout_then_captured", { ...plain, answerAfterMs: 5_000 }],
  ["tok_timeout_then_failed", { ...plain, decision: doNotHonor, answerAfterMs: 5_000 }],
  ["tok_5xx_twice", { ...plain, serverErrors: 2 }],
  ["tok_duplicate_webhook", { ...plain, webhookCopies: 3, webhookBeforeAnswer: true }],
  ["tok_async", { ...plain, settleAfterMs: 1_500 }],
  ["tok_async_failed", { ...plain, decision: doNotHonor, settleAfterMs: 1_500 }],
  ["tok_dispute", { ...plain, disputeAfterMs: 1_000 }],
  ["tok_wrong_amount", { ...plain, overcharges: true }],
  ["tok_no_answer", { ...plain, mute: true, webhookCopies: 0 }],
]);

/** How the provider treats `token`; undefined for an instrument it never issued. */
export function behaviourOf(token: string): Behaviour | undefined {
  return behaviours.get(token);
}
