import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { inBatches } from "../support/checker.ts";
import { type Answer, type Api, poll } from "../support/client.ts";
import {
  accountPath,
  type BatchResult,
  credit,
  debit,
  deposit,
  gift,
  newTransfer,
  type Order,
  type Problem,
  post,
} from "../support/ledger.ts";
import { type Server, startServer } from "../support/server.ts";
import { must, operator } from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer();
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const send = (transfers: readonly unknown[]): Promise<Answer<{ results: BatchResult[] } & Problem>> =>
  admin.post("/v1/ledger/batches", { transfers }, { headers: { prefer: "wait=30" } });
const results = async (transfers: readonly unknown[]): Promise<BatchResult[]> =>
  must(await send(transfers), 200).results;
const statuses = (of: readonly BatchResult[]): string[] =>
  of.map(({ status, problem }) => (problem === undefined ? String(status) : `${status} ${problem.code}`));
const balance = async (account: string): Promise<string> => {
  const { credits_posted, debits_posted } = must(
    await admin.get<{ credits_posted: string; debits_posted: string }>(accountPath(account)),
    200,
  );
  return String(cents(credits_posted) - cents(debits_posted));
};
const cents = (amount: string): bigint => BigInt(amount.replace(".", ""));

describe("a batch", () => {
  test("answers each transfer in its place, as it would have been answered alone", async () => {
    must(await post(admin, deposit("ada", "10.00")), 201);
    const poor = gift("ada", "ben", "11.00");
    const crooked = { id: newTransfer(), legs: [debit("bank:sandbox:EUR", "1.00"), credit("fee:EUR", "2.00")] };
    const given = await results([
      gift("ada", "ben", "1.00"),
      poor,
      crooked,
      { ...deposit("ada", "1.00"), id: "trf_1" },
      gift("nobody-at-all", "ben", "1.00"),
      { id: newTransfer(), reverses: poor.id },
      "a text",
      deposit("ben", "2.00"),
    ]);
    expect(statuses(given)).toEqual([
      "201",
      "422 insufficient_funds",
      "422 unbalanced_transfer",
      "400 invalid_request",
      "404 not_found",
      "400 invalid_request",
      "400 invalid_request",
      "201",
    ]);
    expect(given[3]?.problem?.errors).toMatchObject([{ pointer: "/id" }]);
    const alone = await post(admin, poor);
    expect({ ...alone.body }).toEqual({ ...given[1]?.problem });
    expect([await balance("wallet:ada:EUR"), await balance("wallet:ben:EUR")]).toEqual(["900", "300"]);
  });

  test("gives one result to one id with one body, and a mismatch to the same id with another", async () => {
    must(await post(admin, deposit("cleo", "10.00")), 201);
    const order = gift("cleo", "dan", "1.00");
    const other = { ...gift("cleo", "dan", "2.00"), id: order.id };
    const given = await results([order, other, order, { ...order, legs: [...order.legs] }]);
    expect(statuses(given)).toEqual(["201", "422 idempotency_mismatch", "201", "201"]);
    expect(given[1]?.problem?.field).toBe("/legs/0/amount/amount");
    expect(given[2]).toEqual(given[0]);
    const [again] = await results([order]);
    expect(again).toEqual({ ...given[0], replayed: true });
    expect(await balance("wallet:dan:EUR")).toBe("100");
  });

  test("takes a thousand transfers, and refuses one more whole", async () => {
    const thousand = Array.from({ length: 1_000 }, (_, at) => deposit(`crowd-${at % 20}`, "0.01"));
    expect((await send([...thousand, deposit("crowd-0", "0.01")])).body.code).toBe("invalid_request");
    expect(new Set(statuses(await results(thousand)))).toEqual(new Set(["201"]));
    expect(await balance("wallet:crowd-0:EUR")).toBe("50");
  });
});

describe("a transfer of many legs", () => {
  test("moves a hundred legs in three currencies, all or nothing", async () => {
    const currencies = ["EUR", "JPY", "KWD"];
    const amount = (currency: string, units: number) =>
      ({ EUR: `${units}.00`, JPY: `${units}00`, KWD: `${units}.000` })[currency] ?? "";
    // 31 people a currency, and what they get comes from the bank; the rest of the hundred is fees.
    const people = Array.from({ length: 31 }, (_, at) => `${"person-of-a-long-name-".padEnd(60, "x")}-${at}`);
    const legs = currencies.flatMap((currency) => [
      debit(`bank:sandbox:${currency}`, amount(currency, 32), currency),
      ...people.map((user) => credit(`wallet:${user}:${currency}`, amount(currency, 1), currency)),
      credit(`fee:${currency}`, amount(currency, 1), currency),
    ]);
    legs.push(credit("rounding:EUR", "1.00"));
    const order = (change: (legs: Order["legs"]) => Order["legs"]) => ({ id: newTransfer(), legs: change(legs) });
    expect(legs).toHaveLength(100);
    expect(
      (
        await post(
          admin,
          order((all) => all),
        )
      ).body.code,
    ).toBe("unbalanced_transfer");
    const whole = order((all) => [debit("bank:sandbox:EUR", "33.00"), ...all.slice(1)]);
    const posted = must(await post(admin, whole), 201);
    expect(posted.balances).toHaveLength(100);
    const [first = ""] = people;
    expect(await Promise.all(currencies.map((currency) => balance(`wallet:${first}:${currency}`)))).toEqual([
      "100",
      "100",
      "1000",
    ]);

    // Three payers in two currencies, one of whom has not enough: nobody pays.
    const [, second = ""] = people;
    const refused = {
      id: newTransfer(),
      legs: [
        debit(`wallet:${first}:EUR`, "1.00"),
        debit(`wallet:${first}:JPY`, "100", "JPY"),
        debit(`wallet:${second}:JPY`, "101", "JPY"),
        credit("suspense:EUR", "1.00"),
        credit("suspense:JPY", "201", "JPY"),
      ],
      metadata: { reason: "all or nothing" },
    };
    expect((await post(admin, refused)).body.code).toBe("insufficient_funds");
    expect(await balance(`wallet:${first}:EUR`)).toBe("100");
    expect(await balance(`wallet:${first}:JPY`)).toBe("100");
    must(await post(admin, { id: newTransfer(), reverses: posted.id }), 201);
    expect(await balance(`wallet:${second}:KWD`)).toBe("0");
  });
});

/** Another ledger altogether: balances in a map. */
class ReferenceLedger {
  readonly balances = new Map<string, bigint>();

  transfer({ legs }: Order): void {
    for (const { account, direction, amount } of legs) {
      const change = direction === "credit" ? cents(amount.amount) : -cents(amount.amount);
      this.balances.set(account, (this.balances.get(account) ?? 0n) + change);
    }
  }
}

/** mulberry32: the same seed, the same transfers. */
const randomOf = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % below;
  };
};

/** How many; `TRANSFERS=10000` for a long run. */
const CROWD = Number(process.env.TRANSFERS ?? 2_500);

test(`${CROWD} transfers at once among fifty accounts leave none below its floor, and every cent where a replay puts it`, async () => {
  const seed = Number(process.env.SEED ?? 20_260_101);
  const random = randomOf(seed);
  const users = Array.from({ length: 50 }, (_, at) => `runner-${at}`);
  const name = (at: number): string => users[at] ?? "";
  const reference = new ReferenceLedger();
  const funding = users.map((user) => deposit(user, "50.00"));
  expect(new Set(statuses(await results(funding)))).toEqual(new Set(["201"]));
  for (const order of funding) reference.transfer(order);

  const orders = Array.from({ length: CROWD }, () => {
    const from = random(users.length);
    const to = (from + 1 + random(users.length - 1)) % users.length;
    // Half of them are small; the other half asks for more than most people ever have.
    const amount = random(2) === 0 ? 1 + random(500) : 6_000 + random(20_000);
    return gift(name(from), name(to), `${Math.floor(amount / 100)}.${String(amount % 100).padStart(2, "0")}`);
  });
  const batches = Array.from({ length: Math.ceil(CROWD / 500) }, (_, at) => orders.slice(at * 500, (at + 1) * 500));
  const answers = (await inBatches(batches, results)).flat();
  expect(answers).toHaveLength(CROWD);
  let [accepted, refused] = [0, 0];
  const late: string[] = [];
  for (const [at, answer] of answers.entries()) {
    if (answer.status === 201 || answer.status === 202) {
      accepted++;
      reference.transfer(orders[at] as Order);
      if (answer.status === 202) late.push(answer.transfer?.id ?? "");
    } else if (answer.problem?.code === "insufficient_funds") refused++;
    else throw new Error(`seed ${seed}, transfer ${at}: ${JSON.stringify(answer)}`);
  }
  // Decided already, and on a busy machine not posted everywhere when patience ended.
  await inBatches(late, (id) =>
    poll(
      async () => must(await admin.get<{ status: string }>(`/v1/ledger/transfers/${id}`), 200).status,
      (status) => status === "posted",
      60_000,
    ),
  );
  expect(
    [accepted >= 0.3 * CROWD, refused >= 0.3 * CROWD],
    `seed ${seed}: ${accepted} accepted, ${refused} refused`,
  ).toEqual([true, true]);
  const found = await inBatches(users, async (user) => [user, await balance(`wallet:${user}:EUR`)] as const);
  for (const [user, amount] of found) {
    expect([user, amount], `seed ${seed}`).toEqual([user, String(reference.balances.get(`wallet:${user}:EUR`))]);
    expect(BigInt(amount) >= 0n).toBe(true);
  }
  // Not only at the end: every balance each account ever had stands in its statement.
  for (const user of users.slice(0, 5)) {
    const { entries } = must(
      await admin.get<{ entries: { balance: { amount: string } }[] }>(accountPath(`wallet:${user}:EUR`, "/statement")),
      200,
    );
    expect(entries.filter((entry) => entry.balance.amount.startsWith("-"))).toEqual([]);
  }
  const trial = await admin.get<{ balanced: boolean }>("/v1/ledger/trial-balance?wait=fresh");
  expect(must(trial, 200).balanced).toBe(true);
}, 600_000);
