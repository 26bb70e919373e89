import { convert } from "../../schema/fx.ts";

/** Liquidity providers for the tests, at the desk's fetch: three of them, each doing what it is told, with books of their own. */

export type Mood =
  | "good"
  /** Answers no quote before the desk gives up. */
  | "late"
  | "down"
  | "refuses_trades"
  /** Makes the trade, and the connection breaks. */
  | "trades_silently"
  /** The connection breaks before there is a trade. */
  | "loses_trades";

export type Trade = { id: string; reference: string; quote: string; sell: unknown; buy: unknown; rate: string };

type Seller = { mood: Mood; rate: string; firmMs: number };

const SHIPPED: Record<string, Seller> = {
  "lp-good": { mood: "good", rate: "1.1340", firmMs: 120_000 },
  "lp-slow": { mood: "good", rate: "1.1330", firmMs: 120_000 },
  "lp-wide": { mood: "good", rate: "1.1930", firmMs: 120_000 },
};

const refusal = (status: number, code: string, extra: object = {}) =>
  Response.json({ error: { code }, ...extra }, { status });

export class Market {
  readonly sellers = new Map<string, Seller>();
  readonly calls: string[] = [];
  readonly trades: (Trade & { provider: string })[] = [];
  readonly #quotes = new Map<string, Omit<Trade, "id" | "reference" | "quote">>();
  readonly #cancelled = new Set<string>();
  #last = 0;

  constructor() {
    this.reset();
  }

  /** As shipped; books and what is known of references stay. */
  reset(): void {
    for (const [name, seller] of Object.entries(SHIPPED)) this.sellers.set(name, { ...seller });
    this.calls.length = 0;
  }

  set(name: string, change: Partial<Seller>): void {
    const seller = this.sellers.get(name);
    if (seller === undefined) throw new Error(`nobody is called ${name}`);
    this.sellers.set(name, { ...seller, ...change });
  }

  readonly fetch = async (input: RequestInfo | URL, init?: RequestInit): Promise<Response> => {
    const { pathname } = new URL(String(input));
    const [, provider = "", rest = ""] = /^\/lp\/([a-z-]+)\/v1\/(.*)$/.exec(pathname) ?? [];
    const seller = this.sellers.get(provider);
    if (seller === undefined) throw new Error(`nobody listens at ${pathname}`);
    const body = typeof init?.body === "string" ? JSON.parse(init.body) : {};
    this.calls.push(`${provider} ${rest.replace(/by-reference\/[^/]+/, "by-reference")}`);
    if (seller.mood === "down") return refusal(503, "unavailable");
    if (rest === "quotes") return this.#quote(seller, body, init?.signal ?? null);
    if (rest === "trades") return this.#trade(provider, seller, body);
    const [, reference = "", cancel] = /^trades\/by-reference\/([^/]+)(\/cancel)?$/.exec(rest) ?? [];
    return this.#ask(provider, decodeURIComponent(reference), cancel !== undefined);
  };

  #quote(seller: Seller, body: Record<string, never>, signal: AbortSignal | null): Promise<Response> {
    if (seller.mood === "late") {
      return new Promise((_, reject) => signal?.addEventListener("abort", () => reject(new Error("given up"))));
    }
    const { sell, buy } = body as unknown as Record<"sell" | "buy", { currency: string; amount?: string }>;
    const conversion = convert({ amount: sell.amount ?? "", currency: sell.currency }, buy.currency, seller.rate);
    if (conversion === null) return Promise.resolve(refusal(422, "invalid_amount"));
    const id = `lpq_${++this.#last}`;
    const terms = { sell: conversion.sell, buy: conversion.buy, rate: seller.rate };
    this.#quotes.set(id, terms);
    return Promise.resolve(Response.json({ id, ...terms, firm_for_ms: seller.firmMs }, { status: 201 }));
  }

  #trade(provider: string, { mood }: Seller, body: { quote: string; reference: string }): Response {
    if (mood === "loses_trades") throw new Error("connection lost");
    if (mood === "refuses_trades") return refusal(422, "trade_refused");
    if (this.#cancelled.has(body.reference)) return refusal(409, "reference_cancelled");
    const quote = this.#quotes.get(body.quote);
    if (quote === undefined) return refusal(404, "not_found");
    const known = this.#find(provider, body.reference);
    const trade = known ?? { provider, id: `lpt_${++this.#last}`, ...body, ...quote };
    if (known === null) this.trades.push(trade);
    if (mood === "trades_silently") throw new Error("connection lost");
    return Response.json({ ...trade, status: "filled" }, { status: 201 });
  }

  #ask(provider: string, reference: string, cancel: boolean): Response {
    const trade = this.#find(provider, reference);
    if (trade !== null && cancel) return refusal(409, "already_filled", { trade: { ...trade, status: "filled" } });
    if (trade !== null) return Response.json({ ...trade, status: "filled" });
    if (!cancel) return refusal(404, "not_found");
    this.#cancelled.add(reference);
    return Response.json({ reference, status: "cancelled" });
  }

  #find(provider: string, reference: string) {
    return this.trades.find((trade) => trade.provider === provider && trade.reference === reference) ?? null;
  }
}
