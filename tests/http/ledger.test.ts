import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { createIdSource, routeCharge, SHARDS } from "../../schema/ids.ts";
import { readAll } from "../support/checker.ts";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import {
  type Charge,
  charge,
  eur,
  fundWallet,
  type Money,
  must,
  type OpenPod,
  openPod,
  operator,
  person,
  ulid,
} from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer();
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

type Problem = { code: string; field?: string; difference?: Money; available?: Money; errors?: { pointer: string }[] };
type List<T> = { data: T[]; next: string | null };
type Leg = { account: string; direction: "debit" | "credit"; amount: Money };
type Transfer = { id: string; legs: readonly Leg[]; metadata?: Record<string, string> };
type Posted = { id: string; status: string; balances: { account: string; balance: Money }[]; recorded_at: string };
type Counters = { debits_posted: string; credits_posted: string; debits_pending: string; credits_pending: string };
type Account = Counters & {
  id: string;
  type: string;
  status: string;
  normal_side: string;
  available: string;
  holds: unknown[];
  seq: number;
  stripes?: (Counters & { id: string; seq: number; hash: string })[];
};
type Entry = {
  id: string;
  account: string;
  seq: number;
  type: string;
  debit: Money | null;
  credit: Money | null;
  balance: Money;
  transfer: string;
  charge?: string;
  pod?: string;
  recorded_at: string;
  hash: string;
};

const usd = (amount: string): Money => ({ amount, currency: "USD" });
const cents = (amount: string): bigint => BigInt(amount.replace(".", ""));
const debit = (account: string, amount: Money): Leg => ({ account, direction: "debit", amount });
const credit = (account: string, amount: Money): Leg => ({ account, direction: "credit", amount });
const order = (legs: readonly Leg[], reason?: string): Transfer => ({
  id: `trf_${ulid()}`,
  legs,
  ...(reason === undefined ? {} : { metadata: { reason } }),
});
const transfer = (body: unknown, as = admin): Promise<Answer<Posted & Problem>> =>
  as.post("/v1/ledger/transfers", body, { headers: { prefer: "wait=20" } });
const account = async (id: string): Promise<Account> =>
  must(await admin.get<Account>(`/v1/ledger/accounts/${encodeURIComponent(id)}`), 200);
const accountEntries = (id: string): Promise<Entry[]> =>
  readAll<Entry>(admin, `/v1/ledger/accounts/${encodeURIComponent(id)}/entries`);
const walletOf = async (user: string): Promise<string> =>
  must(await admin.get<Account>(`/v1/ledger/accounts/wallet:${user}:EUR`), 200).available;
const poolOf = async (pod: OpenPod): Promise<string> =>
  must(await pod.owner.get<{ balances: { posted: string }[] }>(`/v1/pods/${pod.id}`), 200).balances[0]?.posted ?? "";

describe("a charge from a wallet", () => {
  const fromWallet = (pod: OpenPod, user: string, amount: string, key: string) =>
    charge(pod.as(user), pod, { amount, from: "wallet", key });

  test("moves money from the wallet to the pool and the fee, and asks no provider", async () => {
    const pod = await openPod(server, { members: ["wanda"] });
    await fundWallet(admin, "wanda", "100.00");
    const paid = must(await fromWallet(pod, "wanda", "80.00", "pay"), 201);
    expect(paid).toMatchObject({ status: "succeeded", amount: eur("80.00"), settled: eur("78.80") });
    expect([await walletOf("wanda"), await poolOf(pod)]).toEqual(["20.00", "78.80"]);
    const books = must(await api(server.sandboxUrl).get<List<unknown>>(`/books?charge=${paid.id}`), 200);
    expect(books.data).toEqual([]);
    // Which wallets there are is the read model's to say, so the first may be a moment late.
    const wallets = await poll(
      async () => must(await pod.as("wanda").get<List<unknown>>("/v1/wallets"), 200).data,
      ({ length }) => length > 0,
    );
    expect(wallets).toEqual([
      {
        id: "wallet:wanda:EUR",
        currency: "EUR",
        posted: "20.00",
        pending: "0.00",
        pending_in: "0.00",
        available: "20.00",
      },
    ]);
    const booked = await poll(
      async () => {
        const accounts = ["wallet:wanda:EUR", `pod:${pod.id}:EUR`, "fee:EUR"];
        const entries = (await Promise.all(accounts.map(accountEntries))).flat();
        return entries.filter((entry) => entry.charge === paid.id);
      },
      ({ length }) => length === 3,
    );
    expect(booked.map((entry) => [entry.account.split("#")[0], entry.debit, entry.credit])).toEqual([
      ["wallet:wanda:EUR", eur("80.00"), null],
      [`pod:${pod.id}:EUR`, null, eur("78.80")],
      ["fee:EUR", null, eur("1.20")],
    ]);
  });

  test("an empty wallet is a problem, which says what there is, and leaves no charge", async () => {
    const pod = await openPod(server, { members: ["paul"] });
    const never = await fromWallet(pod, "paul", "1.00", "never-funded");
    expect(never).toMatchObject({ status: 422, body: { code: "insufficient_funds", available: eur("0.00") } });
    await fundWallet(admin, "paul", "10.00");
    const short = await fromWallet(pod, "paul", "10.01", "a-cent-short");
    expect(short).toMatchObject({ status: 422, body: { code: "insufficient_funds", available: eur("10.00") } });
    expect((await account("wallet:paul:EUR")).holds).toEqual([]);
    const exact = must(await fromWallet(pod, "paul", "10.00", "to-the-cent"), 201);
    expect([exact.status, await walletOf("paul"), await poolOf(pod)]).toEqual(["succeeded", "0.00", "9.85"]);

    const listed = await poll(
      async () => must(await pod.owner.get<List<Charge>>(`/v1/pods/${pod.id}/charges`), 200).data,
      (charges) => charges.some(({ status }) => status === "succeeded"),
    );
    expect(listed.map(({ id }) => id)).toEqual([exact.id]);
    type Row = { event: { type: string; data: { charge?: string } } };
    const events = await readAll<Row>(pod.owner, `/v1/pods/${pod.id}/events`);
    const told = events.map(({ event }) => event).filter(({ type }) => type.startsWith("charge."));
    expect(told.map(({ type, data }) => [type, data.charge])).toEqual([
      ["charge.created", exact.id],
      ["charge.succeeded", exact.id],
    ]);
  });

  test("a wallet for three of ten charges at once pays three, and never goes below zero", async () => {
    const pod = await openPod(server, { members: ["rush"] });
    await fundWallet(admin, "rush", "35.00");
    const answers = await Promise.all(
      Array.from({ length: 10 }, (_, index) => fromWallet(pod, "rush", "10.00", `rush-${index}`)),
    );
    const paid = answers.filter(({ status }) => status === 201);
    expect(paid.map(({ body }) => body.status)).toEqual(["succeeded", "succeeded", "succeeded"]);
    const refused = answers.filter(({ status }) => status !== 201);
    expect(refused.map(({ status, body }) => [status, (body as unknown as Problem).code])).toEqual(
      refused.map(() => [422, "insufficient_funds"]),
    );
    expect([await walletOf("rush"), await poolOf(pod)]).toEqual(["5.00", "29.55"]);
  });

  test("is paid from one's own wallet in the amount's own currency", async () => {
    const pod = await openPod(server, { members: ["rich", "poor"], currencies: ["EUR", "USD"] });
    await fundWallet(admin, "rich", "50.00");
    const order = { amount: "5.00", from: "wallet", key: "whose" };
    expect((await charge(pod.as("poor"), pod, order)).status).toBe(422);
    expect((await charge(pod.as("rich"), pod, { ...order, currency: "USD" })).status).toBe(422);
    expect(await walletOf("rich")).toBe("50.00");
    expect(must(await pod.as("poor").get<List<unknown>>("/v1/wallets"), 200).data).toEqual([]);
  });
});

describe("the fee of a charge is rounded half up to the minor unit, and never makes or loses one", () => {
  const currencies = ["EUR", "JPY", "KWD"];
  let pod: OpenPod;
  beforeAll(async () => {
    pod = await openPod(server, { currencies });
  });

  test.each([
    ["EUR", "0.01", "0.00", "0.01"],
    ["EUR", "0.33", "0.00", "0.33"],
    ["EUR", "0.34", "0.01", "0.33"],
    ["EUR", "1.00", "0.02", "0.98"],
    ["EUR", "99.99", "1.50", "98.49"],
    ["JPY", "1", "0", "1"],
    ["JPY", "33", "0", "33"],
    ["JPY", "34", "1", "33"],
    ["JPY", "100", "2", "98"],
    ["KWD", "0.001", "0.000", "0.001"],
    ["KWD", "0.033", "0.000", "0.033"],
    ["KWD", "1.000", "0.015", "0.985"],
  ])("%s %s: %s", async (currency, amount, fee, settled) => {
    const paid = must(
      await charge(pod.owner, pod, { amount, currency, from: "tok_ok", key: `fee-${currency}-${amount}` }),
      201,
    );
    expect(paid).toMatchObject({
      status: "succeeded",
      amount: { amount, currency },
      settled: { amount: settled, currency },
      fees: [{ name: "psp", amount: { amount: fee, currency } }],
    });
  });

  test("and the pool is what settled, to the minor unit", async () => {
    const { balances } = must(
      await pod.owner.get<{ balances: { currency: string; posted: string }[] }>(`/v1/pods/${pod.id}`),
      200,
    );
    expect(balances.map(({ currency, posted }) => [currency, posted])).toEqual([
      ["EUR", "100.14"],
      ["JPY", "165"],
      ["KWD", "1.019"],
    ]);
  });
});

describe("a ledger transfer", () => {
  test("is posted whole, in every currency at once", async () => {
    const legs = [
      debit("bank:sandbox:EUR", eur("30.00")),
      credit("wallet:both:EUR", eur("20.00")),
      credit("fee:EUR", eur("10.00")),
      debit("bank:sandbox:USD", usd("7.50")),
      credit("wallet:both:USD", usd("7.50")),
    ];
    const body = order(legs);
    const posted = must(await transfer(body), 201);
    expect(posted).toEqual({
      id: body.id,
      status: "posted",
      legs,
      balances: expect.arrayContaining([
        { account: "wallet:both:EUR", balance: eur("20.00") },
        { account: "wallet:both:USD", balance: usd("7.50") },
      ]),
      recorded_at: expect.stringMatching(/^\d{4}-.*Z$/),
    });
    expect(await walletOf("both")).toBe("20.00");
    const both = await account("wallet:both:EUR");
    expect([both.type, both.normal_side, both.status, both.holds]).toEqual(["liability", "credit", "open", []]);
  });

  test("pays into a pod that nobody has paid into yet, and into none that there is not", async () => {
    const pod = await openPod(server, { currencies: ["EUR"] });
    const paid = (name: string) => {
      const amount = { amount: "10.00", currency: name.slice(-3) };
      return order([debit(`suspense:${amount.currency}`, amount), credit(name, amount)]);
    };
    const into = `pod:${pod.id}:EUR`;
    const transfers = [into, `pod:${pod.id}:USD`, "pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FZZ:EUR"].map(paid);
    const batch = await admin.post<{ results: { status: number }[] }>("/v1/ledger/batches", { transfers });
    expect(must(batch, 200).results.map(({ status }) => status)).toEqual([201, 404, 404]);
    expect(must(await transfer(paid(into)), 201).balances).toContainEqual({ account: into, balance: eur("20.00") });
    const another = await openPod(server, { currencies: ["EUR"] });
    expect((await transfer(paid(`pod:${another.id}:EUR`))).status).toBe(201);
    expect((await transfer(paid(`pod:${another.id}:USD`))).status).toBe(404);
  });

  test("of the largest amount there is keeps no house account from the next; what a full wallet cannot take is in suspense", async () => {
    const most = { amount: "9223372036854775807", currency: "ISK" };
    const often = Array.from({ length: 12 }, () => order([debit("suspense:ISK", most), credit("fee:ISK", most)]));
    for (const each of often) must(await transfer(each), 201);
    const twice = () => transfer(order([debit("suspense:ISK", most), credit("wallet:croesus:ISK", most)]));
    expect(must(await twice(), 201).balances).toContainEqual({ account: "wallet:croesus:ISK", balance: most });
    // No account of a customer holds more: what is too much for it is in suspense.
    const [, full] = must(await twice(), 201).balances;
    expect(full?.account).toMatch(/^suspense:ISK#/);
    expect((await account("fee:ISK")).credits_posted).toBe(String(12n * BigInt(most.amount)));
    const pod = await openPod(server, { currencies: ["ISK"] });
    for (let each = 0; each < 4; each++) {
      const order = { amount: "1000", currency: "ISK", from: "tok_ok", key: `late-${each}` };
      expect(must(await charge(pod.owner, pod, order), 201)).toMatchObject({ status: "succeeded" });
    }
    const trial = must(await admin.get<Cut>("/v1/ledger/trial-balance?wait=fresh"), 200);
    expect(trial.balanced).toBe(true);
    expect(trial.currencies.find(({ currency }) => currency === "ISK")).toMatchObject({
      in_transit: "0",
      difference: "0",
    });
  });

  test("under one id moves money once, however often and at once it is sent", async () => {
    const body = order([debit("bank:sandbox:EUR", eur("11.00")), credit("wallet:once:EUR", eur("11.00"))]);
    const answers = await Promise.all(Array.from({ length: 20 }, () => transfer(body)));
    const posted = answers.filter(({ status }) => status === 201);
    const early = answers.filter(({ status }) => status !== 201);
    expect(posted.length).toBeGreaterThan(0);
    expect(new Set(posted.map((answer) => JSON.stringify(answer.body))).size).toBe(1);
    expect(early.map(({ status, body: { code } }) => [status, code])).toEqual(
      early.map(() => [409, "idempotency_in_progress"]),
    );
    const again = await transfer({ ...body, legs: body.legs.map((leg) => ({ ...leg, amount: eur("11") })) });
    expect([again.status, again.body]).toEqual([201, posted[0]?.body]);
    expect(again.headers.get("idempotency-replayed")).toBe("true");
    expect(await walletOf("once")).toBe("11.00");
  });

  test("under an id that stands for another one is refused, and names what differs", async () => {
    const body = order([debit("bank:sandbox:EUR", eur("1.00")), credit("wallet:other:EUR", eur("1.00"))]);
    must(await transfer(body), 201);
    const [first, second] = body.legs as [Leg, Leg];
    const others: [string, Transfer][] = [
      ["/legs/0/amount/amount", { ...body, legs: [first, second].map((leg) => ({ ...leg, amount: eur("2.00") })) }],
      ["/legs/1/account", { ...body, legs: [first, { ...second, account: "wallet:else:EUR" }] }],
      ["/metadata/reason", { ...body, metadata: { reason: "because" } }],
    ];
    for (const [field, other] of others) {
      expect(await transfer(other)).toMatchObject({ status: 422, body: { code: "idempotency_mismatch", field } });
    }
    expect(await walletOf("other")).toBe("1.00");
  });

  test("that would overdraw a wallet is refused for good under its id, and everything it held is free", async () => {
    await fundWallet(admin, "thin", "5.00");
    await fundWallet(admin, "thick", "5.00");
    const body = order(
      [
        debit("wallet:thick:EUR", eur("5.00")),
        debit("wallet:thin:EUR", eur("5.01")),
        credit("bank:sandbox:EUR", eur("10.01")),
      ],
      "a correction",
    );
    const refused = await transfer(body);
    expect(refused).toMatchObject({ status: 422, body: { code: "insufficient_funds", available: eur("5.00") } });
    for (const user of ["thin", "thick"]) {
      const { available, holds, debits_pending } = await account(`wallet:${user}:EUR`);
      expect([user, available, holds, debits_pending]).toEqual([user, "5.00", [], "0.00"]);
    }
    await fundWallet(admin, "thin", "1.00");
    const again = await transfer(body);
    expect([again.status, again.body]).toEqual([422, refused.body]);
    must(await transfer({ ...body, id: `trf_${ulid()}` }), 201);
    expect([await walletOf("thin"), await walletOf("thick")]).toEqual(["0.99", "0.00"]);
  });

  describe("is refused before anything moves", () => {
    const bank = (amount: string) => debit("bank:sandbox:EUR", eur(amount));
    const wallet = (amount: string) => credit("wallet:untouched:EUR", eur(amount));
    const nowhere = `pod:pod_${ulid()}:EUR`;
    const idFrom = (ageMs: number) => createIdSource((bytes) => bytes.fill(7)).next("trf", Date.now() - ageMs);
    const DAY_MS = 86_400_000;
    const refusals: [string, Transfer, number, Partial<Problem>][] = [
      [
        "unbalanced",
        order([bank("5.00"), wallet("4.99")]),
        422,
        { code: "unbalanced_transfer", difference: eur("0.01") },
      ],
      [
        "unbalanced the other way",
        order([bank("4.99"), wallet("5.00")]),
        422,
        { code: "unbalanced_transfer", difference: eur("-0.01") },
      ],
      [
        "balanced only across currencies",
        order([bank("5.00"), credit("wallet:untouched:USD", usd("5.00"))]),
        422,
        { code: "unbalanced_transfer" },
      ],
      [
        "with an account on both sides",
        order([bank("5.00"), credit("bank:sandbox:EUR", eur("5.00"))]),
        400,
        { code: "invalid_request" },
      ],
      ["with one leg", order([bank("5.00")]), 400, { code: "invalid_request" }],
      [
        "with 101 legs",
        order([bank("100.00"), ...Array.from({ length: 100 }, (_, n) => credit(`wallet:u${n}:EUR`, eur("1.00")))]),
        400,
        { code: "invalid_request" },
      ],
      ["to a pod nobody made", order([bank("5.00"), credit(nowhere, eur("5.00"))]), 404, { code: "not_found" }],
      [
        "to a connector nobody has",
        order([bank("5.00"), credit("psp:nobody:EUR", eur("5.00"))]),
        404,
        { code: "not_found" },
      ],
      ["to no account at all", order([bank("5.00"), credit("petty cash", eur("5.00"))]), 404, { code: "not_found" }],
      ["to a stripe", order([bank("5.00"), credit("fee:EUR#1", eur("5.00"))]), 404, { code: "not_found" }],
      [
        "from a wallet no money has met",
        order([debit("wallet:never:EUR", eur("5.00")), credit("bank:sandbox:EUR", eur("5.00"))], "why"),
        404,
        { code: "not_found" },
      ],
      [
        "in another currency than the account's",
        order([debit("bank:sandbox:EUR", usd("5.00")), credit("wallet:untouched:EUR", usd("5.00"))]),
        422,
        { code: "currency_mismatch" },
      ],
      ["of nothing", order([bank("0.00"), wallet("0.00")]), 422, { code: "amount_out_of_range" }],
      [
        "under an id thirty-one days old",
        { ...order([bank("5.00"), wallet("5.00")]), id: idFrom(31 * DAY_MS) },
        422,
        { code: "transfer_id_expired" },
      ],
      [
        "under an id from tomorrow",
        { ...order([bank("5.00"), wallet("5.00")]), id: idFrom(-DAY_MS) },
        422,
        { code: "transfer_id_expired" },
      ],
    ];

    const freshCut = async (): Promise<Cut> => must(await admin.get<Cut>("/v1/ledger/trial-balance?wait=fresh"), 200);
    let before: Cut;
    beforeAll(async () => {
      before = await freshCut();
    });

    test.each(refusals)("%s", async (_, body, status, problem) => {
      const refused = await transfer(body);
      expect([refused.status, refused.body]).toEqual([status, expect.objectContaining(problem)]);
    });

    test("and no account has so much as an event of it", async () => {
      const after = await freshCut();
      expect(after.currencies).toEqual(before.currencies);
      expect(after.cut.accounts).toEqual(before.cut.accounts);
    });

    test("without a reason, from a pod or a wallet", async () => {
      const pod = await openPod(server);
      must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "filled" }), 201);
      const legs = [debit(`pod:${pod.id}:EUR`, eur("1.00")), credit("bank:sandbox:EUR", eur("1.00"))];
      const refused = await transfer(order(legs));
      expect([refused.status, refused.body.errors?.[0]?.pointer]).toEqual([400, "/metadata/reason"]);
      expect(await poolOf(pod)).toBe("9.85");
      must(await transfer(order(legs, "paid out by hand")), 201);
      expect(await poolOf(pod)).toBe("8.85");
    });

    test("from anybody but the operator", async () => {
      const body = order([bank("5.00"), wallet("5.00")]);
      expect((await transfer(body, await person(server, "thief"))).status).toBe(403);
      for (const path of ["accounts/fee:EUR", "accounts/fee:EUR/entries", "trial-balance"]) {
        expect((await (await person(server, "thief")).get(`/v1/ledger/${path}`)).status).toBe(403);
      }
    });
  });
});

type Cut = {
  balanced: boolean;
  currencies: { currency: string; debits: string; credits: string; in_transit: string; difference: string }[];
  cut: { epoch: number; taken_at: string; shards: number; accounts: Record<string, { seq: number; hash: string }> };
};

describe("an account that is kept in stripes", () => {
  beforeAll(async () => {
    // A pod's charges run in two shards, which share a stripe: as many pods as it takes to meet all four.
    const pods = new Map<number, OpenPod>();
    while (pods.size < 4) {
      const pod = await openPod(server, { currencies: ["EUR", "CHF"] });
      pods.set(routeCharge("", pod.id, "") % 4, pod);
    }
    const met = [...pods.values()];
    const paid = await Promise.all(
      Array.from({ length: 40 }, (_, index) => {
        const pod = met[index % met.length] as OpenPod;
        const order = { amount: `${index + 1}.00`, currency: "CHF", from: "tok_ok", key: `stripe-${index}`, wait: 30 };
        return charge(pod.owner, pod, order);
      }),
    );
    expect(new Set(paid.map(({ body }) => body.status))).toEqual(new Set(["succeeded"]));
  });

  test("reads as one: the sums of its stripes, each of which reads by itself", async () => {
    const whole = await account("psp:sandbox:CHF");
    const stripes = whole.stripes ?? [];
    expect(stripes.map(({ id }) => id)).toEqual([0, 1, 2, 3].map((stripe) => `psp:sandbox:CHF#${stripe}`));
    expect(whole.debits_posted).toBe("820.00");
    for (const counter of ["debits_posted", "credits_posted", "debits_pending", "credits_pending"] as const) {
      const sum = stripes.reduce((total, stripe) => total + cents(stripe[counter]), 0n);
      expect([counter, cents(whole[counter])]).toEqual([counter, sum]);
    }
    expect(whole.seq).toBe(stripes.reduce((sum, { seq }) => sum + seq, 0));
    for (const stripe of stripes) {
      const alone = await account(stripe.id);
      expect(alone.stripes).toBeUndefined();
      expect([alone.id, alone.debits_posted, alone.seq]).toEqual([stripe.id, stripe.debits_posted, stripe.seq]);
      expect(cents(alone.debits_posted)).toBeGreaterThan(0n);
    }
  });

  test("lists the entries of all its stripes, each stripe's balance running on by itself", async () => {
    const entries = await poll(
      () => accountEntries("psp:sandbox:CHF"),
      ({ length }) => length >= 40,
    );
    expect(entries.length).toBe(40);
    expect(new Set(entries.map((entry) => entry.charge)).size).toBe(40);
    const running = new Map<string, bigint>();
    for (const entry of entries) {
      const balance = (running.get(entry.account) ?? 0n) + cents(entry.debit?.amount ?? "0");
      expect([entry.credit, cents(entry.balance.amount)]).toEqual([null, balance]);
      running.set(entry.account, balance);
    }
    expect(running.size).toBe(4);
    const times = entries.map((entry) => entry.recorded_at);
    expect(times).toEqual([...times].sort());
    const stripe = await accountEntries("psp:sandbox:CHF#2");
    expect(stripe).toEqual(entries.filter((entry) => entry.account === "psp:sandbox:CHF#2"));
  });

  test("is there before money has met it, with zeros; a wallet, or what nobody could name, is not", async () => {
    const zero = { debits_posted: "0.00", credits_posted: "0.00", available: "0.00", seq: 0, holds: [] };
    expect(await account("psp:sandbox:SEK")).toMatchObject(zero);
    expect(await account("fee:SEK#3")).toMatchObject(zero);
    for (const id of ["wallet:nobody:EUR", "psp:nobody:EUR", "fee:SEK#4", "nonsense", "pod:x:EUR"]) {
      const answer = await admin.get<Problem>(`/v1/ledger/accounts/${encodeURIComponent(id)}`);
      expect([id, answer.status]).toEqual([id, 404]);
    }
  });
});

test("an entry says what moved, on which side, under which transfer and charge", async () => {
  const pod = await openPod(server);
  const paid = must(await charge(pod.owner, pod, { amount: "60.00", from: "tok_ok", key: "an-entry" }), 201);
  const [entry] = await poll(
    () => readAll<Entry>(pod.owner, `/v1/pods/${pod.id}/entries`),
    ({ length }) => length > 0,
  );
  const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(entry).toEqual({
    id: expect.any(String),
    account: `pod:${pod.id}:EUR`,
    seq: expect.any(Number),
    type: expect.any(String),
    debit: null,
    credit: eur("59.10"),
    balance: eur("59.10"),
    pod: pod.id,
    transfer: expect.stringMatching(/^trf_/),
    charge: paid.id,
    recorded_at: time,
    effective_at: time,
    hash: expect.stringMatching(/^[0-9a-f]{64}$/),
  });
  expect(await accountEntries(`pod:${pod.id}:EUR`)).toEqual([entry]);
});

describe("the trial balance", () => {
  test("is zero in every currency at every moment, while charges run", async () => {
    const currencies = ["EUR", "USD", "JPY"];
    const pod = await openPod(server, { currencies });
    let open = true;
    const instruments = ["tok_ok", "tok_async", "tok_declined", "tok_5xx_twice", "tok_duplicate_webhook"];
    let begun = 0;
    const traffic = async (): Promise<number> => {
      let charged = 0;
      while (open && charged < 30) {
        charged++;
        const index = begun++;
        const currency = currencies[index % 3] ?? "EUR";
        const from = instruments[index % instruments.length] ?? "tok_ok";
        const amount = currency === "JPY" ? "700" : "7.01";
        must(await charge(pod.owner, pod, { amount, currency, from, key: `traffic-${index}`, wait: 0 }), 201, 202);
      }
      return charged;
    };
    const running = Promise.all([traffic(), traffic(), traffic()]);
    const cuts: Cut[] = [];
    for (let time = 0; time < 10; time++) {
      cuts.push(must(await admin.get<Cut>("/v1/ledger/trial-balance?wait=fresh"), 200));
      await poll(
        async () => begun,
        (count) => count >= Math.min(90, (time + 1) * 3),
        10_000,
      ).catch(() => undefined);
    }
    open = false;
    await running;
    for (const { balanced, currencies: rows } of cuts) {
      expect(rows.filter(({ difference }) => !/^0(\.0+)?$/.test(difference))).toEqual([]);
      expect(balanced).toBe(true);
    }
    const epochs = cuts.map(({ cut }) => cut.epoch);
    expect(epochs).toEqual([...epochs].sort((left, right) => left - right));
    expect(new Set(epochs).size).toBe(10);
    const last = cuts.at(-1) ?? expect.unreachable();
    expect(last.currencies.map(({ currency }) => currency)).toEqual(expect.arrayContaining(currencies));
    expect(last.cut.shards).toBe(SHARDS);
    // Traffic was really running: the later cuts have seen more of it than the first.
    const debitsOf = (cut: Cut | undefined) => cut?.currencies.reduce((sum, row) => sum + cents(row.debits), 0n) ?? 0n;
    expect(debitsOf(last)).toBeGreaterThan(debitsOf(cuts[0]));
  });

  test("names the head of every account, as each account says it itself", async () => {
    const { cut } = await poll(
      async () => must(await admin.get<Cut>("/v1/ledger/trial-balance?wait=fresh"), 200),
      ({ currencies }) => currencies.every(({ in_transit }) => /^0(\.0+)?$/.test(in_transit)),
    );
    const pods = Object.entries(cut.accounts).filter(([id]) => id.startsWith("wallet:"));
    expect(pods.length).toBeGreaterThan(0);
    for (const [id, { seq, hash }] of pods.slice(0, 5)) {
      const shown = await admin.get<Account & { head_hash: string }>(`/v1/ledger/accounts/${id}`);
      if (shown.status === 404) expect(seq).toBe(0);
      else expect([id, shown.body.seq, shown.body.head_hash]).toEqual([id, seq, hash]);
    }
  });
});

test("every chain verifies: accounts, pods, sagas, risk profiles and the gateway", async () => {
  type Verification = {
    id: string;
    ok: boolean;
    checked: { actors: number; events: number };
    failures: unknown[];
    progress?: { done: number; total: number };
  };
  const started = await admin.post<Verification>("/v1/ledger/verify", {});
  const { id } = must(started, 200, 202);
  const { body } = await poll(
    () => admin.get<Verification>(`/v1/ledger/verify/${id}`),
    ({ status }) => status === 200,
    30_000,
  );
  expect(body).toEqual({
    id,
    ok: true,
    checked: { actors: expect.any(Number), events: expect.any(Number) },
    failures: [],
  });
  expect(body.checked.actors).toBeGreaterThan(30);
  expect(body.checked.events).toBeGreaterThan(500);
  expect((await admin.get(`/v1/ledger/verify/vrf_${ulid()}`)).status).toBe(404);
  expect((await (await person(server, "thief")).post("/v1/ledger/verify", {})).status).toBe(403);
});

describe("sagas", () => {
  type Step = { name: string; status: string; attempts: number; started_at: string | null; ended_at: string | null };
  type Saga = {
    id: string;
    kind: string;
    version: number;
    subject: string;
    status: string;
    created_at: string;
    age_s: number;
    steps: Step[];
    actions: string[];
  };
  let pod: OpenPod;
  let paid: Charge;
  let failed: Charge;
  let waiting: Charge;
  const sagas = (query: string): Promise<Saga[]> => readAll<Saga>(admin, `/v1/sagas?subject=sagacious${query}`);

  beforeAll(async () => {
    pod = await openPod(server, { members: ["sagacious"] });
    const payer = pod.as("sagacious");
    paid = must(await charge(payer, pod, { amount: "5.00", from: "tok_ok", key: "saga-1" }), 201);
    failed = must(await charge(payer, pod, { amount: "5.00", from: "tok_declined", key: "saga-2" }), 201);
    waiting = must(await charge(payer, pod, { amount: "1000.00", from: "tok_ok", key: "saga-3" }), 202);
    await poll(
      () => sagas(""),
      (list) => list.length === 3 && list.every(({ status }) => status !== "running" && status !== "compensating"),
    );
  });

  test("one reads step by step, and says who began it", async () => {
    const saga = must(await admin.get<Saga>(`/v1/sagas/${paid.saga}`), 200);
    expect(saga).toEqual({
      id: paid.saga,
      kind: "charge",
      version: expect.any(Number),
      subject: "sagacious",
      status: "completed",
      created_at: expect.stringMatching(/Z$/),
      age_s: expect.any(Number),
      steps: expect.any(Array),
      actions: [],
    });
    expect(saga.steps.map(({ name, status }) => `${name} ${status}`)).toEqual([
      "admit done",
      "assess done",
      "review skipped",
      "reserve done",
      "capture done",
      "post done",
      "conclude done",
    ]);
    const back = must(await admin.get<Saga>(`/v1/sagas/${failed.saga}`), 200);
    expect([back.status, back.steps.find(({ name }) => name === "capture")?.status]).toEqual([
      "compensated",
      "declined",
    ]);
    expect(back.steps.find(({ name }) => name === "reserve")?.status).toBe("compensated");
  });

  test("are listed newest first, and found by status, kind, subject and age", async () => {
    const ids = (list: readonly Saga[]) => list.map(({ id }) => id);
    expect(ids(await sagas(""))).toEqual([waiting.saga, failed.saga, paid.saga]);
    expect(ids(await sagas("&status=completed"))).toEqual([paid.saga]);
    expect(ids(await sagas("&status=compensated"))).toEqual([failed.saga]);
    expect(ids(await sagas("&status=waiting"))).toEqual([waiting.saga]);
    expect(await sagas("&kind=ledger_transfer")).toEqual([]);
    expect(await sagas("&older_than=PT1H")).toEqual([]);
    expect(ids(await sagas(`&older_than=${encodeURIComponent(waiting.created_at)}`))).toEqual([failed.saga, paid.saga]);
    const transfers = must(await admin.get<List<Saga>>("/v1/sagas?kind=ledger_transfer&limit=1"), 200);
    expect(transfers.data.map(({ kind }) => kind)).toEqual(["ledger_transfer"]);
    const listed = (await sagas("&status=completed")).map(({ age_s: _, ...saga }) => saga);
    const { age_s: _, ...read } = must(await admin.get<Saga>(`/v1/sagas/${paid.saga}`), 200);
    expect(listed).toEqual([read]);
  });

  test("are the operator's alone, and an unknown one is not there", async () => {
    for (const path of ["/v1/sagas", `/v1/sagas/${paid.saga}`]) {
      expect([path, (await pod.as("sagacious").get(path)).status]).toEqual([path, 403]);
    }
    for (const id of [`sag_${ulid()}00`, `sag_${ulid()}`, "sag_nonsense", paid.id]) {
      expect([id, (await admin.get(`/v1/sagas/${id}`)).status]).toEqual([id, 404]);
    }
    expect((await admin.get("/v1/sagas?status=asleep")).status).toBe(400);
  });
});
