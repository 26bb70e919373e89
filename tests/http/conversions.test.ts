import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { checkAll, faultsIn, readAll } from "../support/checker.ts";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import {
  charge as askFor,
  type Charge,
  type ChargeOrder,
  eur,
  fundWallet,
  type Money,
  must,
  type OpenPod,
  openPod,
  operator,
  type Quote,
  quote,
} from "../support/story.ts";

/** A charge in one currency that settles in another, from outside: the pods here keep no euro, and everybody pays in it. */
const KEPT = ["USD", "JPY", "KWD"];

/** No busy machine misses it by itself, and a provider that is slow does. */
const DEADLINE_MS = 2_500;

let server: Server;
let admin: Api;
let sandbox: Api;
beforeAll(async () => {
  const env = { CROWDPAY_CLOCK: "manual", CROWDPAY_FX: JSON.stringify({ deadline_ms: DEADLINE_MS }) };
  server = await startServer({ env });
  admin = await operator(server);
  sandbox = api(server.sandboxUrl);
  // By itself it would make every quote wait for the deadline.
  await set("lp-slow", { mode: "good" });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const set = async (provider: string, behaviour: object): Promise<void> => {
  must(await sandbox.post(`/fx/providers/${provider}`, behaviour), 200);
};

type Problem = { code: string; errors?: { pointer: string }[] };
type Answered = Answer<Charge & Problem>;
type Order = Omit<ChargeOrder, "key"> & { key?: string };

let keys = 0;
/** A charge under a key of its own, unless it names one. */
const charge = (caller: Api, pod: OpenPod, order: Order): Promise<Answered> =>
  askFor(caller, pod, { key: `fx-${keys++}`, wait: 20, ...order }) as Promise<Answered>;

const ended = (pod: OpenPod, { id }: Pick<Charge, "id">): Promise<Charge> =>
  poll(
    async () => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200),
    ({ status }) => status !== "processing" && status !== "requires_review",
    20_000,
  );

const firm = async (caller: Api, sell: Money, buy: string, pod?: OpenPod): Promise<Quote> =>
  must(await quote(caller, sell, buy, pod), 201);

const expectProblem = ({ status, body }: Answered, expected: number, code: string): void => {
  expect([status, body.code], JSON.stringify(body)).toEqual([expected, code]);
};

const chargesOf = (pod: OpenPod): Promise<Charge[]> => readAll<Charge>(pod.owner, `/v1/pods/${pod.id}/charges`);

type Balance = { currency: string; posted: string; pending: string; pending_in: string };
const nothingIn = async (pod: OpenPod): Promise<void> => {
  const { balances } = must(await pod.owner.get<{ balances: Balance[] }>(`/v1/pods/${pod.id}`), 200);
  for (const { posted, pending, pending_in } of balances) {
    expect([posted, pending, pending_in].map(Number)).toEqual([0, 0, 0]);
  }
};

/** The provider's books, the ledger, the desk, the liquidity providers, the lists and the chains agree on these charges. */
const expectAgreement = async (pod: OpenPod, ids: readonly string[]): Promise<void> => {
  const report = await checkAll({ reader: pod.owner, operator: admin, sandbox }, pod.id, ids);
  expect(faultsIn(report.verdicts)).toEqual([]);
  for (const { difference } of report.currencies) expect(Number(difference)).toBe(0);
  const listed = new Map((await chargesOf(pod)).map((each) => [each.id, each]));
  for (const id of ids) expect(listed.get(id)).toEqual(must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200));
};

describe("a charge settles in another currency", () => {
  const INSTRUMENTS: readonly (readonly [token: string, status: string, to: string])[] = [
    ["tok_ok", "succeeded", "USD"],
    ["tok_slow", "succeeded", "JPY"],
    ["tok_declined", "failed", "KWD"],
    ["tok_insufficient", "failed", "USD"],
    ["tok_timeout_then_captured", "succeeded", "JPY"],
    ["tok_timeout_then_failed", "failed", "KWD"],
    ["tok_5xx_twice", "succeeded", "USD"],
    ["tok_duplicate_webhook", "succeeded", "JPY"],
    ["tok_async", "succeeded", "KWD"],
    ["tok_async_failed", "failed", "USD"],
    ["tok_dispute", "succeeded", "KWD"],
  ];

  test("from every instrument, at a rate the desk finds and at a quote, and everybody's books agree", async () => {
    const pod = await openPod(server, { members: ["bob"], currencies: KEPT });
    const bob = pod.as("bob");
    const orders = INSTRUMENTS.flatMap(([from, status, to], index) => [
      { from, status, to, amount: `100.${10 + index}`, quoted: false },
      { from, status, to, amount: `50.${10 + index}`, quoted: true },
    ]);
    const asked = await Promise.all(
      orders.map(async ({ from, to, amount, quoted }) => {
        const at = quoted ? { quote: (await firm(bob, eur(amount), to, pod)).id } : { settle: to };
        return must(await charge(bob, pod, { amount, from, ...at }), 201, 202);
      }),
    );
    const charges = await Promise.all(asked.map((each) => ended(pod, each)));
    charges.forEach((each, index) => {
      const { status, to, amount } = orders[index] ?? { status: "", to: "", amount: "" };
      expect([each.status, each.amount, each.settled?.currency]).toEqual([
        status,
        eur(amount),
        status === "succeeded" ? to : undefined,
      ]);
      expect(each.fx).toBeDefined();
      expect(each.fees.map(({ name, amount: fee }) => [name, fee.currency])).toEqual([
        ["psp", to],
        ["fx", to],
      ]);
    });
    await expectAgreement(
      pod,
      charges.map(({ id }) => id),
    );
  });

  test("from a wallet, and the entries say where every unit went", async () => {
    const pod = await openPod(server, { members: ["wanda"], currencies: KEPT });
    await fundWallet(admin, "wanda", "300.00");
    const wanda = pod.as("wanda");
    const byDesk = must(await charge(wanda, pod, { amount: "100.00", from: "wallet", settle: "USD" }), 201);
    const offered = await firm(wanda, eur("99.99"), "JPY");
    const byQuote = must(await charge(wanda, pod, { amount: "99.99", from: "wallet", quote: offered.id }), 201);
    expect([byDesk.status, byQuote.status]).toEqual(["succeeded", "succeeded"]);
    expect(byQuote.fx).toEqual({ quote: offered.id, rate: offered.rate, provider: offered.provider });
    // A list follows: what the last charge took may not be in it yet.
    const entries = await poll(
      () => readAll<{ debit: Money | null; charge?: string }>(admin, "/v1/ledger/accounts/wallet:wanda:EUR/entries"),
      (rows) => rows.some(({ charge: of }) => of === byQuote.id),
      75_000,
    );
    const spent = entries.flatMap(({ debit, charge: of }) => (debit === null ? [] : [[of, debit.amount]]));
    expect(spent).toEqual([
      [byDesk.id, "100.00"],
      [byQuote.id, "99.99"],
    ]);
    await expectAgreement(pod, [byDesk.id, byQuote.id]);
  });

  test("and what it settles is the quote's buy less the fees that were quoted", async () => {
    const pod = await openPod(server, { members: ["bob"], currencies: KEPT });
    const offered = await firm(pod.as("bob"), eur("250.00"), "USD", pod);
    const paid = must(
      await charge(pod.as("bob"), pod, { amount: "250.00", from: "tok_ok", settle: "USD", quote: offered.id }),
      201,
    );
    const minor = (amount: string): number => Number(amount.replace(".", ""));
    const fees = paid.fees.reduce((sum, { amount }) => sum + minor(amount.amount), 0);
    expect(minor(paid.settled?.amount ?? "0") + fees).toBe(minor(offered.buy.amount));
    expect(fees).toBe(minor(offered.fee.amount));
  });

  test("that the pod keeps, or is refused", async () => {
    const pod = await openPod(server, { currencies: KEPT });
    const answer = await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", settle: "GBP" });
    expectProblem(answer, 422, "currency_mismatch");
    expect(answer.body.errors?.[0]?.pointer).toBe("/settle_currency");
    expectProblem(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok" }), 422, "currency_mismatch");
  });

  test("not from an empty wallet: a problem, no charge, and the quote is spent", async () => {
    const pod = await openPod(server, { members: ["paul"], currencies: KEPT });
    const offered = await firm(pod.as("paul"), eur("10.00"), "USD", pod);
    const order = { amount: "10.00", from: "wallet", quote: offered.id };
    expectProblem(await charge(pod.as("paul"), pod, order), 422, "insufficient_funds");
    expect(await chargesOf(pod)).toEqual([]);
    await nothingIn(pod);
  });
});

describe("a quote", () => {
  let pod: OpenPod;
  let bob: Api;
  beforeAll(async () => {
    pod = await openPod(server, { members: ["bob", "carol"], currencies: KEPT });
    bob = pod.as("bob");
  });
  /** Every charge that was made here, by its answer: a list may be a second late. */
  const made = new Map<string, Charge>();
  const paying = async (order: Partial<Order>, caller = bob): Promise<Answered> => {
    const answered = await charge(caller, pod, { amount: "20.00", from: "tok_ok", ...order });
    if (answered.status === 201 || answered.status === 202) made.set(answered.body.id, must(answered, 201, 202));
    return answered;
  };

  test("is good once, and the command that spent it is answered the same again", async () => {
    const { id } = await firm(bob, eur("20.00"), "USD", pod);
    const key = `fx-once-${id}`;
    const first = must(await paying({ quote: id, key }), 201);
    const again = await paying({ quote: id, key, settle: "USD" });
    expect([again.headers.get("idempotency-replayed"), again.body]).toEqual(["true", first]);
    expectProblem(await paying({ quote: id }), 409, "quote_used");
  });

  test("of somebody else's is not found, and neither is one that nobody gave", async () => {
    const { id } = await firm(pod.as("carol"), eur("20.00"), "USD", pod);
    expectProblem(await paying({ quote: id }), 404, "not_found");
    expectProblem(await paying({ quote: id, settle: "USD" }), 404, "not_found");
    expectProblem(await paying({ quote: "fxq_nobody", settle: "USD" }), 404, "not_found");
    expect(must(await paying({ quote: id }, pod.as("carol")), 201).status).toBe("succeeded");
  });

  test("is for its own amount, pair and pod", async () => {
    const other = await openPod(server, { owner: "bob", currencies: KEPT });
    const { id } = await firm(bob, eur("20.00"), "USD", pod);
    const refused = [
      await paying({ quote: id, amount: "20.01" }),
      await paying({ quote: id, settle: "JPY" }),
      await paying({ quote: id, currency: "GBP" }),
      await paying({ quote: id, currency: "USD", settle: "USD" }),
      await charge(bob, other, { amount: "20.00", from: "tok_ok", quote: id }),
    ];
    expect(refused.map(({ status }) => status)).toEqual([422, 422, 422, 422, 422]);
    expect(must(await paying({ quote: id }), 201).status).toBe("succeeded");
  });

  test("that has run out is refused, and leaves no charge", async () => {
    const own = await openPod(server, { owner: "tardy", currencies: KEPT });
    const { id } = await firm(own.owner, eur("20.00"), "USD", own);
    must(await admin.post("/v1/test/clock", { advance: "PT1H" }), 200);
    const order = { amount: "20.00", from: "tok_ok", quote: id, key: `fx-late-${id}` };
    expectProblem(await charge(own.owner, own, order), 409, "quote_expired");
    const again = await charge(own.owner, own, order);
    expectProblem(again, 409, "quote_expired");
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    // A list that shows how its saga ended would show the charge as well.
    await poll(
      () => readAll<{ status: string }>(admin, "/v1/sagas?subject=tardy&status=compensated"),
      (ended) => ended.length === 1,
    );
    expect(await chargesOf(own)).toEqual([]);
  });

  test("that runs out while an operator looks fails the charge", async () => {
    const { id } = await firm(bob, eur("1000.00"), "USD", pod);
    const waiting = must(await paying({ quote: id, amount: "1000.00" }), 202);
    expect([waiting.status, waiting.fx]).toEqual(["requires_review", undefined]);
    must(await admin.post("/v1/test/clock", { advance: "PT1H" }), 200);
    must(await admin.post(`/v1/charges/${waiting.id}/review`, { decision: "approve", note: "known" }), 200);
    expect(await ended(pod, waiting)).toMatchObject({ status: "failed", failure: { code: "expired" } });
  });

  test("met by twenty charges at once pays one of them", async () => {
    const { id } = await firm(bob, eur("20.00"), "USD", pod);
    const answers = await Promise.all(Array.from({ length: 20 }, () => paying({ quote: id })));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array<number>(19).fill(409)]);
    for (const { status, body } of answers) if (status === 409) expect(body.code).toBe("quote_used");
  });

  test("and none of all this is left half done", async () => {
    const charges = await Promise.all([...made.values()].map((each) => ended(pod, each)));
    expect(new Set(charges.map(({ status }) => status))).toEqual(new Set(["succeeded", "failed"]));
    await expectAgreement(
      pod,
      charges.map(({ id }) => id),
    );
  });
});

describe("a review", () => {
  test("comes before the rate: the pod is told of a charge that settles it knows not what", async () => {
    const pod = await openPod(server, { members: ["rita"], currencies: KEPT });
    const waiting = must(await charge(pod.as("rita"), pod, { amount: "1000.00", from: "tok_ok", settle: "USD" }), 202);
    expect([waiting.status, waiting.fees, waiting.fx]).toEqual(["requires_review", [], undefined]);
    must(await admin.post(`/v1/charges/${waiting.id}/review`, { decision: "approve", note: "known" }), 200);
    const paid = await ended(pod, waiting);
    type Row = { event: { type: string; data: { charge?: string; settled?: Money | null } } };
    const told = (await readAll<Row>(pod.owner, `/v1/pods/${pod.id}/events`))
      .filter(({ event }) => event.data.charge === paid.id && event.type.startsWith("charge."))
      .map(({ event }) => [event.type, event.data.settled]);
    expect(told).toEqual([
      ["charge.created", null],
      ["charge.requires_review", undefined],
      ["charge.succeeded", paid.settled],
    ]);
    await expectAgreement(pod, [paid.id]);
  });
});

describe("liquidity providers", () => {
  let pod: OpenPod;
  const paid: string[] = [];
  beforeAll(async () => {
    pod = await openPod(server, { members: ["lena"], currencies: KEPT });
  });
  const pay = async (): Promise<Charge> => {
    const made = must(await charge(pod.as("lena"), pod, { amount: "75.00", from: "tok_ok", settle: "USD" }), 201, 202);
    paid.push(made.id);
    return ended(pod, made);
  };

  test("that are off the market get no charge, however good their rate would be", async () => {
    await set("lp-good", { mode: "off_market" });
    expect(await pay()).toMatchObject({ status: "succeeded", fx: { provider: "lp-slow" } });
    await set("lp-good", { mode: "good" });
  });

  test("that do not answer a trade keep nobody waiting, and are not traded with twice", async () => {
    for (const provider of ["lp-good", "lp-slow"]) await set(provider, { mode: "trade_timeout_then_filled" });
    expect(await pay()).toMatchObject({ status: "succeeded" });
    await expectAgreement(pod, paid);
    for (const provider of ["lp-good", "lp-slow"]) await set(provider, { mode: "good" });
  });

  test("that are all late fail the charge, and nothing is held", async () => {
    for (const provider of ["lp-good", "lp-slow", "lp-wide"]) await set(provider, { mode: "slow", delay_ms: 4_000 });
    const before = must(await pod.owner.get<{ balances: Balance[] }>(`/v1/pods/${pod.id}`), 200).balances;
    const failed = await pay();
    expect(failed).toMatchObject({ status: "failed", failure: { code: "no_firm_liquidity" }, fees: [] });
    expect([failed.settled, failed.fx]).toEqual([undefined, undefined]);
    expect(must(await pod.owner.get<{ balances: Balance[] }>(`/v1/pods/${pod.id}`), 200).balances).toEqual(before);
    const { steps } = must(
      await admin.get<{ steps: { name: string; status: string }[] }>(`/v1/sagas/${failed.saga}`),
      200,
    );
    expect(Object.fromEntries(steps.map(({ name, status }) => [name, status]))).toMatchObject({
      admit: "compensated",
      assess: "compensated",
      accept: "compensated",
      reserve: "pending",
      capture: "pending",
    });
    await expectAgreement(pod, paid);
  });
});
