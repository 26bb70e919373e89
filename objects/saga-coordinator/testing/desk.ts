import { feeRates, settle } from "../../../schema/fees.ts";
import { convert } from "../../../schema/fx.ts";
import { type MoneyJson, toMinor } from "../../../schema/money.ts";
import { misfitOf } from "../../../schema/quote-fit.ts";
import { type Rejection, reject } from "../../../schema/rejections.ts";
import type { AcceptedTerms, DeskAnswer, DeskOp, HedgeAnswer, HedgeCall } from "../../../schema/rpc/desk.ts";

type Quote = { id: string; subject: string; pod: string | null; sell: MoneyJson; buy: MoneyJson; expiresAt: number };
type Deal = { charge: string; terms: AcceptedTerms; state: "accepted" | "released" | "converted" };
type Filled = Extract<HedgeAnswer, { outcome: "filled" }>;
type Hedged = { hedge: string; calls: number; answer: Filled | null };

/** What becomes of the calls for one hedge, in turn; the last one is repeated. */
export type Mood = readonly HedgeAnswer["outcome"][];

/** Units of each currency for one EUR, before they drift. */
const RATES: Readonly<Record<string, number>> = { USD: 1.08712, JPY: 162.347, KWD: 0.33519 };
export const BOUGHT = Object.keys(RATES);

/**
 * The desk as its contract has it: a rate is fixed once a saga, used or given back once, and one hedge is one trade, at a rate of
 * its own. No two rates it names are the same, so that whoever pays at another is found out.
 */
export class DeskModel {
  readonly deals = new Map<string, Deal>();
  /** By the charge's saga. */
  readonly hedges = new Map<string, Hedged>();
  /** Signed on the credit side, minor units by currency. */
  readonly position = new Map<string, bigint>();
  /** What the providers owe us, minor units by currency. */
  readonly owed = new Map<string, bigint>();
  /** Set when no provider gives a rate. */
  isDry = false;
  mood: () => Mood = () => ["filled"];
  readonly #now: () => number;
  readonly #quotes = new Map<string, Quote>();
  readonly #spent = new Set<string>();
  readonly #moods = new Map<string, Mood>();
  readonly #tombstones = new Set<string>();
  #rates = 0;
  #made = 0;

  constructor(now: () => number) {
    this.#now = now;
  }

  /** A quote of a person's; its id. */
  quote(subject: string, pod: string | null, sell: MoneyJson, buy: string, ttlMs: number): string {
    const id = `fxq_${++this.#made}`;
    const bought = { amount: "0", currency: buy };
    this.#quotes.set(id, { id, subject, pod, sell, buy: bought, expiresAt: this.#now() + ttlMs });
    return id;
  }

  readQuote(id: string, subject: string): Omit<Quote, "expiresAt"> | null {
    const quote = this.#quotes.get(id);
    return quote?.subject === subject ? quote : null;
  }

  apply(op: DeskOp): DeskAnswer {
    switch (op.op) {
      case "accept":
        return this.#accept(op);
      case "release":
        return this.#release(op.saga);
      case "convert":
        return this.#convert(op.saga);
    }
  }

  hedge({ hedge, saga }: HedgeCall): HedgeAnswer {
    const terms = this.deals.get(saga)?.terms;
    if (terms === undefined || this.deals.get(saga)?.state !== "converted") throw new Error(`${saga} is not converted`);
    const hedged = this.hedges.get(saga) ?? { hedge, calls: 0, answer: null };
    if (hedged.hedge !== hedge) throw new Error(`${saga} is hedged twice`);
    this.hedges.set(saga, hedged);
    if (hedged.answer !== null) return hedged.answer;
    const mood = this.#moods.get(saga) ?? this.mood();
    this.#moods.set(saga, mood);
    const outcome = mood[Math.min(hedged.calls++, mood.length - 1)] ?? "filled";
    if (outcome !== "filled") return { outcome, retry_after_ms: 100, detail: "planned" };
    const rate = this.#rate(terms.buy.currency);
    const trade = convert(terms.sell, terms.buy.currency, rate);
    if (trade === null) throw new Error("a trade of nothing");
    const { sell, buy } = trade;
    add(this.position, sell, -1n);
    add(this.position, buy, 1n);
    add(this.owed, sell, -1n);
    add(this.owed, buy, 1n);
    hedged.answer = { outcome, provider: "lp-a", provider_ref: `ref ${hedge}`, sell, buy, rate };
    return hedged.answer;
  }

  #accept(op: Extract<DeskOp, { op: "accept" }>): DeskAnswer {
    const known = this.deals.get(op.saga);
    if (known !== undefined) {
      return known.state === "released"
        ? reject("quote_used", "released")
        : { ok: true, op: "accept", terms: known.terms };
    }
    if (this.#tombstones.has(op.saga)) return reject("quote_used", "released before it was accepted");
    const refusal = op.quote === null ? (this.isDry ? reject("no_firm_liquidity", "dry") : null) : this.#unfit(op);
    if (refusal !== null) return refusal;
    const conversion = convert(op.sell, op.buy_currency, this.#rate(op.buy_currency));
    if (conversion === null) return reject("amount_out_of_range", "nothing would come out");
    if (op.quote !== null) this.#spent.add(op.quote);
    const fixed = { ...conversion, quote: op.quote ?? `fxq_${++this.#made}`, provider: "lp-a" };
    const terms: AcceptedTerms = { ...fixed, ...settle(conversion.buy, feeRates(undefined), true) };
    this.deals.set(op.saga, { charge: op.charge, terms, state: "accepted" });
    return { ok: true, op: "accept", terms };
  }

  #unfit(op: Extract<DeskOp, { op: "accept" }>): { ok: false; rejection: Rejection } | null {
    const quote = this.#quotes.get(op.quote ?? "");
    if (quote === undefined || quote.subject !== op.payer) return reject("not_found", "no such quote");
    if (this.#spent.has(quote.id)) return reject("quote_used", "spent");
    if (this.#now() >= quote.expiresAt) return reject("quote_expired", "late");
    return misfitOf(quote, op);
  }

  #release(saga: string): DeskAnswer {
    const deal = this.deals.get(saga);
    if (deal?.state === "converted") throw new Error(`${saga} is converted and released`);
    if (deal === undefined) this.#tombstones.add(saga);
    else deal.state = "released";
    return { ok: true, op: "release" };
  }

  #convert(saga: string): DeskAnswer {
    const deal = this.deals.get(saga);
    if (deal === undefined || deal.state === "released") throw new Error(`${saga} converts what was not accepted`);
    if (deal.state === "accepted") {
      deal.state = "converted";
      add(this.position, deal.terms.sell, 1n);
      add(this.position, deal.terms.debit, -1n);
    }
    return { ok: true, op: "convert" };
  }

  #rate(currency: string): string {
    const base = RATES[currency];
    if (base === undefined) throw new Error(`no rate of ${currency}`);
    return (base * (1 + (++this.#rates % 97) / 9_973)).toFixed(8);
  }
}

const add = (sums: Map<string, bigint>, money: MoneyJson, sign: bigint): void => {
  sums.set(money.currency, (sums.get(money.currency) ?? 0n) + sign * toMinor(money));
};
