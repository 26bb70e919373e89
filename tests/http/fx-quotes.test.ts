import { afterAll, beforeAll, beforeEach, describe, expect, test } from "vitest";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Money, must, type OpenPod, openPod, operator, person } from "../support/story.ts";

type Competing = { provider: string; status: string; rate?: string };
type Quote = {
  id: string;
  sell: Money;
  buy: Money;
  rate: string;
  fee: { amount: string; currency: string; items: { name: string; amount: string }[] };
  provider: string;
  competing: Competing[];
  expires_at: string;
};
type Problem = { code: string; errors?: { pointer: string }[] };
type Provider = {
  provider: string;
  state: string;
  asked: number;
  answered: number;
  late: number;
  off_market: number;
  won: number;
  sla: { deadline_ms: number; met: string | null; target: string; ok: boolean | null };
};

/** A deadline no busy machine misses by itself, and a sandbox that keeps its slow provider far behind it. */
const DEADLINE_MS = 1_500;

let server: Server;
let alice: Api;
let ops: Api;
let sandbox: Api;
let pod: OpenPod;

const set = async (provider: string, behaviour: object) =>
  must(await sandbox.post(`/fx/providers/${provider}`, behaviour), 200);

const ask = (body: object, key?: string, caller: Api = alice): Promise<Answer<Quote & Problem>> =>
  caller.post<Quote & Problem>("/v1/fx/quotes", body, key === undefined ? {} : { key });
const eurToUsd = (amount = "100.00") => ({ sell: { currency: "EUR", amount }, buy: { currency: "USD" } });
const quoted = async (body: object, key?: string): Promise<Quote> => must(await ask(body, key), 201);

const statuses = ({ competing }: Quote) =>
  Object.fromEntries(competing.map(({ provider, status }) => [provider, status]));
const providers = async () => must(await ops.get<{ data: Provider[] }>("/v1/fx/providers"), 200).data;
const position = async () => must(await ops.get<Record<string, unknown>>("/v1/fx/position"), 200);

beforeAll(async () => {
  server = await startServer({
    env: { CROWDPAY_FX: JSON.stringify({ deadline_ms: DEADLINE_MS }), CROWDPAY_CLOCK: "manual" },
  });
  [alice, ops] = await Promise.all([person(server, "alice"), operator(server)]);
  sandbox = api(server.sandboxUrl);
  pod = await openPod(server, { owner: "alice", members: ["bob"], currencies: ["USD", "JPY"] });
});
afterAll(() => server?.[Symbol.asyncDispose]());

beforeEach(async () => {
  await set("lp-good", { mode: "good" });
  await set("lp-slow", { mode: "good" });
  await set("lp-wide", { mode: "off_market" });
});

describe("a firm quote", () => {
  test("shows every provider, takes the best, and lists what a charge at it would cost", async () => {
    // lp-slow's own spread is the narrowest: when it is in time, it wins.
    const quote = await quoted(eurToUsd());
    expect(quote).toEqual({
      id: expect.stringMatching(/^fxq_[0-9A-HJKMNP-TV-Z]{26}$/),
      sell: { amount: "100.00", currency: "EUR" },
      buy: { amount: "113.43", currency: "USD" },
      rate: "1.13439",
      fee: {
        amount: "2.27",
        currency: "USD",
        items: [
          { name: "psp", amount: "1.70" },
          { name: "fx", amount: "0.57" },
        ],
      },
      provider: "lp-slow",
      competing: [
        { provider: "lp-good", status: "beaten", rate: "1.13382" },
        { provider: "lp-slow", status: "best", rate: "1.13439" },
        { provider: "lp-wide", status: "off_market", rate: "1.19290" },
      ],
      expires_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
    });
  });

  test("of a bought amount costs the least that buys it, and says what that buys", async () => {
    await set("lp-slow", { mode: "down" });
    const quote = await quoted({ sell: { currency: "EUR" }, buy: { currency: "JPY", amount: "5000" } });
    // 5000 / 178.55218 is 28.003…: 28.00 EUR would buy 4999 yen, 28.01 buy 5001.
    expect(quote).toMatchObject({
      rate: "178.55218",
      sell: { amount: "28.01", currency: "EUR" },
      buy: { amount: "5001", currency: "JPY" },
      fee: { currency: "JPY", amount: "100" },
    });
  });

  test("drops a rate off the market, however good it is for the customer", async () => {
    await set("lp-wide", { mode: "off_market", spread_bps: -200 });
    expect(statuses(await quoted(eurToUsd()))).toMatchObject({ "lp-wide": "off_market" });
    await set("lp-wide", { mode: "good", spread_bps: -100 });
    expect(await quoted(eurToUsd())).toMatchObject({ provider: "lp-wide", rate: "1.14746" });
  });

  test("is the same under the same key, and another request under it is refused", async () => {
    const first = await ask(eurToUsd("12"), "quote-key");
    await set("lp-good", { mode: "down" });
    const again = await ask(eurToUsd("12.00"), "quote-key");
    expect([again.status, again.body]).toEqual([201, first.body]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await ask(eurToUsd("13.00"), "quote-key")).toMatchObject({
      status: 422,
      body: { code: "idempotency_mismatch", field: "/sell/amount" },
    });
    const bob = await ask(eurToUsd("12.00"), "quote-key", pod.as("bob"));
    expect(bob.body.id).not.toBe(first.body.id);
  });

  test("for a pod is for its members, and for its currencies", async () => {
    expect((await ask({ ...eurToUsd(), pod: pod.id }, undefined, pod.as("bob"))).status).toBe(201);
    const mallory = await person(server, "mallory");
    const refusals = await Promise.all(
      [pod.id, "pod_01J00000000000000000000000", "x"].map((id) => ask({ ...eurToUsd(), pod: id }, undefined, mallory)),
    );
    expect(refusals.map(({ status, body }) => [status, body.code])).toEqual(Array(3).fill([404, "not_found"]));
    expect(
      await ask({ sell: { currency: "USD", amount: "1.00" }, buy: { currency: "EUR" }, pod: pod.id }),
    ).toMatchObject({
      status: 422,
      body: { code: "currency_mismatch", errors: [{ pointer: "/buy/currency" }] },
    });
  });

  test("of an amount from which nothing comes out is refused", async () => {
    const yen = { sell: { currency: "JPY", amount: "1" }, buy: { currency: "EUR" } };
    expect(await ask(yen)).toMatchObject({ status: 422, body: { code: "amount_out_of_range" } });
  });

  test("of more than an account holds is refused, however often, and is no provider's fault", async () => {
    const most = "92233720368547758.07";
    const bought = { sell: { currency: "VND" }, buy: { currency: "EUR", amount: most } };
    const sold = { sell: { currency: "EUR", amount: most }, buy: { currency: "VND" } };
    for (const body of [bought, sold, bought, sold]) {
      expect(await ask(body)).toMatchObject({ status: 422, body: { code: "amount_out_of_range" } });
    }
    expect((await providers()).map(({ state }) => state)).toEqual(["closed", "closed", "closed"]);
    expect((await ask(eurToUsd())).status).toBe(201);
  });
});

describe("providers that fail", () => {
  test("one that is late is dropped at the deadline, and after three times not waited for at all", async () => {
    const before = await providers();
    await set("lp-slow", { mode: "slow", delay_ms: 10_000 });
    for (let n = 0; n < 3; n++) {
      const quote = await quoted(eurToUsd());
      expect([quote.provider, statuses(quote)["lp-slow"]]).toEqual(["lp-good", "late"]);
    }
    expect(statuses(await quoted(eurToUsd()))).toMatchObject({ "lp-good": "best", "lp-slow": "not_asked" });

    const [good, slow, wide] = await providers();
    expect(slow).toMatchObject({ provider: "lp-slow", state: "open", late: 3, sla: { deadline_ms: DEADLINE_MS } });
    expect(good).toMatchObject({ provider: "lp-good", state: "closed", late: 0 });
    expect(wide).toMatchObject({ provider: "lp-wide", off_market: (before[2]?.off_market ?? 0) + 4 });
    expect((good?.won ?? 0) - (before[0]?.won ?? 0)).toBe(4);
    expect(slow?.sla).toMatchObject({ target: "0.99", ok: false });

    // Its time is over, it is in time again: a probe that nobody waits for takes it back.
    await set("lp-slow", { mode: "good" });
    must(await ops.post("/v1/test/clock", { advance: "PT1M" }), 200);
    await quoted(eurToUsd());
    const closed = await poll(providers, (all) => all[1]?.state === "closed");
    expect(closed[1]?.answered).toBe((slow?.answered ?? 0) + 1);
  });

  test("when all are late or off the market there is no firm liquidity, nothing is held, and the key may be used again", async () => {
    const before = await position();
    for (const provider of ["lp-good", "lp-slow"]) await set(provider, { mode: "slow", delay_ms: 10_000 });
    const refused = await ask(eurToUsd(), "unlucky-key");
    expect([refused.status, refused.body.code]).toEqual([503, "no_firm_liquidity"]);
    expect(refused.headers.get("retry-after")).toMatch(/^\d+$/);
    expect(await position()).toEqual(before);
    for (const provider of ["lp-good", "lp-slow"]) await set(provider, { mode: "good" });
    expect((await ask(eurToUsd(), "unlucky-key")).status).toBe(201);
  });

  test("a refusal and a breakdown are told apart from a bad rate", async () => {
    await set("lp-good", { mode: "refuse_quotes" });
    await set("lp-slow", { mode: "good" });
    await set("lp-wide", { mode: "down" });
    expect(statuses(await quoted(eurToUsd()))).toEqual({
      "lp-good": "refused",
      "lp-slow": "best",
      "lp-wide": "unreachable",
    });
  });
});

describe("what the desk tells", () => {
  test("indicative rates of the day, to anybody who is known", async () => {
    const rates = must(await alice.get<Record<string, unknown>>("/v1/fx/rates?base=USD"), 200);
    expect(rates).toMatchObject({ base: "USD", indicative: true, as_of: expect.any(String) });
    expect(rates.rates).toMatchObject({ EUR: "0.8802042", JPY: "157.4773" });
  });

  test("its position to operators: empty, since a quote alone binds it to nothing", async () => {
    expect(await position()).toEqual({
      positions: [],
      limit: { amount: "1000000.00", currency: "EUR" },
      exposure: { amount: "0.00", currency: "EUR" },
      fills: [],
    });
    expect(must(await sandbox.get<{ data: unknown[] }>("/lp/books"), 200).data).toEqual([]);
  });

  test("its log, in which every quote is one event more to verify", async () => {
    type Verified = { ok: boolean; checked: { events: number }; failures: unknown[] };
    const verify = async () => must(await ops.post<Verified>("/v1/ledger/verify", {}), 200);
    // Every stream there is must be known to the read model first: two counts alike.
    let before = await verify();
    await poll(verify, ({ checked }) => {
      const settled = checked.events === before.checked.events;
      before = { ...before, checked };
      return settled;
    });
    await quoted(eurToUsd());
    const after = await poll(verify, ({ checked }) => checked.events > before.checked.events);
    expect(after).toMatchObject({ ok: true, failures: [] });
    expect(after.checked.events).toBe(before.checked.events + 1);
  });
});
