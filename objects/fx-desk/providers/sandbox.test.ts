import { describe, expect, it } from "vitest";
import type { Fetch } from "../../kit/exchange.ts";
import type { FirmRequest } from "./adapter.ts";
import { sandboxProvider } from "./sandbox.ts";

const REQUEST: FirmRequest = { sell: { currency: "EUR", amount: "1.00" }, buy: { currency: "USD", amount: null } };
const SIGNAL = new AbortController().signal;

const eur = { amount: "1.00", currency: "EUR" };
const usd = { amount: "1.13", currency: "USD" };
const QUOTE = { id: "lpq_1", sell: eur, buy: usd, rate: "1.13", firm_for_ms: 60_000 };
const TRADE = { id: "lpt_1", reference: "ref_1", status: "filled", sell: eur, buy: usd, rate: "1.13" };
const FILLED = { outcome: "filled", provider_ref: "lpt_1", sell: eur, buy: usd, rate: "1.13" };

const answering = (status: number, body: unknown) => {
  const sent: { url: string; init: RequestInit }[] = [];
  const fetch: Fetch = async (url, init) => {
    sent.push({ url, init });
    return typeof body === "string" ? new Response(body, { status }) : Response.json(body, { status });
  };
  return { provider: sandboxProvider({ name: "lp-good", url: "http://lp.test/", apiKey: "key", fetch }), sent };
};
const fault = (code: string, extra: object = {}) => ({ error: { code }, ...extra });

const breaking = sandboxProvider({
  name: "lp-good",
  url: "http://lp.test",
  apiKey: "key",
  fetch: async () => {
    throw new Error("reset");
  },
});

describe("a provider's quote", () => {
  it("is asked for with exactly the amount there is, and read whole", async () => {
    const { provider, sent } = answering(201, QUOTE);
    expect(await provider.firm(REQUEST, SIGNAL)).toEqual({
      outcome: "firm",
      quote: "lpq_1",
      sell: eur,
      buy: usd,
      rate: "1.13",
      firmMs: 60_000,
    });
    expect(sent[0]?.url).toBe("http://lp.test/lp/lp-good/v1/quotes");
    expect(sent[0]?.init.headers).toMatchObject({ authorization: "Bearer key" });
    expect(JSON.parse(String(sent[0]?.init.body))).toEqual({ sell: eur, buy: { currency: "USD" } });
  });

  it.each<[string, number, unknown, string]>([
    ["the provider's own no", 422, fault("unsupported_pair"), "refused"],
    ["a 422 of something in between", 422, "<html>", "unreachable"],
    ["a breakdown", 503, fault("unavailable"), "unreachable"],
    ["a wrong key", 401, fault("unauthenticated"), "unreachable"],
    ["a rate that is a float", 201, { ...QUOTE, rate: 1.13 }, "unreachable"],
    ["a negative rate", 201, { ...QUOTE, rate: "-1.13" }, "unreachable"],
    ["a rate of nothing", 201, { ...QUOTE, rate: "0.00" }, "unreachable"],
    ["money with too many decimals", 201, { ...QUOTE, buy: { amount: "1.135", currency: "USD" } }, "unreachable"],
    ["a quote that is firm for no time", 201, { ...QUOTE, firm_for_ms: 0 }, "unreachable"],
    ["no JSON at all", 200, "firm", "unreachable"],
  ])("is told for what it is: %s", async (_, status, body, outcome) => {
    expect(await answering(status, body).provider.firm(REQUEST, SIGNAL)).toEqual({ outcome });
  });

  it("is unreachable when the connection breaks", async () => {
    expect(await breaking.firm(REQUEST, SIGNAL)).toEqual({ outcome: "unreachable" });
  });
});

describe("a trade", () => {
  it.each<[string, number, unknown, object]>([
    ["a fill", 201, TRADE, FILLED],
    ["a fill of another reference", 201, { ...TRADE, reference: "ref_2" }, { outcome: "unknown" }],
    ["a fill that cannot be read", 201, { ...TRADE, buy: "1.13" }, { outcome: "unknown" }],
    ["a quote that is no longer firm", 409, fault("quote_expired"), { outcome: "refused" }],
    ["a quote it no longer knows", 404, fault("not_found"), { outcome: "refused" }],
    ["a 404 of something in between", 404, "<html>", { outcome: "unknown" }],
    ["a reference of another trade's", 409, fault("reference_used", { trade: TRADE }), { outcome: "unknown" }],
    ["a refusal at the door", 429, "", { outcome: "refused" }],
    ["a breakdown", 500, fault("quote_expired"), { outcome: "unknown" }],
    ["a code like a property of every object", 409, fault("constructor"), { outcome: "unknown" }],
  ])("answered with %s is told as it is", async (_, status, body, outcome) => {
    const { provider } = answering(status, body);
    expect(await provider.execute("lpq_1", "ref_1", SIGNAL)).toMatchObject(outcome);
  });

  it.each<[string, number, unknown, object]>([
    ["filled", 200, TRADE, FILLED],
    ["unknown to it, in its own words", 404, fault("not_found"), { outcome: "not_found" }],
    ["unknown to something in between", 404, "<html>", { outcome: "unknown" }],
    ["refused at the door, which says nothing of the trade", 401, fault("unauthenticated"), { outcome: "unknown" }],
  ])("asked about is %s", async (_, status, body, outcome) => {
    const { provider, sent } = answering(status, body);
    expect(await provider.query("ref_1", SIGNAL)).toMatchObject(outcome);
    expect(sent[0]?.url).toBe("http://lp.test/lp/lp-good/v1/trades/by-reference/ref_1");
  });

  it.each<[string, number, unknown, object]>([
    ["is never made", 200, { reference: "ref_1", status: "cancelled" }, { outcome: "refused" }],
    ["of another reference says nothing", 200, { reference: "ref_2", status: "cancelled" }, { outcome: "unknown" }],
    ["that was made is a fill", 409, fault("already_filled", { trade: TRADE }), FILLED],
    ["without a word says nothing", 503, "", { outcome: "unknown" }],
  ])("cancelled %s", async (_, status, body, outcome) => {
    expect(await answering(status, body).provider.cancel("ref_1", SIGNAL)).toMatchObject(outcome);
  });

  it("is unknown whenever the connection breaks", async () => {
    const all = [
      breaking.execute("lpq_1", "ref_1", SIGNAL),
      breaking.query("ref_1", SIGNAL),
      breaking.cancel("ref_1", SIGNAL),
    ];
    expect((await Promise.all(all)).map(({ outcome }) => outcome)).toEqual(Array(3).fill("unknown"));
  });
});
