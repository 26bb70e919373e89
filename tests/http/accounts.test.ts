import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { charge, eur, fundWallet, type Money, must, openPod, operator, ulid } from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  admin = await operator(server, "olga");
});
afterAll(() => server?.[Symbol.asyncDispose]());

type Problem = { code: string; detail: string; available?: Money; field?: string; errors?: { pointer: string }[] };
type Counters = { debits_posted: string; credits_posted: string; debits_pending: string; credits_pending: string };
type Account = Counters & {
  id: string;
  status: string;
  floor: string | null;
  cap: string | null;
  available: string;
  holds: { transfer: string }[];
  seq: number;
  head_hash: string;
  stripes?: (Counters & { id: string; seq: number; hash: string; counters: Counters })[];
};
type Closing = Account & { blockers: unknown[] };
type Monitor = { id: string; account: string; above?: Money; below?: Money; state: string };
type Line = {
  seq: number;
  type: string;
  debit: Money | null;
  credit: Money | null;
  balance: Money;
  transfer: string | null;
  saga: string | null;
  charge: string | null;
  pod: string | null;
  reason: string | null;
  by: string;
  floor?: string | null;
};
type Explained = {
  status: string;
  stopped: { by: string; reason: string | null; since: string } | null;
  seq: number;
  head_hash: string;
  balance: string;
  available: { amount: string; posted: string; pending: string; floor: string | null };
  headroom: { amount: string; cap: string; posted: string; pending_in: string } | null;
  holds: { transfer: string; saga: string; since: string; aged: boolean }[];
  page: { after: number; to: number; opening: string; closing: string };
  lines: Line[];
  next: string | null;
};
type Leg = { account: string; direction: "debit" | "credit"; amount: Money };
type Posted = { id: string; status: string; balances: { account: string; balance: Money }[] };

const path = (id: string, verb = "") => `/v1/ledger/accounts/${encodeURIComponent(id)}${verb}`;
const read = async (id: string) => must(await admin.get<Account>(path(id)), 200);
const freeze = (id: string, reason = "a court order", key?: string) =>
  admin.post<Account & Problem>(path(id, "/freeze"), { reason }, key === undefined ? {} : { key });
const unfreeze = (id: string, reason = "the order was lifted") =>
  admin.post<Account & Problem>(path(id, "/unfreeze"), { reason });
const close = (id: string, reason = "the member has left") =>
  admin.post<Closing & Problem>(path(id, "/close"), { reason });
const limit = (id: string, body: object) => admin.patch<Account & Problem>(path(id), body);
const explain = async (id: string, query = "") => must(await admin.get<Explained>(path(id, `/explain${query}`)), 200);

const wallet = (user: string) => `wallet:${user}:EUR`;
const debit = (account: string, amount: string): Leg => ({ account, direction: "debit", amount: eur(amount) });
const credit = (account: string, amount: string): Leg => ({ account, direction: "credit", amount: eur(amount) });
const transfer = (legs: Leg[], reason = "a correction"): Promise<Answer<Posted & Problem>> =>
  admin.post(
    "/v1/ledger/transfers",
    { id: `trf_${ulid()}`, legs, metadata: { reason } },
    { headers: { prefer: "wait=20" } },
  );
const move = (from: string, to: string, amount: string) => transfer([debit(from, amount), credit(to, amount)]);
const refused = (answer: Answer<Problem>) => [answer.status, answer.body.code];
const books = async () =>
  must(await admin.get<{ balanced: boolean }>("/v1/ledger/trial-balance?wait=fresh"), 200).balanced;

describe("a frozen account", () => {
  test("lets nothing out and everything in, says so by name, and works again when the freeze is lifted", async () => {
    await fundWallet(admin, "fred", "20.00");
    expect(must(await freeze(wallet("fred")), 200)).toMatchObject({ status: "frozen", available: "20.00" });
    expect(refused(await move(wallet("fred"), "fee:EUR", "1.00"))).toEqual([422, "account_frozen"]);
    await fundWallet(admin, "fred", "5.00");
    expect(await read(wallet("fred"))).toMatchObject({ status: "frozen", credits_posted: "25.00", holds: [] });
    expect(refused(await freeze(wallet("fred")))).toEqual([409, "conflict"]);
    expect(must(await unfreeze(wallet("fred")), 200).status).toBe("open");
    expect(refused(await unfreeze(wallet("fred")))).toEqual([409, "conflict"]);
    must(await move(wallet("fred"), "fee:EUR", "25.00"), 201);
  });

  test("of a pod refuses a charge before any money is touched", async () => {
    const pod = await openPod(server);
    must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "before" }), 201);
    must(await freeze(`pod:${pod.id}:EUR`), 200);
    const stopped = await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "during" });
    expect([stopped.status, (stopped.body as unknown as Problem).code]).toEqual([422, "account_frozen"]);
    must(await unfreeze(`pod:${pod.id}:EUR`), 200);
    must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "after" }), 201);
  });

  test("stays frozen once under one key, however often it is sent, and the key is for that command alone", async () => {
    await fundWallet(admin, "kay", "1.00");
    const first = must(await freeze(wallet("kay"), "why", "freeze-kay"), 200);
    must(await unfreeze(wallet("kay")), 200);
    const again = await freeze(wallet("kay"), "why", "freeze-kay");
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([200, first, "true"]);
    expect((await read(wallet("kay"))).status).toBe("open");
    const other = await freeze(wallet("kay"), "another why", "freeze-kay");
    expect([...refused(other), other.body.field]).toEqual([422, "idempotency_mismatch", "/reason"]);
  });

  test("is an event with who did it and why", async () => {
    await fundWallet(admin, "eva", "3.00");
    must(await freeze(wallet("eva"), "suspicion of fraud"), 200);
    const { lines, status, stopped } = await explain(wallet("eva"));
    expect([status, stopped, lines.at(-1)]).toMatchObject([
      "frozen",
      { by: "olga", reason: "suspicion of fraud" },
      { type: "account.frozen", reason: "suspicion of fraud", by: "olga", balance: eur("3.00"), debit: null },
    ]);
  });
});

describe("an account that is closed", () => {
  test("is closed at once when it is empty, stays readable, and a later credit goes to suspense", async () => {
    await fundWallet(admin, "carl", "8.00");
    must(await move(wallet("carl"), "fee:EUR", "8.00"), 201);
    expect(must(await close(wallet("carl")), 200)).toMatchObject({ status: "closed", blockers: [] });
    const late = must(await move("bank:sandbox:EUR", wallet("carl"), "2.50"), 201);
    const [stripe] = late.balances.flatMap(({ account }) => (account.startsWith("suspense:EUR#") ? [account] : []));
    const suspended = await explain(stripe ?? "");
    expect(suspended.lines.at(-1)).toMatchObject({ credit: eur("2.50"), transfer: `${late.id}.1`, by: "olga" });
    expect(await read(wallet("carl"))).toMatchObject({ status: "closed", credits_posted: "8.00", available: "0.00" });
    expect(await books()).toBe(true);
    for (const again of [await close(wallet("carl")), await freeze(wallet("carl")), await unfreeze(wallet("carl"))]) {
      expect(refused(again)).toEqual([422, "account_closed"]);
    }
    expect(refused(await limit(wallet("carl"), { cap: "1.00" }))).toEqual([422, "account_closed"]);
    expect(refused(await move(wallet("carl"), "fee:EUR", "1.00"))).toEqual([422, "account_closed"]);
  });

  test("says what it waits for, and closes by itself with the posting that empties it", async () => {
    await fundWallet(admin, "cleo", "1.00");
    must(await limit(wallet("cleo"), { floor: "-50.00" }), 200);
    must(await move(wallet("cleo"), "fee:EUR", "31.00"), 201);
    const waiting = must(await close(wallet("cleo")), 200);
    expect(waiting).toMatchObject({ status: "closing", blockers: [{ reason: "balance", amount: eur("-30.00") }] });
    expect(refused(await move(wallet("cleo"), "fee:EUR", "1.00"))).toEqual([422, "account_closed"]);
    await fundWallet(admin, "cleo", "29.00");
    expect((await read(wallet("cleo"))).status).toBe("closing");
    await fundWallet(admin, "cleo", "1.00");
    expect((await read(wallet("cleo"))).status).toBe("closed");
    const { lines } = await explain(wallet("cleo"));
    expect(lines.slice(-3).map(({ type, balance }) => [type, balance.amount])).toEqual([
      ["transfer.posted", "-1.00"],
      ["transfer.posted", "0.00"],
      ["account.closed", "0.00"],
    ]);
  });

  test("before it is closed may be opened again", async () => {
    await fundWallet(admin, "cora", "4.00");
    expect(must(await close(wallet("cora")), 200).status).toBe("closing");
    expect(refused(await close(wallet("cora")))).toEqual([409, "conflict"]);
    expect(must(await unfreeze(wallet("cora"), "a mistake"), 200).status).toBe("open");
    must(await move(wallet("cora"), "fee:EUR", "4.00"), 201);
    expect((await read(wallet("cora"))).status).toBe("open");
  });
});

describe("a floor", () => {
  test("below zero is a credit limit, to the cent, and cannot be taken back while it is used", async () => {
    await fundWallet(admin, "lena", "10.00");
    const given = must(await limit(wallet("lena"), { floor: "-25.00" }), 200);
    expect(given).toMatchObject({ floor: "-25.00", cap: null, available: "35.00" });
    const over = await move(wallet("lena"), "fee:EUR", "35.01");
    expect([...refused(over), over.body.available]).toEqual([422, "insufficient_funds", eur("35.00")]);
    must(await move(wallet("lena"), "fee:EUR", "35.00"), 201);
    expect(refused(await limit(wallet("lena"), { floor: "-24.99" }))).toEqual([409, "conflict"]);
    await fundWallet(admin, "lena", "25.00");
    expect(must(await limit(wallet("lena"), { floor: "0", reason: "repaid" }), 200)).toMatchObject({
      floor: "0.00",
      available: "0.00",
    });
    const changes = (await explain(wallet("lena"))).lines.filter(({ type }) => type === "account.limits_changed");
    expect(changes.map(({ floor, reason, by }) => [floor, reason, by])).toEqual([
      ["-25.00", null, "olga"],
      ["0.00", "repaid", "olga"],
    ]);
  });

  test("shows in what the pod can spend, in lists as in the pod itself", async () => {
    const pod = await openPod(server);
    must(await charge(pod.owner, pod, { amount: "100.00", from: "tok_ok", key: "fill" }), 201);
    must(await limit(`pod:${pod.id}:EUR`, { floor: "50.00" }), 200);
    type Pod = { id: string; balances: { posted: string; available: string }[] };
    const own = must(await pod.owner.get<Pod>(`/v1/pods/${pod.id}`), 200);
    expect(own.balances).toMatchObject([{ posted: "98.50", available: "48.50" }]);
    const listed = await poll(
      async () => must(await pod.owner.get<{ data: Pod[] }>("/v1/pods?limit=200"), 200).data,
      (pods) => pods.find(({ id }) => id === pod.id)?.balances[0]?.available === "48.50",
    );
    expect(listed.find(({ id }) => id === pod.id)?.balances).toEqual(own.balances);
  });
});

describe("a cap", () => {
  test("lets in what fits to the cent, refuses the rest whole, and what was reserved for it is free again", async () => {
    await fundWallet(admin, "kurt", "60.00");
    await fundWallet(admin, "payer", "100.00");
    expect(must(await limit(wallet("kurt"), { cap: "100.00" }), 200)).toMatchObject({ floor: "0.00", cap: "100.00" });
    expect(refused(await move("bank:sandbox:EUR", wallet("kurt"), "40.01"))).toEqual([422, "limit_exceeded"]);
    expect(refused(await move(wallet("payer"), wallet("kurt"), "40.01"))).toEqual([422, "limit_exceeded"]);
    expect(await read(wallet("payer"))).toMatchObject({ available: "100.00", holds: [] });
    must(await move(wallet("payer"), wallet("kurt"), "40.00"), 201);
    expect(await read(wallet("kurt"))).toMatchObject({ credits_posted: "100.00", holds: [], credits_pending: "0.00" });
    expect(refused(await limit(wallet("kurt"), { cap: "99.99" }))).toEqual([409, "conflict"]);
    must(await limit(wallet("kurt"), { cap: null }), 200);
    must(await move("bank:sandbox:EUR", wallet("kurt"), "1.00"), 201);
    expect(await books()).toBe(true);
  });

  test.each(["tok_ok", "wallet"])("of a pod refuses a charge from %s, and the payer keeps the money", async (from) => {
    const pod = await openPod(server, { owner: `capper-${from.replace("_", "-")}` });
    const owner = `capper-${from.replace("_", "-")}`;
    await fundWallet(admin, owner, "100.00");
    must(await charge(pod.owner, pod, { amount: "10.00", from, key: "first" }), 201);
    must(await limit(`pod:${pod.id}:EUR`, { cap: "20.00" }), 200);
    const before = await read(wallet(owner));
    const over = await charge(pod.owner, pod, { amount: "10.31", from, key: "over" });
    expect([over.status, (over.body as unknown as Problem).code]).toEqual([422, "limit_exceeded"]);
    expect(await read(wallet(owner))).toEqual(before);
    expect(await read(`pod:${pod.id}:EUR`)).toMatchObject({ credits_posted: "9.85", holds: [] });
    // 10.30 less 0.15: exactly what is left.
    must(await charge(pod.owner, pod, { amount: "10.30", from, key: "fits" }), 201);
    expect((await read(`pod:${pod.id}:EUR`)).credits_posted).toBe("20.00");
  });

  test("that is set while a charge from a wallet waits for review is heeded all the same", async () => {
    const pod = await openPod(server, { owner: "rita" });
    await fundWallet(admin, "rita", "6000.00");
    const waits = must(await charge(pod.owner, pod, { amount: "6000.00", from: "wallet", key: "big", wait: 0 }), 202);
    await poll(
      async () => must(await pod.owner.get<{ status: string }>(`/v1/charges/${waits.id}`), 200).status,
      (status) => status === "requires_review",
    );
    must(await limit(`pod:${pod.id}:EUR`, { cap: "5000.00" }), 200);
    const approved = await admin.post<unknown>(`/v1/charges/${waits.id}/review`, { decision: "approve", note: "fine" });
    expect(approved.body).toMatchObject({ status: "failed", failure: { decline_reason: "limit_exceeded" } });
    expect(await read(wallet("rita"))).toMatchObject({ available: "6000.00", holds: [] });
    expect(await read(`pod:${pod.id}:EUR`)).toMatchObject({ credits_posted: "0.00", holds: [] });
  });

  test("is never exceeded by credits that come at the same moment", async () => {
    await fundWallet(admin, "crowd", "1.00");
    must(await limit(wallet("crowd"), { cap: "6.00" }), 200);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => move("bank:sandbox:EUR", wallet("crowd"), "1.00")),
    );
    const said = answers.map(({ status, body }) => (status === 201 ? "posted" : body.code)).sort();
    expect(said).toEqual([...Array(7).fill("limit_exceeded"), ...Array(5).fill("posted")]);
    expect((await read(wallet("crowd"))).credits_posted).toBe("6.00");
  });
});

describe("what may not be governed", () => {
  test.each(["fee:EUR", "psp:sandbox:EUR", "psp:sandbox:EUR#1", "suspense:EUR"])(
    "%s is the house's own",
    async (id) => {
      for (const answer of [await freeze(id), await close(id), await limit(id, { cap: "1.00" })]) {
        expect(refused(answer)).toEqual([409, "conflict"]);
      }
    },
  );

  test.each([wallet("nobody-ever"), "cash", "psp:nobody:EUR", "fee:EUR#9"])("%s is no account", async (id) => {
    for (const answer of [await freeze(id), await close(id), await limit(id, { cap: "1.00" })]) {
      expect(refused(answer)).toEqual([404, "not_found"]);
    }
  });
});

describe("a monitor", () => {
  const watch = (body: object, key?: string) =>
    admin.post<Monitor & Problem>("/v1/ledger/monitors", body, key === undefined ? {} : { key });
  const monitors = async (account: string) =>
    must(
      await admin.get<{ data: Monitor[]; next: null }>(`/v1/ledger/monitors?account=${encodeURIComponent(account)}`),
      200,
    ).data;

  test("turns with the posting that crosses its threshold, each way, and is gone when it is deleted", async () => {
    await fundWallet(admin, "mona", "100.00");
    const low = must(await watch({ account: wallet("mona"), below: eur("50") }), 201);
    expect(low).toEqual({ id: low.id, account: wallet("mona"), below: eur("50.00"), state: "resolved" });
    const high = must(await watch({ account: wallet("mona"), above: eur("99.99"), reason: "a limit of law" }), 201);
    expect(high).toMatchObject({ above: eur("99.99"), state: "triggered" });
    must(await move(wallet("mona"), "fee:EUR", "50.00"), 201);
    // The list is newest first.
    const states = async () => (await monitors(wallet("mona"))).map(({ state }) => state).reverse();
    expect(await states()).toEqual(["resolved", "resolved"]);
    must(await move(wallet("mona"), "fee:EUR", "0.01"), 201);
    expect(await states()).toEqual(["triggered", "resolved"]);
    await fundWallet(admin, "mona", "50.01");
    expect(await states()).toEqual(["resolved", "triggered"]);
    expect((await admin.delete(`/v1/ledger/monitors/${low.id}`)).status).toBe(204);
    expect(await monitors(wallet("mona"))).toEqual([high]);
    expect(must(await admin.get<Monitor>(`/v1/ledger/monitors/${high.id}`), 200)).toEqual(high);
    for (const gone of [
      await admin.delete<Problem>(`/v1/ledger/monitors/${low.id}`),
      await admin.get<Problem>(`/v1/ledger/monitors/${low.id}`),
    ]) {
      expect(refused(gone)).toEqual([404, "not_found"]);
    }
  });

  test("is made once under one key, and another account's is not made under it", async () => {
    await fundWallet(admin, "maya", "1.00");
    const body = { account: wallet("maya"), above: eur("5.00") };
    const made = must(await watch(body, "watch-maya"), 201);
    const again = await watch({ ...body, above: eur("5") }, "watch-maya");
    expect([again.status, again.body, again.headers.get("idempotency-replayed")]).toEqual([201, made, "true"]);
    const other = await watch({ ...body, account: wallet("mona") }, "watch-maya");
    expect([...refused(other), other.body.field]).toEqual([422, "idempotency_mismatch", "/account"]);
    expect(await monitors(wallet("maya"))).toEqual([made]);
    expect(refused(await watch({ ...body, account: wallet("nobody-yet") }, "watch-late"))).toEqual([404, "not_found"]);
    expect((await watch({ ...body, below: eur("1.00"), above: undefined }, "watch-late")).status).toBe(201);
  });

  test("watches a pod before any money, and one stripe of the house's accounts, never their sum", async () => {
    const pod = await openPod(server);
    must(await watch({ account: `pod:${pod.id}:EUR`, above: eur("5.00") }), 201);
    must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "cross" }), 201);
    expect(await monitors(`pod:${pod.id}:EUR`)).toMatchObject([{ state: "triggered" }]);
    const stripe = must(await watch({ account: "loss:EUR#2", above: eur("1.00") }), 201);
    expect(await monitors("loss:EUR")).toEqual([stripe]);
    expect(await watch({ account: "loss:EUR", above: eur("1.00") })).toMatchObject({
      status: 400,
      body: { errors: [{ pointer: "/account" }] },
    });
  });
});

describe("an explanation", () => {
  test("leads line by line from nothing to the balance, and from the balance to what is available", async () => {
    const pod = await openPod(server, { owner: "ella" });
    await fundWallet(admin, "ella", "50.00");
    const paid = must(await charge(pod.owner, pod, { amount: "20.00", from: "wallet", key: "explained" }), 201);
    must(await transfer([debit(wallet("ella"), "5.00"), credit("fee:EUR", "5.00")], "a fee forgotten"), 201);
    must(await limit(wallet("ella"), { floor: "-10.00", cap: "80.00" }), 200);
    const all = await explain(wallet("ella"));
    expect(
      all.lines.map(({ type, debit: out, credit: into, balance, charge: of, pod: to, reason }) => [
        type,
        out?.amount ?? null,
        into?.amount ?? null,
        balance.amount,
        of,
        to,
        reason,
      ]),
    ).toEqual([
      ["account.opened", null, null, "0.00", null, null, null],
      ["transfer.posted", null, "50.00", "50.00", null, null, null],
      ["transfer.posted", "20.00", null, "30.00", paid.id, pod.id, null],
      ["transfer.posted", "5.00", null, "25.00", null, null, "a fee forgotten"],
      ["account.limits_changed", null, null, "25.00", null, null, null],
    ]);
    expect(all.lines[2]?.saga).toBe(paid.saga);
    expect(all).toMatchObject({
      status: "open",
      balance: "25.00",
      available: { amount: "35.00", posted: "25.00", pending: "0.00", floor: "-10.00" },
      headroom: { amount: "55.00", cap: "80.00", posted: "25.00", pending_in: "0.00" },
      holds: [],
      page: { after: 0, to: 5, opening: "0.00", closing: "25.00" },
      next: null,
    });
    const { seq, head_hash, available } = await read(wallet("ella"));
    expect([all.seq, all.head_hash, all.available.amount]).toEqual([seq, head_hash, available]);
  });

  test("goes on from page to page: each opens where the one before it closed", async () => {
    for (const amount of ["1.00", "2.00", "3.00", "4.00"]) await fundWallet(admin, "page", amount);
    const pages: Explained[] = [];
    for (let next: string | null = "0"; next !== null; next = pages.at(-1)?.next ?? null) {
      pages.push(await explain(wallet("page"), `?limit=2&after=${next}`));
    }
    expect(pages.map(({ page }) => [page.opening, page.closing])).toEqual([
      ["0.00", "1.00"],
      ["1.00", "6.00"],
      ["6.00", "10.00"],
    ]);
    expect(pages.flatMap(({ lines }) => lines.map(({ seq }) => seq))).toEqual([1, 2, 3, 4, 5]);
  });

  test("of a logical account is asked for stripe by stripe", async () => {
    expect(refused(await admin.get<Problem>(path("fee:EUR", "/explain")))).toEqual([404, "not_found"]);
    expect((await explain("fee:EUR#0")).status).toBe("open");
  });
});

describe("a logical account", () => {
  test("answers the sums of its stripes, and each one's own counters and chain", async () => {
    await fundWallet(admin, "stripes", "7.00");
    const bank = await read("bank:sandbox:EUR");
    expect(bank.stripes?.map(({ id }) => id)).toEqual([0, 1, 2, 3].map((n) => `bank:sandbox:EUR#${n}`));
    const cents = (figure: string) => BigInt(figure.replace(".", ""));
    for (const name of ["debits_posted", "credits_posted", "debits_pending", "credits_pending"] as const) {
      const sum = bank.stripes?.reduce((total, { counters }) => total + cents(counters[name]), 0n);
      expect([name, sum]).toEqual([name, cents(bank[name])]);
    }
    for (const { id, seq, hash, counters } of bank.stripes ?? []) {
      expect(await read(id)).toMatchObject({ seq, head_hash: hash, ...counters });
    }
  });
});

test("an account's life leaves every chain whole and the books balanced", async () => {
  type Verification = { id: string; ok?: boolean; failures?: unknown[] };
  const { id } = must(await admin.post<Verification>("/v1/ledger/verify", {}), 200, 202);
  const verified = await poll(
    () => admin.get<Verification>(`/v1/ledger/verify/${id}`),
    ({ status }) => status === 200,
  );
  expect(verified.body).toMatchObject({ ok: true, failures: [] });
  expect(await books()).toBe(true);
});
