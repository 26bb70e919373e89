import { DurableObject } from "cloudflare:workers";
import type { SandboxEnv } from "../env.ts";
import { migrate } from "../migrate.ts";
import type { Money } from "../money.ts";
import {
  type Behaviour,
  type BooksRow,
  behaviourOf,
  isProvider,
  type ProviderName,
  type Quote,
  type QuoteRequest,
  type Reply,
  type Trade,
} from "./contract.ts";
import { migrations } from "./migrations.ts";
import { amountsAt, exponentOf, rateFor, scaled, unscaled } from "./rates.ts";

/** How long a trade's answer is withheld in the modes that time out. */
const TRADE_TIMEOUT_MS = 5_000;

type Terms = Pick<Trade, "sell" | "buy" | "rate">;
type QuoteRow = { terms: string; firm_until: number };
type TradeRow = { id: string; reference: string; quote: string; terms: string; at: number };

const tradeOf = ({ id, reference, quote, terms }: TradeRow): Trade => ({
  id,
  reference,
  quote,
  status: "filled",
  ...(JSON.parse(terms) as Terms),
});

/** One liquidity provider, named by itself: its behaviour, its quotes and its trades. It decides in one turn, and durably. */
export class LpBooks extends DurableObject<SandboxEnv> {
  readonly #name: ProviderName;

  constructor(ctx: DurableObjectState, env: SandboxEnv) {
    super(ctx, env);
    const name = ctx.id.name ?? "";
    if (!isProvider(name)) throw new Error(`no such provider: ${name}`);
    this.#name = name;
    migrate(ctx.storage, migrations);
  }

  /** A firm quote at the provider's rate of now. */
  async quote({ sell, buy }: QuoteRequest): Promise<Reply<Quote>> {
    const { mode, spread_bps, delay_ms, firm_ms } = this.#behaviour();
    if (mode === "down") return { kind: "refused", code: "unavailable" };
    if (mode === "refuse_quotes") return { kind: "refused", code: "quote_refused" };
    const rate = rateFor(sell.currency, buy.currency, spread_bps);
    if (rate === null) return { kind: "refused", code: "unsupported_pair" };
    const amounts = amountsAt(rate, sell, buy);
    if (amounts === null) return { kind: "refused", code: "invalid_amount" };
    const terms: Terms = {
      sell: { amount: amounts.sell, currency: sell.currency },
      buy: { amount: amounts.buy, currency: buy.currency },
      rate,
    };
    const id = newId("lpq");
    // A quote is firm from when it is answered, not from when it was asked for.
    const firmUntil = Date.now() + delay_ms + firm_ms;
    this.ctx.storage.sql.exec(
      "INSERT INTO quotes (id, terms, firm_until) VALUES (?, ?, ?)",
      id,
      JSON.stringify(terms),
      firmUntil,
    );
    return { kind: "done", value: { id, ...terms, firm_for_ms: firm_ms }, withhold_ms: delay_ms };
  }

  /** Trades a quote under the customer's reference, once: the same again is the same trade. */
  async trade(quote: string, reference: string): Promise<Reply<Trade>> {
    const { mode, slip } = this.#behaviour();
    if (mode === "down") return { kind: "refused", code: "unavailable" };
    const known = this.#trade(reference);
    if (known !== null) {
      if (known.quote !== quote) return { kind: "refused", code: "reference_used", trade: known };
      return { kind: "done", value: known, withhold_ms: 0 };
    }
    if (mode === "trade_timeout_then_lost") {
      return { kind: "refused", code: "unavailable", withhold_ms: TRADE_TIMEOUT_MS };
    }
    if (mode === "refuse_trades") return { kind: "refused", code: "trade_refused" };
    if (this.#isCancelled(reference)) return { kind: "refused", code: "reference_cancelled" };
    const offered = this.#quote(quote);
    if (offered === null) return { kind: "refused", code: "not_found" };
    const { sql } = this.ctx.storage;
    if (sql.exec("SELECT 1 FROM trades WHERE quote = ?", quote).toArray().length > 0) {
      return { kind: "refused", code: "quote_used" };
    }
    if (offered.firm_until <= Date.now()) return { kind: "refused", code: "quote_expired" };
    const terms = short(JSON.parse(offered.terms) as Terms, slip);
    sql.exec(
      "INSERT INTO trades (id, reference, quote, terms, at) VALUES (?, ?, ?, ?, ?)",
      newId("lpt"),
      reference,
      quote,
      JSON.stringify(terms),
      Date.now(),
    );
    const value = this.#trade(reference);
    if (value === null) throw new Error("a trade that was made is not there");
    return { kind: "done", value, withhold_ms: mode === "trade_timeout_then_filled" ? TRADE_TIMEOUT_MS : 0 };
  }

  async find(reference: string): Promise<Reply<Trade>> {
    if (this.#behaviour().mode === "down") return { kind: "refused", code: "unavailable" };
    const trade = this.#trade(reference);
    return trade === null ? { kind: "refused", code: "not_found" } : { kind: "done", value: trade, withhold_ms: 0 };
  }

  /** Makes a reference unusable for ever, unless a trade has used it. */
  async cancel(reference: string): Promise<Reply<{ reference: string; status: "cancelled" }>> {
    if (this.#behaviour().mode === "down") return { kind: "refused", code: "unavailable" };
    const trade = this.#trade(reference);
    if (trade !== null) return { kind: "refused", code: "already_filled", trade };
    this.ctx.storage.sql.exec(
      "INSERT OR IGNORE INTO cancelled_references (reference, at) VALUES (?, ?)",
      reference,
      Date.now(),
    );
    return { kind: "done", value: { reference, status: "cancelled" }, withhold_ms: 0 };
  }

  /** How the provider behaves; after `change`, where there is one. */
  async behave(change?: Partial<Behaviour>): Promise<Behaviour> {
    if (change !== undefined) {
      this.ctx.storage.sql.exec(
        "INSERT INTO behaviour (id, change) VALUES (1, ?) ON CONFLICT (id) DO UPDATE SET change = excluded.change",
        JSON.stringify(change),
      );
    }
    return this.#behaviour();
  }

  /** Every trade, oldest first. */
  async list(): Promise<BooksRow[]> {
    return this.ctx.storage.sql
      .exec<TradeRow>("SELECT id, reference, quote, terms, at FROM trades ORDER BY seq")
      .toArray()
      .map((row) => {
        const { id, ...trade } = tradeOf(row);
        return { provider: this.#name, trade: id, ...trade, at: new Date(row.at).toISOString() };
      });
  }

  #behaviour(): Behaviour {
    const [row] = this.ctx.storage.sql.exec<{ change: string }>("SELECT change FROM behaviour WHERE id = 1").toArray();
    return behaviourOf(this.#name, row === undefined ? {} : (JSON.parse(row.change) as Partial<Behaviour>));
  }

  #quote(id: string): QuoteRow | null {
    const [row] = this.ctx.storage.sql
      .exec<QuoteRow>("SELECT terms, firm_until FROM quotes WHERE id = ?", id)
      .toArray();
    return row ?? null;
  }

  #trade(reference: string): Trade | null {
    const [row] = this.ctx.storage.sql
      .exec<TradeRow>("SELECT id, reference, quote, terms, at FROM trades WHERE reference = ?", reference)
      .toArray();
    return row === undefined ? null : tradeOf(row);
  }

  #isCancelled(reference: string): boolean {
    return (
      this.ctx.storage.sql.exec("SELECT 1 FROM cancelled_references WHERE reference = ?", reference).toArray().length >
      0
    );
  }
}

/** A fill that falls short of its quote by so many minor units of what is bought; never of all of them. */
const short = (terms: Terms, slip: number): Terms => {
  if (slip === 0) return terms;
  const digits = exponentOf(terms.buy.currency);
  const left = scaled(terms.buy.amount, digits) - BigInt(slip);
  const buy: Money = { amount: unscaled(left > 0n ? left : 1n, digits), currency: terms.buy.currency };
  return { ...terms, buy };
};

const newId = (prefix: string): string => `${prefix}_${crypto.randomUUID().replaceAll("-", "")}`;
