import type { HedgeAnswer, HedgeCall } from "../../schema/rpc/desk.ts";
import type { Actor, Turn } from "../kit/actor.ts";
import type { EventMeta } from "../kit/event-log.ts";
import type { Asking } from "./asking.ts";
import type { Deal } from "./decide.ts";
import {
  covers,
  filledAnswer,
  fillOf,
  type Hedge,
  type HedgeChange,
  intend,
  nextStep,
  refusalOf,
  type TradeTerms,
} from "./decide-hedge.ts";
import type { Asked } from "./events.ts";
import type { FirmRequest, LiquidityProvider, TradeAnswer } from "./providers/adapter.ts";
import { priced, tellAsked } from "./quoting.ts";
import type { Rows } from "./rows.ts";
import type { DeskSettings } from "./settings.ts";
import type { DeskState } from "./state.ts";

const RETRY_MS = { refused: 500, unknown: 2_000, no_quote: 5_000, no_conversion: 60_000 } as const;

export type HedgingPorts = {
  actor: Pick<Actor<DeskState>, "submit" | "state" | "clock">;
  rows: Pick<Rows, "deal" | "keepDeal">;
  asking: Pick<Asking, "ask">;
  settings: DeskSettings;
  provider(name: string): LiquidityProvider | null;
  /** Where a crash test may end the process. */
  faultPoint(name: string): Promise<void>;
  /** Tells the desk when a row it has written may be forgotten. */
  forgetAt(turn: Turn<DeskState>, at: number | null): void;
};

type Converted = Exclude<Deal, { state: "tombstone" }>;

const notSent = (retry_after_ms: number, detail: string): HedgeAnswer => ({
  outcome: "not_sent",
  retry_after_ms,
  detail,
});
const unknown = (detail: string): HedgeAnswer => ({ outcome: "unknown", retry_after_ms: RETRY_MS.unknown, detail });

/**
 * Covers conversions at providers: one step a call, and one call a conversion at a time. The intent of a trade is in the log before
 * the call leaves. While nobody knows what became of one, its provider is asked about it and nobody is sent another.
 */
export class Hedging {
  readonly #ports: HedgingPorts;
  readonly #underway = new Map<string, Promise<HedgeAnswer>>();

  constructor(ports: HedgingPorts) {
    this.#ports = ports;
  }

  run(call: HedgeCall): Promise<HedgeAnswer> {
    const underway = this.#underway.get(call.saga);
    if (underway !== undefined) return underway;
    const running = this.#step(call).finally(() => this.#underway.delete(call.saga));
    this.#underway.set(call.saga, running);
    return running;
  }

  async #step(call: HedgeCall): Promise<HedgeAnswer> {
    const { rows, actor } = this.#ports;
    const known = rows.deal(call.saga);
    if (known === null || known.deal.state !== "converted") {
      console.error(`fx: hedge ${call.hedge} is for ${call.saga}, which has converted nothing`);
      return notSent(RETRY_MS.no_conversion, "the desk knows of no such conversion");
    }
    const step = nextStep(known.deal, known.hedge, actor.clock.now());
    switch (step.do) {
      case "answer":
        return step.answer;
      case "resolve":
        return this.#resolve(call, known.deal, step.hedge);
      case "trade":
        return this.#trade(call, known.deal, step.terms, []);
      case "quote":
        return this.#quoteAndTrade(call, known.deal);
    }
  }

  async #quoteAndTrade(call: HedgeCall, deal: Converted): Promise<HedgeAnswer> {
    const { asking, actor, settings } = this.#ports;
    const { sell, buy } = deal.quote;
    const request: FirmRequest = { sell, buy: { currency: buy.currency, amount: null } };
    const askedAt = actor.clock.now();
    const offers = await asking.ask(request);
    if (offers === null) return notSent(RETRY_MS.refused, "too many quotes are being asked for");
    const compared = priced(request, offers, actor.clock.now() - askedAt, settings, actor.state);
    if (compared.best === null) {
      await actor.submit((turn) => tellAsked(turn, compared, metaOf(call)));
      // They were asked, and that is an attempt: an outage of all of them is met at growing gaps too.
      const detail = "no provider gave a firm rate within the market in time";
      return { outcome: "refused", retry_after_ms: RETRY_MS.no_quote, detail };
    }
    const { provider, quote, conversion } = compared.best;
    const terms = { provider, provider_quote: quote, sell, buy: conversion.buy, rate: conversion.rate };
    return this.#trade(call, deal, terms, compared.asked);
  }

  async #trade(call: HedgeCall, deal: Converted, terms: TradeTerms, asked: Asked[]): Promise<HedgeAnswer> {
    const { actor, rows, settings, faultPoint } = this.#ports;
    const provider = this.#ports.provider(terms.provider);
    if (provider === null) return notSent(RETRY_MS.no_quote, "the desk no longer deals with this provider");
    const { keep: intended } = await actor.submit((turn) => {
      const before = rows.deal(call.saga)?.hedge ?? null;
      return this.#record(turn, call, deal, intend(deal, before, call.hedge, terms, asked));
    });
    await faultPoint("hedge:trade:intended");
    const answer = await within(settings.trade_timeout_ms, (signal) =>
      provider.execute(terms.provider_quote, intended.reference, signal),
    );
    await faultPoint("hedge:trade:answered");
    return this.#settle(call, deal, intended, answer);
  }

  /** Asks about the attempt under way. One the provider does not know is cancelled there, which settles it for good. */
  async #resolve(call: HedgeCall, deal: Converted, hedge: Hedge): Promise<HedgeAnswer> {
    const { settings, faultPoint } = this.#ports;
    const provider = this.#ports.provider(hedge.terms.provider);
    if (provider === null) return unknown("the desk no longer deals with this provider");
    const { trade_timeout_ms } = settings;
    const found = await within(trade_timeout_ms, (signal) => provider.query(hedge.reference, signal));
    await faultPoint("hedge:query:answered");
    if (found.outcome !== "not_found") return this.#settle(call, deal, hedge, found);
    const cancelled = await within(trade_timeout_ms, (signal) => provider.cancel(hedge.reference, signal));
    await faultPoint("hedge:cancel:answered");
    return this.#settle(call, deal, hedge, cancelled);
  }

  async #settle(call: HedgeCall, deal: Converted, hedge: Hedge, answer: TradeAnswer): Promise<HedgeAnswer> {
    const { actor } = this.#ports;
    switch (answer.outcome) {
      case "filled": {
        const { outcome: _, ...fill } = answer;
        if (!covers(hedge.terms, fill)) {
          console.error(`fx: ${hedge.terms.provider} filled ${hedge.reference} with another trade than it quoted`);
          return unknown("the provider tells of another trade");
        }
        await actor.submit((turn) => this.#record(turn, call, deal, fillOf(deal, hedge, call.hedge, fill)));
        return filledAnswer(hedge.terms.provider, fill);
      }
      case "refused": {
        const { detail } = answer;
        await actor.submit((turn) => this.#record(turn, call, deal, refusalOf(deal, hedge, call.hedge, detail)));
        return { outcome: "refused", retry_after_ms: RETRY_MS.refused, detail };
      }
      case "not_found":
        return unknown("the provider knows of no such trade yet");
      case "unknown":
        return unknown(answer.detail);
    }
  }

  #record<C extends HedgeChange>(turn: Turn<DeskState>, call: HedgeCall, deal: Converted, change: C): C {
    const { rows, forgetAt } = this.#ports;
    turn.append(change.event.type, change.event.data, metaOf(call));
    forgetAt(turn, rows.keepDeal(deal, change.keep, turn.now));
    return change;
  }
}

const metaOf = ({ principal, correlation, hedge }: HedgeCall): EventMeta => ({
  principal,
  correlation,
  causation: hedge,
});

/** One call to a provider under a deadline of its own; whatever it throws says nothing of the trade. */
const within = async (ms: number, call: (signal: AbortSignal) => Promise<TradeAnswer>): Promise<TradeAnswer> => {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), ms);
  try {
    return await call(deadline.signal);
  } catch {
    return { outcome: "unknown", detail: "the call failed" };
  } finally {
    clearTimeout(timer);
  }
};
