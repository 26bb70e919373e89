import type { EventBody, JsonObject } from "../../schema/events.ts";
import { settle } from "../../schema/fees.ts";
import { convert } from "../../schema/fx.ts";
import type { DeskAnswer, DeskOp } from "../../schema/rpc/desk.ts";
import { type Deal, decideAccept, decideConvert, decideRelease, type Quote, type QuoteTerms } from "./decide.ts";
import { fillOf, type Hedge, type HedgeChange, intend, refusalOf, type TradeTerms } from "./decide-hedge.ts";
import type { DeskEvent } from "./events.ts";
import { type DeskState, fold } from "./state.ts";

/** A desk in memory for the tests: what `object.ts` does with rows and turns, done with maps. */

export const NOW = Date.parse("2026-11-25T12:00:00.000Z");
export const PRINCIPAL = { user: "ann", client_id: "tests" };
export const LIMIT = 100_000_00n;

export const eventOf = (told: DeskEvent, seq: number, atMs: number = NOW): EventBody => ({
  stream: "fx/main",
  seq: String(seq),
  id: `evt_${seq}`,
  type: told.type,
  version: "1",
  recorded_at: new Date(atMs).toISOString(),
  effective_at: new Date(atMs).toISOString(),
  correlation: "req_test",
  causation: null,
  principal: PRINCIPAL,
  data: told.data as JsonObject,
});

export type QuoteChange = Partial<Pick<QuoteTerms, "id" | "subject" | "pod" | "provider" | "firm_until">> & {
  sell?: string;
  pair?: readonly [sell: string, buy: string];
  rate?: string;
};

/** A quote of ann's: 100.00 EUR into USD at 1.1, unless said otherwise. */
export const quoteTerms = (change: QuoteChange = {}): QuoteTerms => {
  const { sell = "100.00", pair = ["EUR", "USD"], rate = "1.1", ...rest } = change;
  const conversion = convert({ amount: sell, currency: pair[0] }, pair[1], rate);
  if (conversion === null) throw new Error("a quote of the fixture's comes to nothing");
  return {
    id: "fxq_1",
    subject: "ann",
    pod: null,
    ...conversion,
    ...settle(conversion.buy, { psp: "0.015", fx: "0.005" }, true),
    provider: "lp-good",
    competing: [{ provider: rest.provider ?? "lp-good", status: "best", rate }],
    created_at: new Date(NOW).toISOString(),
    expires_at: new Date(NOW + 60_000).toISOString(),
    provider_quote: `lpq_${rest.id ?? "fxq_1"}`,
    firm_until: NOW + 120_000,
    ...rest,
  };
};

export const quoteOf = (change: QuoteChange & { expiresAt?: number; saga?: string | null } = {}): Quote => {
  const { expiresAt = NOW + 60_000, saga = null, ...terms } = change;
  return { terms: quoteTerms(terms), expiresAt, saga };
};

type Accept = Extract<DeskOp, { op: "accept" }>;

export const acceptOp = (change: Partial<Omit<Accept, "op">> = {}): Accept => ({
  op: "accept",
  saga: "sag_1",
  principal: PRINCIPAL,
  correlation: "req_test",
  charge: "chg_1",
  payer: "ann",
  pod: "pod_1",
  sell: { amount: "100.00", currency: "EUR" },
  buy_currency: "USD",
  quote: "fxq_1",
  ...change,
});

export const releaseOp = (saga = "sag_1"): DeskOp => ({
  op: "release",
  saga,
  reason: "cancelled",
  principal: PRINCIPAL,
  correlation: "req_test",
});

export const convertOp = (saga = "sag_1"): DeskOp => ({
  op: "convert",
  saga,
  principal: PRINCIPAL,
  correlation: "req_test",
});

export class MemoryDesk {
  state: DeskState = fold.initial;
  readonly quotes = new Map<string, Quote>();
  readonly deals = new Map<string, { deal: Deal; hedge: Hedge | null }>();
  readonly events: EventBody[] = [];
  readonly #limit: bigint;

  constructor(limit: bigint = LIMIT) {
    this.#limit = limit;
  }

  give(quote: Quote): void {
    this.quotes.set(quote.terms.id, quote);
  }

  apply(op: DeskOp, nowMs: number = NOW): DeskAnswer {
    const known = this.deals.get(op.saga)?.deal ?? null;
    const outcome =
      op.op === "accept"
        ? decideAccept(this.state, known, this.quotes.get(op.quote ?? "") ?? null, op, this.#limit, nowMs)
        : op.op === "release"
          ? decideRelease(known, op.saga, op.reason)
          : decideConvert(known, op.saga);
    if (outcome.change !== null) {
      const { event, keep } = outcome.change;
      this.append(event, nowMs);
      this.deals.set(keep.saga, { deal: keep, hedge: null });
      const quote = keep.state === "tombstone" ? undefined : this.quotes.get(keep.quote.id);
      if (quote !== undefined) this.quotes.set(quote.terms.id, { ...quote, saga: keep.saga });
    }
    return outcome.answer;
  }

  /** One attempt to cover a converted saga: filled with `bought` minor text, or refused when that is null. */
  hedge(saga: string, terms: TradeTerms, bought: string | null): void {
    const { deal, hedge } = this.#converted(saga);
    const intended = intend(deal, hedge, "sag_hedge", terms, []);
    this.#keep(saga, intended);
    const fill = { provider_ref: "lpt_1", sell: terms.sell, rate: terms.rate };
    this.#keep(
      saga,
      bought === null
        ? refusalOf(deal, intended.keep, "sag_hedge", "refused")
        : fillOf(deal, intended.keep, "sag_hedge", {
            ...fill,
            buy: { amount: bought, currency: terms.buy.currency },
          }),
    );
  }

  append(told: DeskEvent, atMs: number = NOW): void {
    const event = eventOf(told, this.events.length + 1, atMs);
    this.events.push(event);
    this.state = fold.evolve(this.state, event);
  }

  #converted(saga: string) {
    const known = this.deals.get(saga);
    if (known === undefined || known.deal.state !== "converted") throw new Error(`${saga} has converted nothing`);
    return { deal: known.deal, hedge: known.hedge };
  }

  #keep(saga: string, { event, keep }: HedgeChange): void {
    this.append(event);
    this.deals.set(saga, { deal: this.#converted(saga).deal, hedge: keep });
  }
}

export const tradeTermsOf = (terms: QuoteTerms): TradeTerms => {
  const { provider, provider_quote, sell, buy, rate } = terms;
  return { provider, provider_quote, sell, buy, rate };
};
