import { DurableObject } from "cloudflare:workers";
import canonicalize from "canonicalize";
import { drizzle } from "drizzle-orm/durable-sqlite";
import { configOf, type SandboxEnv } from "../env.ts";
import { migrate } from "../migrate.ts";
import { overcharge } from "../money.ts";
import { Answers } from "./answers.ts";
import type { BooksRow, NewPayment, Payment, RefusalCode, Reply } from "./contract.ts";
import { announce, capturePayment, openPayment, settle, voidPayment } from "./decide.ts";
import { type Behaviour, behaviourOf } from "./instruments.ts";
import { migrations } from "./migrations.ts";
import { Outbox } from "./outbox.ts";
import { booksRowOf, type PaymentRow, Payments, paymentOf } from "./payments.ts";
import { type Delivery, deliver, deliverAll } from "./webhooks.ts";

/** How long an HTTP answer waits for the webhook that is to come before it. */
const INLINE_CAP_MS = 1_000;
const RETRY_BROKEN_ALARM_MS = 5_000;

/** A page of one shard's books: rows with their creation time, and where to go on (null: that was all). */
export type BooksPage = { rows: { createdAt: number; row: BooksRow }[]; next: number | null };

/** What a request is answered, and the webhook that is to be delivered before that. */
type Answered = { reply: Reply; inline: Delivery | null };

/** One shard of the card provider's books: it decides, remembers and announces the payments of its references. */
export class PspBooks extends DurableObject<SandboxEnv> {
  readonly #now = () => Date.now();
  readonly #payments: Payments;
  readonly #answers: Answers;
  readonly #outbox: Outbox;
  /** When the alarm will ring as far as this incarnation knows: saves asking storage, which would be an await. */
  #alarmAt: number | null = null;
  /** While the alarm works through what is due, it is not set again for the very same rows. */
  #ringing = false;

  constructor(ctx: DurableObjectState, env: SandboxEnv) {
    super(ctx, env);
    const db = drizzle(ctx.storage);
    this.#payments = new Payments(db);
    this.#answers = new Answers(db);
    this.#outbox = new Outbox(db, () => newId("evt"));
    ctx.blockConcurrencyWhile(async () => {
      migrate(ctx.storage, migrations);
      this.#alarmAt = await ctx.storage.getAlarm();
      this.#arm();
    });
  }

  /** Opens a payment, or answers again what this key was answered before. */
  async pay(key: string, request: NewPayment): Promise<Reply> {
    const fingerprint = fingerprintOf("pay", request);
    const { reply, inline } = this.#commit((now): Answered => {
      const known = this.#known(request.reference, key, fingerprint, now);
      if (known) return { reply: known, inline: null };
      const existing = this.#payments.byReference(request.reference);
      if (existing) return refused("duplicate_reference", paymentOf(existing));
      if (this.#payments.isBurnt(request.reference)) return refused("reference_voided");
      const behaviour = behaviourOf(request.instrument);
      if (!behaviour) return refused("unknown_instrument");
      return this.#open(key, fingerprint, request, behaviour, now);
    });
    if (inline) await this.#deliverInline(inline);
    return behaviourOf(request.instrument)?.mute ? refused("server_error").reply : reply;
  }

  /** Captures an authorised payment, or answers again what this key was answered before. */
  async capture(key: string, reference: string): Promise<Reply> {
    const fingerprint = fingerprintOf("capture", { reference });
    const { reply, inline } = this.#commit((now): Answered => {
      const known = this.#known(reference, key, fingerprint, now);
      if (known) return { reply: known, inline: null };
      const row = this.#payments.byReference(reference);
      if (!row) return refused("not_found");
      const change = capturePayment(row.status);
      if (change.outcome === "refused") return refused(change.code, paymentOf(row));
      const captured = this.#payments.update(row, { status: "captured", declineReason: null });
      const payment = paymentOf(captured);
      this.#answers.bind(reference, key, fingerprint, payment, now, now);
      return { reply: { kind: "payment", payment, replayed: false }, inline: this.#announce(captured, now, now) };
    });
    if (inline) await this.#deliverInline(inline);
    return reply;
  }

  /** The answer that `pay` withheld. Asks for more patience when it is still early. */
  async resume(key: string, reference: string): Promise<Reply> {
    return this.#commit((now): Reply => {
      const recall = this.#answers.recall(reference, key, undefined, now);
      if (recall.kind === "withheld") return { kind: "wait", ms: recall.ms };
      if (recall.kind !== "answered") throw new Error(`no answer is withheld for ${key}`);
      return { kind: "payment", payment: recall.payment, replayed: false };
    });
  }

  /** The payment with this merchant reference, as it stands. */
  async find(reference: string): Promise<Reply> {
    return this.#commit((): Reply => {
      const row = this.#payments.byReference(reference);
      if (!row) return refused("not_found").reply;
      if (behaviourOf(row.instrument)?.mute) return refused("server_error").reply;
      return { kind: "payment", payment: paymentOf(row), replayed: false };
    });
  }

  /** Ends an open payment. A reference never seen is burnt, and the answer null: no payment can ever use it. */
  async cancel(reference: string): Promise<Reply | null> {
    return this.#commit((now): Reply | null => {
      const row = this.#payments.byReference(reference);
      if (!row) {
        this.#payments.burn(reference, now);
        return null;
      }
      if (behaviourOf(row.instrument)?.mute) return refused("server_error").reply;
      const change = voidPayment(row.status);
      if (change.outcome === "refused") return refused(change.code, paymentOf(row)).reply;
      if (change.outcome === "unchanged") return { kind: "payment", payment: paymentOf(row), replayed: false };
      const payment = paymentOf(this.#payments.update(row, { status: change.status, declineReason: null }));
      this.#answers.fix(payment);
      return { kind: "payment", payment, replayed: false };
    });
  }

  /** At most `limit` rows of this shard's books after `afterSeq` (0: from the start), oldest first. */
  async list(filter: { pod?: string; charge?: string }, afterSeq: number, limit: number): Promise<BooksPage> {
    return this.#commit(() => {
      const rows = this.#payments.list(filter, afterSeq, limit);
      return {
        rows: rows.map((row) => ({ createdAt: row.createdAt, row: booksRowOf(row) })),
        next: rows.length === limit ? (rows.at(-1)?.seq ?? null) : null,
      };
    });
  }

  override async alarm(): Promise<void> {
    this.#ringing = true;
    try {
      const { productWebhookUrl, webhookSecret } = configOf(this.env);
      const batch = this.#commit((now) => {
        this.#answers.prune(now);
        return this.#outbox.due(now);
      });
      const results = await deliverAll(productWebhookUrl, webhookSecret, batch);
      this.#ringing = false;
      this.#alarmAt = null;
      this.#commit((now) => {
        for (const { delivery, arrived } of results) this.#outbox.record(delivery, arrived, now);
      });
    } catch (error) {
      // A handler that throws is retried six times and then forgotten with all it owed: never let it.
      console.error("psp: the alarm failed", error);
      this.#ringing = false;
      this.#alarmAt = this.#now() + RETRY_BROKEN_ALARM_MS;
      await this.ctx.storage.setAlarm(this.#alarmAt);
    }
  }

  /** One turn, one commit: what is due is settled first, so that everything below sees the books as of now. */
  #commit<T>(turn: (now: number) => T): T {
    const now = this.#now();
    const result = this.ctx.storage.transactionSync(() => {
      for (const row of this.#payments.toSettle(now)) this.#settle(row, now);
      return turn(now);
    });
    this.#arm();
    return result;
  }

  #known(reference: string, key: string, fingerprint: string, now: number): Reply | null {
    const recall = this.#answers.recall(reference, key, fingerprint, now);
    if (recall.kind === "new") return null;
    if (recall.kind === "reused") return refused("idempotency_key_reused").reply;
    if (recall.kind === "withheld") return refused("in_flight").reply;
    return { kind: "payment", payment: recall.payment, replayed: true };
  }

  #open(key: string, fingerprint: string, request: NewPayment, behaviour: Behaviour, now: number): Answered {
    const { reference } = request;
    const failures = this.#payments.failuresOf(reference);
    const opening = openPayment(behaviour, request.capture, failures, now);
    if (opening.outcome === "server_error") {
      this.#payments.recordFailure(reference, failures + 1);
      return refused("server_error");
    }
    const { status, declineReason, settleAt, answerAt } = opening;
    const amount = behaviour.overcharges ? overcharge(request.amount) : request.amount;
    const row = this.#payments.insert({
      id: newId("psp"),
      reference,
      key,
      instrument: request.instrument,
      capture: request.capture,
      status,
      declineReason,
      amount: amount.amount,
      currency: amount.currency,
      charge: request.metadata.charge,
      pod: request.metadata.pod,
      metadata: request.metadata,
      createdAt: now,
      answerAt,
      settleAt,
    });
    const payment = paymentOf(row);
    const settlesBeforeAnswer = settleAt !== null && settleAt <= answerAt;
    this.#answers.bind(reference, key, fingerprint, settlesBeforeAnswer ? null : payment, answerAt, now);
    const { hangsUp } = behaviour;
    return {
      reply:
        answerAt > now ? { kind: "wait", ms: answerAt - now } : { kind: "payment", payment, replayed: false, hangsUp },
      inline: this.#announce(row, now, answerAt),
    };
  }

  #settle(row: PaymentRow, now: number) {
    const settled = this.#payments.update(row, settle(instrumentOf(row), row.capture));
    this.#answers.fix(paymentOf(settled));
    this.#announce(settled, now, row.answerAt);
  }

  #announce(row: PaymentRow, now: number, answerAt: number): Delivery | null {
    const announcements = announce(instrumentOf(row), row.status, now, answerAt);
    return this.#outbox.owe(announcements, paymentOf(row), row.metadata);
  }

  /** Delivers before the HTTP answer, but never holds that answer up for longer than the cap. */
  async #deliverInline(delivery: Delivery): Promise<void> {
    const { productWebhookUrl, webhookSecret } = configOf(this.env);
    const attempt = deliver(productWebhookUrl, webhookSecret, delivery).then((arrived) =>
      this.#commit((now) => this.#outbox.record(delivery, arrived, now)),
    );
    this.ctx.waitUntil(attempt);
    const over = new AbortController();
    await Promise.race([attempt, scheduler.wait(INLINE_CAP_MS, { signal: over.signal })]);
    over.abort();
  }

  /** Sets the alarm for the next thing due. Called in the turn of the write, so both are in one commit. */
  #arm() {
    if (this.#ringing) return;
    const due = [this.#payments.nextSettleAt(), this.#outbox.nextDueAt()].filter((at) => at !== null);
    if (due.length === 0) return;
    const next = Math.min(...due);
    if (this.#alarmAt !== null && this.#alarmAt <= next) return;
    this.#alarmAt = next;
    this.ctx.storage.setAlarm(next);
  }
}

/** Two requests are the same when this is: the operation and its parsed body, in canonical form. */
function fingerprintOf(operation: "pay" | "capture", request: NewPayment | { reference: string }): string {
  return `${operation} ${canonicalize(request)}`;
}

function refused(code: RefusalCode, payment?: Payment): Answered {
  return { reply: payment ? { kind: "refused", code, payment } : { kind: "refused", code }, inline: null };
}

function instrumentOf(row: PaymentRow): Behaviour {
  const behaviour = behaviourOf(row.instrument);
  if (!behaviour) throw new Error(`payment ${row.id} was made with ${row.instrument}, which no longer exists`);
  return behaviour;
}

function newId(prefix: "psp" | "evt"): string {
  return `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;
}
