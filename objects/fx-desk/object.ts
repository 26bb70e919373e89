import { DurableObject } from "cloudflare:workers";
import { type Meta, SYSTEM } from "../../schema/events.ts";
import { type FeeRates, feeRates } from "../../schema/fees.ts";
import { type Refused, type Result, reject } from "../../schema/rejections.ts";
import type { Answered, CommandKey } from "../../schema/rpc/actor.ts";
import type {
  DeskAnswer,
  DeskBooks,
  DeskOp,
  DeskRpc,
  HedgeAnswer,
  HedgeCall,
  IndicativeRates,
  ProviderRecord,
  QuoteRecord,
  QuoteRequest,
} from "../../schema/rpc/desk.ts";
import { streamOf } from "../../schema/streams.ts";
import { Actor, type Turn } from "../kit/actor.ts";
import { type ObjectEnv, relayPort, settingsOf, UNLISTED_GATHER_MS } from "../kit/env.ts";
import { faultPoint } from "../kit/faults.ts";
import { findKept, forgetKept, keepUnderKey, PRUNE_BATCH, PRUNE_TIMER, pruneBy } from "../kit/kept-answers.ts";
import { Asking } from "./asking.ts";
import {
  type Deal,
  decideAccept,
  decideConvert,
  decideRelease,
  type Outcome,
  pastLimit,
  type Quote,
  statusOf,
} from "./decide.ts";
import { Hedging } from "./hedging.ts";
import { migrations } from "./migrations.ts";
import type { Offer } from "./pricing.ts";
import { circuitOf, NEW_PROVIDER, providerRecord } from "./provider-stats.ts";
import type { FirmRequest, LiquidityProvider } from "./providers/adapter.ts";
import { providersOf } from "./providers/registry.ts";
import { faultIn, giveQuote, type Order, priced, recordOf, tellAsked } from "./quoting.ts";
import { Rows } from "./rows.ts";
import { type DeskSettings, deskSettings } from "./settings.ts";
import { type DeskState, fold } from "./state.ts";
import { deskBooks, indicativeRates } from "./view.ts";

/** Operations one call may carry. */
export const MAX_OPS = 256;
const PRUNE_AGAIN_MS = 1_000;
const CLOSED_DOOR_RETRY_MS = 1_000;

type DeskTurn = Turn<DeskState>;
type Accept = Extract<DeskOp, { op: "accept" }>;

/** What the desk works with, made when it is first needed: a misconfigured deployment still reads. */
type Trading = {
  settings: DeskSettings;
  fees: FeeRates;
  asking: Asking;
  hedging: Hedging;
};

/** The foreign exchange desk: quotes, the rates that charges are converted at, the position they leave, and its cover. */
export class FxDesk extends DurableObject<ObjectEnv> implements DeskRpc {
  readonly #actor: Actor<DeskState>;
  readonly #rows: Rows;
  #trading: Trading | null = null;

  constructor(ctx: DurableObjectState, env: ObjectEnv) {
    super(ctx, env);
    this.#actor = new Actor(ctx, {
      stream: streamOf.fx(ctx.id.name ?? ""),
      fold,
      migrations,
      relay: relayPort(env, UNLISTED_GATHER_MS),
      onTimer: () => this.#prune(),
    });
    this.#rows = new Rows(ctx.storage.sql);
  }

  /** Asks the providers and gives the best of their quotes; under a key the one that was given first. */
  async quote(request: QuoteRequest, key: CommandKey, meta: Meta): Promise<Result<Answered<QuoteRecord>>> {
    const door = this.#actor.closedDoor;
    if (door !== null) return { ok: false, rejection: door };
    const { settings, fees, asking } = this.#open();
    const kept = givenBefore(this.#actor.sql, key) ?? faultIn(request, settings.band_bps);
    if (kept !== null) return kept;
    const full = this.#actor.nearlyFull;
    if (full !== null) return { ok: false, rejection: full };
    const askedAt = this.#actor.clock.now();
    const offers = await asking.ask(request);
    if (offers === null) return reject("overloaded", "too many quotes are being asked for", { retry_after: 1 });
    return this.#submit((turn): Result<Answered<QuoteRecord>> => {
      // Another call under the same key may have been answered while the providers were asked.
      const meanwhile = givenBefore(turn.sql, key);
      if (meanwhile !== null) return meanwhile;
      const given = giveQuote(turn, this.#rows, { request, offers, askedAt, meta }, settings, fees);
      if (!given.ok) return given;
      const record = recordOf(given.value.quote.terms, "open");
      this.#forgetAt(turn, given.value.pruneAt);
      keepUnderKey(turn, key, record);
      return { ok: true, value: { replayed: false, value: record } };
    });
  }

  async readQuote(id: string, subject: string): Promise<QuoteRecord | null> {
    const quote = this.#rows.quote(id);
    if (quote === null || quote.terms.subject !== subject) return null;
    const deal = quote.saga === null ? null : (this.#rows.deal(quote.saga)?.deal ?? null);
    return recordOf(quote.terms, statusOf(quote, deal, this.#actor.clock.now()));
  }

  /**
   * One answer an operation, in order. Providers are asked for every accept that names no quote, all at once and before the first
   * operation is decided; each is then decided in a turn of its own, against what is there by then.
   */
  async applyOps(ops: DeskOp[]): Promise<DeskAnswer[]> {
    if (ops.length > MAX_OPS) throw new RangeError(`at most ${MAX_OPS} operations a call`);
    const door = this.#actor.closedDoor;
    if (door !== null) return ops.map(() => ({ ok: false, rejection: door }));
    const orders = await Promise.all(ops.map((op) => this.#orderFor(op)));
    return Promise.all(ops.map((op, index) => this.#apply(op, orders[index] ?? null)));
  }

  /** One step of covering a conversion; the caller comes again until it is `filled`. */
  async hedge(call: HedgeCall): Promise<HedgeAnswer> {
    const door = this.#actor.closedDoor;
    if (door !== null) {
      return { outcome: "not_sent", retry_after_ms: CLOSED_DOOR_RETRY_MS, detail: door.detail };
    }
    return this.#open().hedging.run(call);
  }

  async rates(base: string): Promise<IndicativeRates> {
    return indicativeRates(base);
  }

  async providers(): Promise<ProviderRecord[]> {
    const { settings } = this.#open();
    const { providers } = this.#actor.state;
    const names = [...new Set([...settings.providers, ...providers.keys()])];
    const sla = { deadlineMs: settings.deadline_ms, target: settings.sla_target };
    const now = this.#actor.clock.now();
    return names.map((name) => providerRecord(name, providers.get(name) ?? NEW_PROVIDER, sla, now));
  }

  async books(): Promise<DeskBooks> {
    return deskBooks(this.#actor.state, this.#open().settings.limitMinor);
  }

  async eventsSince(after: number, limit: number) {
    return this.#actor.reads.eventsSince(after, limit);
  }

  async head() {
    return this.#actor.reads.head();
  }

  async verifyLog(after: number, prevHash: string, limit: number) {
    return this.#actor.reads.verifyLog(after, prevHash, limit);
  }

  async runDueTimers() {
    return this.#actor.runDueTimers();
  }

  override async alarm(delivery?: AlarmInvocationInfo) {
    await this.#actor.alarm(delivery);
  }

  #open(): Trading {
    if (this.#trading !== null) return this.#trading;
    const values = settingsOf(this.env);
    const settings = deskSettings(values.CROWDPAY_FX);
    const known = providersOf(settings.providers, values);
    const provider = (name: string): LiquidityProvider | null => known.get(name) ?? null;
    const actor = this.#actor;
    const rows = this.#rows;
    const asking = new Asking({
      providers: [...known.values()],
      deadlineMs: settings.deadline_ms,
      clock: actor.clock,
      circuitOf: (name) => circuitOf(actor.state.providers.get(name) ?? NEW_PROVIDER, actor.clock.now()),
      straggler: (request, offer) => this.#tellStraggler(request, offer, settings),
    });
    const hedging = new Hedging({
      actor,
      rows,
      asking,
      settings,
      provider,
      faultPoint: (name) => faultPoint(this.env, name),
      forgetAt: (turn, at) => this.#forgetAt(turn, at),
    });
    this.#trading = { settings, fees: feeRates(values.CROWDPAY_FEES), asking, hedging };
    return this.#trading;
  }

  /** What the providers offer for an accept without a quote, unless its saga has been decided already. A full desk takes neither kind. */
  async #orderFor(op: DeskOp): Promise<Order | Refused | null> {
    if (op.op !== "accept" || this.#rows.deal(op.saga) !== null) return null;
    const crowded = this.#actor.nearlyFull;
    if (crowded !== null) return { ok: false, rejection: crowded };
    if (op.quote !== null) return null;
    const buy = { currency: op.buy_currency, amount: null };
    const request: QuoteRequest = { subject: op.payer, pod: op.pod, sell: op.sell, buy };
    const { settings, asking } = this.#open();
    const fault = faultIn(request, settings.band_bps);
    if (fault !== null) return fault;
    const askedAt = this.#actor.clock.now();
    const offers = await asking.ask(request);
    if (offers === null) return reject("overloaded", "too many quotes are being asked for", { retry_after: 1 });
    return { request, offers, askedAt, meta: metaOf(op) };
  }

  async #apply(op: DeskOp, order: Order | Refused | null): Promise<DeskAnswer> {
    return this.#submit((turn): DeskAnswer => {
      const known = this.#rows.deal(op.saga);
      const deal = known?.deal ?? null;
      if (op.op !== "accept") {
        const outcome = op.op === "release" ? decideRelease(deal, op.saga, op.reason) : decideConvert(deal, op.saga);
        if (!outcome.answer.ok) console.error(`fx: ${op.op} of ${op.saga}: ${outcome.answer.rejection.detail}`);
        return this.#keep(turn, op, outcome);
      }
      return this.#accept(turn, op, deal, order);
    });
  }

  #accept(turn: DeskTurn, op: Accept, deal: Deal | null, order: Order | Refused | null): DeskAnswer {
    const { settings, fees } = this.#open();
    const decide = (quote: Quote | null) =>
      this.#keep(turn, op, decideAccept(turn.state, deal, quote, op, settings.limitMinor, turn.now));
    if (deal !== null) return decide(null);
    if (order !== null && "rejection" in order) return order;
    if (op.quote !== null) return decide(this.#rows.quote(op.quote));
    if (order === null) throw new Error("an accept without a quote, and nobody was asked");
    // Before a quote is given: one that could not be accepted is nobody's.
    const full = pastLimit(turn.state, op.sell, settings.limitMinor);
    if (full !== null) return full;
    const given = giveQuote(turn, this.#rows, order, settings, fees);
    if (!given.ok) return given;
    this.#forgetAt(turn, given.value.pruneAt);
    return decide(given.value.quote);
  }

  #keep(turn: DeskTurn, op: DeskOp, { answer, change }: Outcome): DeskAnswer {
    if (change === null) return answer;
    turn.append(change.event.type, change.event.data, metaOf(op));
    this.#forgetAt(turn, this.#rows.keepDeal(change.keep, null, turn.now));
    return answer;
  }

  /** A command in the next commit. What it throws is a bug: its writes are undone, and its caller is told no more. */
  async #submit<T>(command: (turn: DeskTurn) => T): Promise<T | Refused> {
    try {
      return await this.#actor.submit(command);
    } catch (error) {
      console.error(`fx: a command failed: ${error instanceof Error ? error.message : "not an error"}`);
      return reject("internal", "the desk could not take this");
    }
  }

  /** A probe that nobody waited for: what it came to counts all the same. */
  #tellStraggler(request: FirmRequest, offer: Offer, settings: DeskSettings): void {
    const told = this.#submit((turn) => {
      const compared = priced(request, [offer], offer.latencyMs ?? 0, settings, turn.state);
      const asked = compared.asked.map((one) => (one.status === "best" ? { ...one, status: "beaten" as const } : one));
      tellAsked(
        turn,
        { ...compared, asked },
        { principal: SYSTEM, correlation: `probe-${offer.provider}`, causation: null },
      );
    });
    this.ctx.waitUntil(told);
  }

  #forgetAt({ timers }: DeskTurn, at: number | null): void {
    if (at !== null) pruneBy(timers, at);
  }

  #prune(): void {
    this.#actor.turn(({ sql, timers, now }) => {
      this.#rows.prune(now, PRUNE_BATCH);
      const nextKey = forgetKept({ sql, now });
      const due = [this.#rows.nextPrune(), nextKey].filter((at) => at !== null);
      if (due.length === 0) timers.clear(PRUNE_TIMER, "");
      else timers.set(PRUNE_TIMER, "", Math.max(now + PRUNE_AGAIN_MS, Math.min(...due)));
    });
  }
}

/** The quote given under a key, or that the key belongs to another request; null when there is neither. */
const givenBefore = (sql: SqlStorage, key: CommandKey): Result<Answered<QuoteRecord>> | null => {
  const kept = findKept<QuoteRecord>(sql, key);
  return kept?.ok === true ? { ok: true, value: { replayed: true, value: kept.value } } : kept;
};

const metaOf = ({ principal, correlation, saga }: DeskOp) => ({ principal, correlation, causation: saga });
