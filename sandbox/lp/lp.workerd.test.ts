import { evictAllDurableObjects } from "cloudflare:test";
import { exports, env as untypedEnv } from "cloudflare:workers";
import { beforeEach, describe, expect, test } from "vitest";
import type { SandboxEnv } from "../env.ts";
import { type BooksRow, PROVIDERS, type Quote, type Trade } from "./contract.ts";

const env = untypedEnv as unknown as SandboxEnv;
const worker = (exports as unknown as { default: Fetcher }).default;

type Fault = { error: { code: string }; trade?: Trade };

const call = async <T = Fault>(method: string, path: string, body?: unknown, key = env.LP_API_KEY) => {
  const response = await worker.fetch(`http://sandbox.test${path}`, {
    method,
    headers: { authorization: `Bearer ${key}` },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json<T>() };
};

const ask = (provider: string, sell: object, buy: object) =>
  call<Quote & Fault>("POST", `/lp/${provider}/v1/quotes`, { sell, buy });
const trade = (provider: string, quote: string, reference: string) =>
  call<Trade & Fault>("POST", `/lp/${provider}/v1/trades`, { quote, reference });
const find = (provider: string, reference: string) =>
  call<Trade & Fault>("GET", `/lp/${provider}/v1/trades/by-reference/${reference}`);
const cancel = (provider: string, reference: string) =>
  call<Fault>("POST", `/lp/${provider}/v1/trades/by-reference/${reference}/cancel`);
const set = (provider: string, behaviour: object) => call("POST", `/fx/providers/${provider}`, behaviour);
const books = async () => (await call<{ data: BooksRow[] }>("GET", "/lp/books")).body.data;

const EUR_100 = { currency: "EUR", amount: "100.00" };
const USD = { currency: "USD" };
const quoteOf = async (provider: string) => (await ask(provider, EUR_100, USD)).body;

let last = 0;
const newReference = () => `ref_${++last}`;

beforeEach(async () => {
  for (const provider of PROVIDERS) await set(provider, { mode: "good", spread_bps: 0 });
});

describe("a liquidity provider", () => {
  test("quotes the bought amount rounded down, and the least amount that buys what was asked for", async () => {
    const sold = await quoteOf("lp-good");
    expect(sold).toMatchObject({ sell: EUR_100, buy: { amount: "113.61", currency: "USD" }, rate: "1.13610" });
    const bought = await ask("lp-good", { currency: "EUR" }, { currency: "USD", amount: "113.60" });
    expect(bought.body).toMatchObject({ sell: { amount: "100.00" }, buy: { amount: "113.61" } });
  });

  test("fills a quote once, whatever is repeated under its reference", async () => {
    const { id, buy } = await quoteOf("lp-good");
    const reference = newReference();
    const first = await trade("lp-good", id, reference);
    expect(first).toMatchObject({ status: 201, body: { reference, quote: id, status: "filled", buy } });
    expect((await trade("lp-good", id, reference)).body).toEqual(first.body);
    expect((await find("lp-good", reference)).body).toEqual(first.body);
    expect(await trade("lp-good", id, newReference())).toMatchObject({
      status: 409,
      body: { error: { code: "quote_used" } },
    });
    const other = await quoteOf("lp-good");
    expect((await trade("lp-good", other.id, reference)).body.error.code).toBe("reference_used");
    expect((await books()).filter((row) => row.reference === reference)).toHaveLength(1);
  });

  test("never trades under a reference that was cancelled, and cancels none that has traded", async () => {
    const reference = newReference();
    expect((await cancel("lp-good", reference)).status).toBe(200);
    const { id } = await quoteOf("lp-good");
    expect((await trade("lp-good", id, reference)).body.error.code).toBe("reference_cancelled");
    const traded = newReference();
    const made = await trade("lp-good", id, traded);
    expect(await cancel("lp-good", traded)).toMatchObject({ status: 409, body: { trade: made.body } });
  });

  test("keeps its mode and its books over a restart", async () => {
    await set("lp-wide", { mode: "refuse_trades" });
    const { id } = await quoteOf("lp-wide");
    const before = await books();
    await evictAllDurableObjects();
    expect((await trade("lp-wide", id, newReference())).body.error.code).toBe("trade_refused");
    expect(await books()).toEqual(before);
  });

  test("a trade that times out has been made in one mode and not in the other", async () => {
    const quotes = await Promise.all([quoteOf("lp-good"), quoteOf("lp-wide")]);
    await set("lp-good", { mode: "trade_timeout_then_filled" });
    await set("lp-wide", { mode: "trade_timeout_then_lost" });
    const [made, lost] = [newReference(), newReference()];
    const trades = [trade("lp-good", quotes[0].id, made), trade("lp-wide", quotes[1].id, lost)];
    await expect.poll(async () => (await find("lp-good", made)).status).toBe(200);
    expect((await Promise.all(trades)).map(({ status }) => status)).toEqual([201, 503]);
    expect((await find("lp-wide", lost)).status).toBe(404);
  });

  test("does not trade a quote that is no longer firm, and quotes no pair it does not know", async () => {
    await set("lp-good", { mode: "good", firm_ms: 1 });
    const { id } = await quoteOf("lp-good");
    await expect.poll(async () => (await trade("lp-good", id, newReference())).body.error?.code).toBe("quote_expired");
    expect((await ask("lp-good", EUR_100, { currency: "XXX" })).status).toBe(422);
  });

  test("a fill falls short of its quote by the slip, and never comes to nothing", async () => {
    const quotes = [await quoteOf("lp-good"), (await ask("lp-good", { ...EUR_100, amount: "0.02" }, USD)).body];
    await set("lp-good", { mode: "good", slip: 3 });
    const fills = await Promise.all(quotes.map(({ id }) => trade("lp-good", id, newReference())));
    expect(fills.map(({ body }) => body.buy.amount)).toEqual(["113.58", "0.01"]);
  });

  test("a quote off the market is better for the customer, and one at a set spread is what it says", async () => {
    await set("lp-wide", { mode: "off_market" });
    expect((await quoteOf("lp-wide")).rate).toBe("1.19290");
    await set("lp-wide", { mode: "good", spread_bps: 100 });
    expect((await quoteOf("lp-wide")).rate).toBe("1.12473");
    await set("lp-wide", { mode: "down" });
    expect((await ask("lp-wide", EUR_100, USD)).status).toBe(503);
  });

  test("is closed to anybody without its key", async () => {
    expect((await call("POST", "/lp/lp-good/v1/quotes", { sell: EUR_100, buy: USD }, "another-key")).status).toBe(401);
    expect((await call("POST", "/lp/lp-none/v1/quotes", { sell: EUR_100, buy: USD })).status).toBe(404);
  });
});
