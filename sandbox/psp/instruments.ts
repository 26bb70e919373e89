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
  /** How long after the HTTP answer the webhook follows. */
  webhookLagMs: number;
  /** The first answer breaks off in the middle, whatever it was going to say. */
  hangsUp: boolean;
  /** A chargeback is announced this long after the capture; null: never. */
  disputeAfterMs: number | null;
  /** Captures more than it was asked to. */
  overcharges: boolean;
  /** Answers nothing but 500 about its payment, to whoever asks and for ever, and sends no webhook. */
  mute: boolean;
};

/** A webhook follows the answer by this much unless the instrument says otherwise. */
export const WEBHOOK_LAG_MS = 200;

const plain: Behaviour = {
  decision: { approved: true },
  settleAfterMs: 0,
  answerAfterMs: 0,
  serverErrors: 0,
  webhookCopies: 1,
  webhookBeforeAnswer: false,
  webhookLagMs: WEBHOOK_LAG_MS,
  hangsUp: false,
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
  return behaviours.get(token) ?? scripted(token);
}

const SCRIPT = "tok_script_";

/** One word of a script: a name, with a number where it has one. */
const words: Readonly<Record<string, (figure: number) => Partial<Behaviour>>> = {
  declined: () => ({ decision: doNotHonor }),
  settle: (settleAfterMs) => ({ settleAfterMs }),
  answer: (answerAfterMs) => ({ answerAfterMs }),
  errors: (serverErrors) => ({ serverErrors }),
  copies: (webhookCopies) => ({ webhookCopies }),
  early: () => ({ webhookBeforeAnswer: true }),
  late: (webhookLagMs) => ({ webhookLagMs }),
  hangup: () => ({ hangsUp: true }),
  dispute: (disputeAfterMs) => ({ disputeAfterMs }),
  // Says nothing: it tells one instrument from another.
  card: () => ({}),
};
const MOST = 60_000;

/**
 * An instrument that says itself what will go wrong, such as `tok_script_errors2_hangup_late1500_card7`: any words of the table,
 * times in milliseconds up to a minute. What is asked for is as durable as the payment that bears it.
 */
function scripted(token: string): Behaviour | undefined {
  if (!token.startsWith(SCRIPT)) return undefined;
  let behaviour = plain;
  for (const part of token.slice(SCRIPT.length).split("_")) {
    const [, name = "", figure = "0"] = /^([a-z]+)(\d{1,5})?$/.exec(part) ?? [];
    const word = Object.hasOwn(words, name) ? words[name] : undefined;
    if (word === undefined || Number(figure) > MOST) return undefined;
    behaviour = { ...behaviour, ...word(Number(figure)) };
  }
  return behaviour;
}
