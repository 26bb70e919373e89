import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GENESIS_HASH, type Meta } from "../../schema/events.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { DeskOp, DeskRpc, HedgeAnswer, QuoteRecord, QuoteRequest } from "../../schema/rpc/desk.ts";
import { acceptOp, convertOp, PRINCIPAL, releaseOp } from "./desk.fixture.ts";
import { Market } from "./market.fixture.ts";
import { MAX_OPS } from "./object.ts";
import { CIRCUIT } from "./provider-stats.ts";
import { UNUSED_KEPT_MS } from "./rows.ts";

const desks = (untypedEnv as unknown as { FX_DESKS: DurableObjectNamespace }).FX_DESKS;
const market = new Market();

/** A desk of its own for each test: one's position is not another's. */
let made = 0;
let name = "";
const desk = () => desks.getByName(name) as unknown as DeskRpc;
const restart = () => evictDurableObject(desks.getByName(name));

const META: Meta = { principal: PRINCIPAL, correlation: "req_test", causation: null };
const usd = (amount: string) => ({ amount, currency: "USD" });
const selling = (amount = "100.00"): QuoteRequest => ({
  subject: "ann",
  pod: null,
  sell: { currency: "EUR", amount },
  buy: { currency: "USD", amount: null },
});
const keyed = (key: string | null, request: QuoteRequest): CommandKey => ({
  subject: request.subject,
  command: "fx.quote",
  key,
  request: JSON.stringify(request),
});
const ask = (request = selling(), key: string | null = null) => desk().quote(request, keyed(key, request), META);
const quoted = async (request = selling()): Promise<QuoteRecord> => {
  const result = await ask(request);
  if (!result.ok) throw new Error(result.rejection.code);
  return result.value.value;
};
const codeOf = (result: { ok: boolean; rejection?: { code: string } }) => (result.ok ? "ok" : result.rejection?.code);
const apply = async (...ops: DeskOp[]) => (await desk().applyOps(ops)).map(codeOf);
const eventTypes = async () => (await desk().eventsSince(0, 500)).map(({ event }) => event.type);

const hedge = (saga = "sag_1", by = "sag_h"): Promise<HedgeAnswer> =>
  desk().hedge({ hedge: by, saga, principal: PRINCIPAL, correlation: "req_test" });
/** A conversion of 100.00 EUR at 1.1340, waiting to be covered. */
const converted = async () => {
  const { id } = await quoted();
  expect(await apply(acceptOp({ quote: id }), convertOp())).toEqual(["ok", "ok"]);
  market.calls.length = 0;
  return id;
};
const tradesOf = (quote: string) => market.trades.filter(({ reference }) => reference.startsWith(`${quote}.`));

/** One clock for the file: alarms of the platform and the logs' times never go back. */
let clock = Date.now();
const advance = (ms: number) => void vi.setSystemTime(Date.now() + ms);

beforeEach(() => {
  name = `desk-${++made}`;
  market.reset();
  vi.useFakeTimers({ toFake: ["Date"], now: clock });
  vi.spyOn(globalThis, "fetch").mockImplementation(market.fetch);
  vi.spyOn(console, "error").mockImplementation(() => undefined);
});
afterEach(() => {
  clock = Date.now();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

describe("a quote", () => {
  test("is the best of those in time and on the market, and shows them all", async () => {
    market.set("lp-slow", { mood: "late" });
    const quote = await quoted();
    expect(quote).toMatchObject({
      status: "open",
      sell: { amount: "100.00", currency: "EUR" },
      buy: usd("113.40"),
      settled: usd("111.13"),
      provider: "lp-good",
      rate: "1.1340",
      competing: [
        { provider: "lp-good", status: "best", rate: "1.1340" },
        { provider: "lp-slow", status: "late" },
        { provider: "lp-wide", status: "off_market", rate: "1.1930" },
      ],
      created_at: new Date().toISOString(),
      expires_at: new Date(Date.now() + 60_000).toISOString(),
    });
    expect(await desk().readQuote(quote.id, "ann")).toEqual(quote);
    expect(await desk().readQuote(quote.id, "bob")).toBeNull();
    expect(await eventTypes()).toEqual(["quote.given"]);
  });

  test("ends before its provider's does", async () => {
    market.set("lp-good", { firmMs: 20_000 });
    expect((await quoted()).expires_at).toBe(new Date(Date.now() + 15_000).toISOString());
  });

  test("is given once a key, to two that ask at the same time as well, and over a restart", async () => {
    const [one, two] = await Promise.all([ask(selling(), "k"), ask(selling(), "k")]);
    await restart();
    const three = await ask(selling(), "k");
    const values = [one, two, three].map((result) => (result.ok ? result.value : null));
    expect(values.map((value) => value?.value.id)).toEqual(Array(3).fill(values[0]?.value.id));
    expect(values.map((value) => value?.replayed).sort()).toEqual([false, true, true]);
    expect(await eventTypes()).toEqual(["quote.given"]);
    expect(await ask(selling("100.01"), "k")).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/sell/amount" },
    });
  });

  test("is not to be had when nobody is in time and on the market, and binds nobody", async () => {
    market.set("lp-good", { mood: "down" });
    market.set("lp-slow", { mood: "late" });
    expect(codeOf(await ask(selling(), "k"))).toBe("no_firm_liquidity");
    expect(await eventTypes()).toEqual(["providers.asked"]);
    expect(await desk().books()).toMatchObject({ positions: [], exposure: { amount: "0.00" } });
    market.reset();
    expect(codeOf(await ask(selling(), "k"))).toBe("ok");
  });

  test("of nothing, of too much or within one currency is refused, and asks nobody", async () => {
    const within = { ...selling(), buy: { currency: "EUR", amount: null } };
    expect([codeOf(await ask(selling("0.00"))), codeOf(await ask(selling("92233720368547758.08")))]).toEqual(
      Array(2).fill("amount_out_of_range"),
    );
    expect(codeOf(await ask(within))).toBe("currency_mismatch");
    expect([market.calls, await eventTypes()]).toEqual([[], []]);
  });

  test("asks a provider no more that kept three waiting, also after a restart, and takes it back when a probe is in time", async () => {
    market.set("lp-slow", { mood: "late" });
    for (let n = 0; n < CIRCUIT.misses; n++) await quoted();
    await restart();
    market.calls.length = 0;
    expect((await quoted()).competing[1]).toEqual({ provider: "lp-slow", status: "not_asked" });
    expect(market.calls.filter((call) => call.startsWith("lp-slow"))).toEqual([]);
    expect((await desk().providers())[1]).toMatchObject({ provider: "lp-slow", state: "open", asked: 3, late: 3 });
    advance(CIRCUIT.openMs);
    market.set("lp-slow", { mood: "good" });
    await quoted();
    await expect.poll(async () => (await desk().providers())[1]?.state).toBe("closed");
  });

  test("that nobody used is forgotten a day after it expired; one that was accepted is not", async () => {
    const [unused, used] = [await quoted(), await quoted()];
    expect(await apply(acceptOp({ quote: used.id }))).toEqual(["ok"]);
    advance(60_000);
    expect(await desk().readQuote(unused.id, "ann")).toMatchObject({ status: "expired" });
    advance(UNUSED_KEPT_MS);
    await desk().runDueTimers();
    expect(await desk().readQuote(unused.id, "ann")).toBeNull();
    expect(await desk().readQuote(used.id, "ann")).toMatchObject({ status: "accepted" });
    const left = await runInDurableObject(desks.getByName(name), (_, ctx) =>
      ctx.storage.sql.exec("SELECT count(*) AS n FROM quotes").one(),
    );
    expect(left.n).toBe(1);
  });
});

describe("the coordinator's commands", () => {
  test("accept fixes the terms for its saga, however often, after a restart and after the quote's time", async () => {
    const { id } = await quoted();
    const [first] = await desk().applyOps([acceptOp({ quote: id })]);
    expect(first).toMatchObject({ ok: true, terms: { quote: id, rate: "1.1340", buy: usd("113.40") } });
    await restart();
    advance(3_600_000);
    expect(await desk().applyOps([acceptOp({ quote: id })])).toEqual([first]);
    expect(await apply(acceptOp({ quote: id, saga: "sag_2" }))).toEqual(["quote_used"]);
  });

  test("accept without a quote asks, and answers the first terms again whatever the rate is by then", async () => {
    const both = await Promise.all([
      desk().applyOps([acceptOp({ quote: null })]),
      desk().applyOps([acceptOp({ quote: null })]),
    ]);
    expect(both[0]).toEqual(both[1]);
    market.set("lp-good", { rate: "1.1400" });
    expect(await desk().applyOps([acceptOp({ quote: null })])).toEqual(both[0]);
    expect(await eventTypes()).toEqual(["quote.given", "quote.accepted"]);
    const [answer] = both[0];
    const quote = answer?.ok && answer.op === "accept" ? answer.terms.quote : "";
    expect(await desk().readQuote(quote, "ann")).toMatchObject({ status: "accepted", rate: "1.1340", pod: "pod_1" });
  });

  test("accept without a quote is refused when there is none to be had, and may be tried again", async () => {
    for (const name of market.sellers.keys()) market.set(name, { mood: "down" });
    expect(await apply(acceptOp({ quote: null }))).toEqual(["no_firm_liquidity"]);
    expect(await apply(acceptOp({ quote: null, sell: { amount: "1.00", currency: "USD" } }))).toEqual([
      "currency_mismatch",
    ]);
    market.reset();
    expect(await apply(acceptOp({ quote: null }))).toEqual(["ok"]);
  });

  test("are answered in order, and each is a command of its own", async () => {
    const [one, two] = [await quoted(), await quoted()];
    expect(
      await apply(
        acceptOp({ quote: one.id }),
        acceptOp({ quote: one.id, saga: "sag_2" }),
        acceptOp({ quote: two.id, saga: "sag_3" }),
        convertOp("sag_3"),
        releaseOp("sag_1"),
        releaseOp("sag_4"),
        acceptOp({ quote: null, saga: "sag_4" }),
        convertOp("sag_1"),
      ),
    ).toEqual(["ok", "quote_used", "ok", "ok", "ok", "ok", "quote_used", "conflict"]);
    expect(await desk().books()).toMatchObject({
      positions: [
        { currency: "EUR", position: "100.00", open: "0.00" },
        { currency: "USD", position: "-113.40", open: "0.00" },
      ],
      exposure: { amount: "100.00", currency: "EUR" },
    });
  });

  test("take on no more than the limit, with or without a quote, and an accept that is refused leaves no quote", async () => {
    const { id } = await quoted(selling("600000.00"));
    const sell = { amount: "600000.00", currency: "EUR" };
    expect(await apply(acceptOp({ quote: id, sell }))).toEqual(["ok"]);
    const events = await eventTypes();
    expect(await apply(acceptOp({ quote: null, saga: "sag_2", sell }))).toEqual(["no_firm_liquidity"]);
    expect(await eventTypes()).toEqual(events);
    expect(await apply(acceptOp({ quote: null, saga: "sag_3", sell: { ...sell, amount: "400000.00" } }))).toEqual([
      "ok",
    ]);
  });

  test("come at most 256 a call", async () => {
    const releases = Array.from({ length: MAX_OPS }, (_, n) => releaseOp(`sag_${n}`));
    expect(new Set(await apply(...releases))).toEqual(new Set(["ok"]));
    const outcome = desk().applyOps([...releases, releaseOp("sag_one_more")]);
    await expect(outcome.then(String, () => "thrown")).resolves.toBe("thrown");
  });
});

describe("covering a conversion", () => {
  test("trades the accepted quote once, and answers the same for ever", async () => {
    const quote = await converted();
    const filled = await hedge();
    expect(filled).toMatchObject({
      outcome: "filled",
      provider: "lp-good",
      sell: { amount: "100.00", currency: "EUR" },
      buy: usd("113.40"),
      rate: "1.1340",
    });
    await restart();
    expect([await hedge(), await hedge("sag_1", "sag_other")]).toEqual([filled, filled]);
    expect(tradesOf(quote)).toHaveLength(1);
    expect(market.calls).toEqual(["lp-good trades"]);
    expect(await desk().books()).toMatchObject({
      positions: [
        { currency: "EUR", position: "0.00", open: "0.00" },
        { currency: "USD", position: "0.00", open: "0.00" },
      ],
      exposure: { amount: "0.00" },
      fills: [
        { provider: "lp-good", currency: "EUR", paid: "100.00", received: "0.00" },
        { provider: "lp-good", currency: "USD", paid: "0.00", received: "113.40" },
      ],
    });
    expect((await desk().providers())[0]).toMatchObject({ trades: 1, filled: 1, fill_rate: "1.0000" });
  });

  test("asks nobody but its provider when a trade may have been made, and finds it", async () => {
    market.set("lp-good", { mood: "trades_silently" });
    const quote = await converted();
    expect(await hedge()).toMatchObject({ outcome: "unknown" });
    market.set("lp-good", { mood: "down" });
    expect(await hedge()).toMatchObject({ outcome: "unknown" });
    await restart();
    market.set("lp-good", { mood: "good" });
    expect(await hedge()).toMatchObject({ outcome: "filled", provider: "lp-good" });
    expect(market.calls).toEqual(["lp-good trades", "lp-good trades/by-reference", "lp-good trades/by-reference"]);
    expect(tradesOf(quote)).toHaveLength(1);
  });

  test("cancels a trade that was never made before it trades with another, under a new reference", async () => {
    market.set("lp-good", { mood: "loses_trades" });
    const quote = await converted();
    expect(await hedge()).toMatchObject({ outcome: "unknown" });
    await restart();
    expect(await hedge()).toMatchObject({ outcome: "refused" });
    market.set("lp-good", { mood: "down" });
    expect(await hedge()).toMatchObject({ outcome: "filled", provider: "lp-slow", buy: usd("113.30") });
    expect(tradesOf(quote)).toMatchObject([{ provider: "lp-slow", reference: `${quote}.2` }]);
    expect(market.calls.slice(0, 3)).toEqual([
      "lp-good trades",
      "lp-good trades/by-reference",
      "lp-good trades/by-reference/cancel",
    ]);
    // The request that was thought lost arrives after all: its reference is burnt.
    market.set("lp-good", { mood: "good" });
    const late = await market.fetch("http://lp.test/lp/lp-good/v1/trades", {
      body: JSON.stringify({ quote: "lpq_1", reference: `${quote}.1` }),
    });
    expect([late.status, tradesOf(quote).length]).toEqual([409, 1]);
    expect((await desk().books()).positions).toMatchObject([{ position: "0.00" }, { position: "-0.10" }]);
  });

  test("asks for a new quote when the old one is no longer firm or the provider refuses", async () => {
    market.set("lp-good", { mood: "refuses_trades" });
    const quote = await converted();
    expect(await hedge()).toMatchObject({ outcome: "refused" });
    market.set("lp-good", { mood: "good", rate: "1.1350" });
    expect(await hedge()).toMatchObject({ outcome: "filled", buy: usd("113.50") });
    expect(tradesOf(quote)).toMatchObject([{ reference: `${quote}.2` }]);

    name = `${name}-later`;
    const second = await converted();
    advance(3_600_000);
    expect(await hedge()).toMatchObject({ outcome: "filled" });
    expect(market.calls).toContain("lp-good quotes");
    expect(tradesOf(second)).toHaveLength(1);
  });

  test("sends nothing when nobody is firm, and covers the conversion later", async () => {
    const quote = await converted();
    advance(3_600_000);
    for (const seller of market.sellers.keys()) market.set(seller, { mood: "down" });
    expect(await hedge()).toMatchObject({ outcome: "refused", retry_after_ms: expect.any(Number) });
    expect(tradesOf(quote)).toEqual([]);
    market.reset();
    expect(await hedge()).toMatchObject({ outcome: "filled" });
  });

  test("trades once for two who ask at the same time, and not at all for what has not been converted", async () => {
    const quote = await converted();
    const both = await Promise.all([hedge(), hedge("sag_1", "sag_other")]);
    expect(both[0]).toEqual(both[1]);
    expect(tradesOf(quote)).toHaveLength(1);
    const accepted = await quoted();
    expect(await apply(acceptOp({ quote: accepted.id, saga: "sag_2" }))).toEqual(["ok"]);
    expect([await hedge("sag_2"), await hedge("sag_none")]).toMatchObject(Array(2).fill({ outcome: "not_sent" }));
    expect(tradesOf(accepted.id)).toEqual([]);
  });
});

test("the desk's log holds up after everything, and says nothing of the key to its providers", async () => {
  await converted();
  await hedge();
  const verdict = await desk().verifyLog(0, GENESIS_HASH, 1_000);
  expect(verdict).toMatchObject({ failure: null, upto: (await desk().head()).seq });
  expect(JSON.stringify(await desk().eventsSince(0, 500))).not.toContain("lp-key-of-the-tests");
});
