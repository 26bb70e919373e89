import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { createTestHarness } from "wrangler";
import { CURRENCIES } from "../../../schema/currency.ts";
import { REFERENCE_RATES } from "../../../schema/reference-rates.ts";
import { conversionAt, inBand } from "../pricing.ts";
import type { FirmRequest, LiquidityProvider } from "./adapter.ts";
import { sandboxProvider } from "./sandbox.ts";

const API_KEY = "key-of-the-live-tests";

const sandbox = createTestHarness({
  workers: [
    {
      configPath: `${import.meta.dirname}/../../../sandbox/wrangler.toml`,
      vars: {
        PSP_API_KEY: API_KEY,
        LP_API_KEY: API_KEY,
        WEBHOOK_SECRET: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        PRODUCT_WEBHOOK_URL: "http://127.0.0.1:1/",
      },
    },
  ],
});

let url = "";
let provider: LiquidityProvider;

beforeAll(async () => {
  vi.stubEnv("CLOUDFLARE_CF_FETCH_ENABLED", "false");
  url = String((await sandbox.listen()).url);
  provider = sandboxProvider({ name: "lp-good", url, apiKey: API_KEY });
}, 60_000);
afterAll(async () => {
  await sandbox.close();
  vi.unstubAllEnvs();
});

const within = (ms = 3_000) => AbortSignal.timeout(ms);
const set = async (behaviour: object) => {
  const response = await fetch(new URL("/fx/providers/lp-good", url), {
    method: "POST",
    body: JSON.stringify(behaviour),
  });
  expect(response.status).toBe(200);
};

const selling = (currency: string, amount: string, into: string): FirmRequest => ({
  sell: { currency, amount },
  buy: { currency: into, amount: null },
});
const buying = (currency: string, into: string, amount: string): FirmRequest => ({
  sell: { currency, amount: null },
  buy: { currency: into, amount },
});
const quote = async (request = selling("EUR", "100.00", "USD")) => {
  const answer = await provider.firm(request, within());
  if (answer.outcome !== "firm") throw new Error(answer.outcome);
  return answer;
};

describe("the provider's adapter and the sandbox", () => {
  test.each<[string, FirmRequest]>([
    ["euros for dollars", selling("EUR", "100.00", "USD")],
    ["dollars for yen", selling("USD", "33.33", "JPY")],
    ["yen for dinars", selling("JPY", "99999", "KWD")],
    ["a price in dinars", buying("EUR", "KWD", "1.234")],
    ["a price in dong", buying("GBP", "VND", "1000001")],
    ["a price in euros, of rupiah", buying("IDR", "EUR", "0.01")],
  ])("agree on %s: amounts that follow from the rate, and a rate within the market", async (_, request) => {
    const { rate, sell, buy } = await quote(request);
    expect(conversionAt(request, rate)).toMatchObject({ sell, buy });
    expect(inBand(rate, request.sell.currency, request.buy.currency, 25)).toBe(true);
  });

  test("quote around the reference for every currency the sandbox trades", async () => {
    const all = Object.keys(CURRENCIES).filter((code) => code !== "EUR" && REFERENCE_RATES[code] !== undefined);
    const answers = await Promise.all(
      all.map(async (code) => ({
        code,
        answer: await provider.firm(selling("EUR", "100000.00", code), within(15_000)),
      })),
    );
    const traded = answers.flatMap(({ code, answer }) =>
      answer.outcome === "firm" ? { code, rate: answer.rate } : [],
    );
    expect(traded.length).toBeGreaterThan(30);
    expect(traded.filter(({ code, rate }) => !inBand(rate, "EUR", code, 25))).toEqual([]);
  });

  test("agree on a trade, and that repeating it trades once", async () => {
    const { quote: id, sell, buy, rate } = await quote();
    const filled = await provider.execute(id, "live_1", within());
    expect(filled).toEqual({ outcome: "filled", provider_ref: expect.stringMatching(/^lpt_/), sell, buy, rate });
    expect(await provider.execute(id, "live_1", within())).toEqual(filled);
    expect(await provider.query("live_1", within())).toEqual(filled);
    expect(await provider.cancel("live_1", within())).toEqual(filled);
    expect(await provider.execute(id, "live_2", within())).toMatchObject({ outcome: "refused" });
  });

  test("agree on what became of a trade whose answer never came", async () => {
    const [made, lost] = [await quote(), await quote()];
    await set({ mode: "trade_timeout_then_filled" });
    expect(await provider.execute(made.quote, "live_3", within(500))).toMatchObject({ outcome: "unknown" });
    expect(await provider.query("live_3", within())).toMatchObject({ outcome: "filled", buy: made.buy });

    await set({ mode: "trade_timeout_then_lost" });
    expect(await provider.execute(lost.quote, "live_4", within(500))).toMatchObject({ outcome: "unknown" });
    expect(await provider.query("live_4", within())).toEqual({ outcome: "not_found" });
    expect(await provider.cancel("live_4", within())).toMatchObject({ outcome: "refused" });
    await set({ mode: "good" });
    expect(await provider.execute(lost.quote, "live_4", within())).toMatchObject({ outcome: "refused" });
    expect(await provider.execute(lost.quote, "live_5", within())).toMatchObject({ outcome: "filled" });
  });

  test("agree on a refusal, on a fill below its quote, and on a provider that is down", async () => {
    const { quote: id } = await quote();
    await set({ mode: "refuse_trades" });
    expect(await provider.execute(id, "live_6", within())).toMatchObject({ outcome: "refused" });
    await set({ mode: "good", slip: 3 });
    expect(await provider.execute(id, "live_6", within())).toMatchObject({ buy: { amount: "113.35" } });
    await set({ mode: "down" });
    expect(await provider.firm(selling("EUR", "1.00", "USD"), within())).toEqual({ outcome: "unreachable" });
    expect(await provider.query("live_6", within())).toMatchObject({ outcome: "unknown" });
    await set({ mode: "refuse_quotes" });
    expect(await provider.firm(selling("EUR", "1.00", "USD"), within())).toEqual({ outcome: "refused" });
  });
});
