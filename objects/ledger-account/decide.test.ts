import { describe, expect, test } from "vitest";
import { MAX_MINOR } from "../../schema/money.ts";
import type { AccountOp } from "../../schema/rpc/account.ts";
import { type AccountState, availableOf, MAX_HOLDS, type OpenHold } from "./account.ts";
import { Bench, credit, debit, opOn, said } from "./bench.fixture.ts";
import { ZERO } from "./counters.ts";
import { decide, legsText, MAX_LEGS } from "./decide.ts";
import { fold } from "./state.ts";

const WALLET = "wallet:ana:EUR";
const PSP = "psp:sandbox:EUR#1";
const T = "trf_1";

const holding = (count: number, direction: "debit" | "credit", amount: bigint): Partial<AccountState> => {
  const holds = new Map<string, OpenHold>();
  for (let at = 0; at < count; at++) holds.set(`trf_h${at}`, { saga: "sag", since: "2027", direction, amount });
  const pending = BigInt(count) * amount;
  return {
    holds,
    counters: { ...ZERO, ...(direction === "debit" ? { debitsPending: pending } : { creditsPending: pending }) },
  };
};

/** A wallet with 10.00 in it. */
const funded = (from: Partial<AccountState> = {}): Bench =>
  new Bench(WALLET, { counters: { ...ZERO, creditsPosted: 1_000n }, ...from });

describe("an operation that breaks several rules is refused for the first of them", () => {
  /** Each row breaks its own rule and every later one it can; what is answered is its own. */
  const full = holding(MAX_HOLDS, "credit", 1n);
  const rows: [rule: string, bench: () => Bench, op: Partial<AccountOp>, answer: string][] = [
    [
      "1 another body",
      () => {
        const bench = new Bench(WALLET);
        bench.apply(opOn(WALLET, "post", T, credit(5n)));
        bench.state = { ...bench.state, status: "closed" };
        return bench;
      },
      { body_hash: "another", legs: [], op: "reserve" },
      "idempotency_mismatch",
    ],
    [
      "1 the same body with other legs here",
      () => {
        const bench = new Bench(WALLET);
        bench.apply(opOn(WALLET, "post", T, credit(5n)));
        return bench;
      },
      {},
      "idempotency_mismatch",
    ],
    ["2 a leg of another account", () => new Bench(PSP), { open: false }, "throws"],
    ["3 never opened", () => new Bench(WALLET), { open: false }, "not_found"],
    ["4 frozen", () => funded({ status: "frozen", cap: 0n, ...full }), { op: "reserve" }, "account_frozen"],
    ["4 closing", () => funded({ status: "closing", cap: 0n, ...full }), { op: "reserve" }, "account_closed"],
    ["4 closed", () => funded({ status: "closed", cap: 0n, ...full }), {}, "account_closed"],
    ["5 an amount out of range", () => funded(full), {}, "amount_out_of_range"],
    ["6 the floor", () => funded(full), opOn(WALLET, "reserve", T, debit(1_001n)), "insufficient_funds"],
    ["7 the cap", () => funded({ ...full, cap: 100n }), opOn(WALLET, "reserve", T, credit(1n)), "limit_exceeded"],
    ["8 too many holds", () => funded(full), opOn(WALLET, "reserve", T, credit(1n)), "overloaded"],
  ];

  test.each(rows)("%s", (_, bench, change, answer) => {
    const account = bench();
    const before = fold.summary(account.state);
    const op = { ...opOn(WALLET, "post", T, debit(MAX_MINOR + 1n)), ...change };
    const attempt = () => said(account.apply(op));
    if (answer === "throws") expect(attempt).toThrow("not this account's");
    else expect(attempt()).toBe(answer);
    expect(fold.summary(account.state)).toBe(before);
  });
});

describe("the first word on a transfer stands", () => {
  const outcomes: [first: string, ops: AccountOp["op"][], then: Record<AccountOp["op"], string>][] = [
    ["reserved", ["reserve"], { reserve: "reserved", post: "posted", void: "voided" }],
    ["posted from a hold", ["reserve", "post"], { reserve: "posted", post: "posted", void: "posted" }],
    ["posted at once", ["post"], { reserve: "posted", post: "posted", void: "posted" }],
    ["voided", ["reserve", "void"], { reserve: "conflict", post: "conflict", void: "voided" }],
    ["tombstone", ["void"], { reserve: "conflict", post: "conflict", void: "voided" }],
  ];
  const rows = outcomes.flatMap(([first, ops, then]) =>
    (Object.keys(then) as AccountOp["op"][]).map((op) => [first, op, ops, then[op]] as const),
  );

  test.each(rows)("%s, then %s", (first, op, ops, answer) => {
    const account = funded();
    const given = ops.map((earlier) => account.apply(opOn(WALLET, earlier, T, debit(400n)))).at(-1);
    const events = account.events.length;
    const then = account.apply(opOn(WALLET, op, T, debit(400n)));
    expect(said(then)).toBe(answer);
    expect(account.events.length - events).toBe(first === "reserved" && op !== "reserve" ? 1 : 0);
    if (given !== undefined && said(given) === answer) expect(then).toEqual(given);
    // Word for word the same, seq and time included, whatever has happened since.
    account.now += 60_000;
    account.apply(opOn(WALLET, "post", "trf_other", credit(1n)));
    expect(account.apply(opOn(WALLET, op, T, debit(400n)))).toEqual(then);
  });

  test.each(["reserve", "post"] as const)("a refused transfer stays refused when money has come, then %s", (retry) => {
    const account = funded();
    const no = account.apply(opOn(WALLET, "reserve", T, debit(1_500n)));
    expect(no).toEqual({
      ok: false,
      final: true,
      rejection: {
        code: "insufficient_funds",
        detail: "not enough is available",
        available: { amount: "10.00", currency: "EUR" },
      },
    });
    account.apply(opOn(WALLET, "post", "trf_rich", credit(100_000n)));
    expect(account.apply(opOn(WALLET, retry, T, debit(1_500n)))).toEqual(no);
  });

  test("a void of a refused transfer leaves a tombstone", () => {
    const account = funded();
    account.apply(opOn(WALLET, "post", T, debit(1_500n)));
    expect(said(account.apply(opOn(WALLET, "void", T, debit(1_500n))))).toBe("voided");
    expect(account.words.get(T)?.state).toBe("tombstone");
    expect(said(account.apply(opOn(WALLET, "post", T, debit(1_500n))))).toBe("conflict");
    expect(account.events).toHaveLength(0);
  });
});

describe("what is available", () => {
  test("a pending debit lowers it, a pending credit never raises it", () => {
    const account = funded();
    account.apply(opOn(WALLET, "reserve", "trf_in", credit(5_000n)));
    expect(availableOf(account.state, "credit")).toBe(1_000n);
    account.apply(opOn(WALLET, "reserve", "trf_out", debit(600n)));
    expect(availableOf(account.state, "credit")).toBe(400n);
    expect(said(account.apply(opOn(WALLET, "post", "trf_much", debit(401n))))).toBe("insufficient_funds");
    expect(said(account.apply(opOn(WALLET, "post", "trf_all", debit(400n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "post", "trf_out", debit(600n))))).toBe("posted");
    expect(availableOf(account.state, "credit")).toBe(0n);
  });

  test("a pending credit counts against the cap, a pending debit makes no room below it", () => {
    const account = funded({ cap: 1_500n });
    account.apply(opOn(WALLET, "reserve", "trf_out", debit(900n)));
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_in", credit(300n))))).toBe("reserved");
    expect(said(account.apply(opOn(WALLET, "post", "trf_much", credit(201n))))).toBe("limit_exceeded");
    expect(said(account.apply(opOn(WALLET, "post", "trf_fits", credit(200n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "post", "trf_in", credit(300n))))).toBe("posted");
  });

  test("legs of one transfer are judged together", () => {
    const account = funded();
    const legs = [...debit(1_500n), ...credit(500n)];
    expect(said(account.apply(opOn(WALLET, "post", "trf_net", legs)))).toBe("posted");
    expect(account.events.at(-1)?.data.legs).toMatchObject([
      { balance: { amount: "-5.00" } },
      { balance: { amount: "0.00" } },
    ]);
    expect(said(account.apply(opOn(WALLET, "post", "trf_more", [...debit(1n), ...debit(1n)])))).toBe(
      "insufficient_funds",
    );
  });

  test("an unconstrained account goes negative", () => {
    const account = new Bench(PSP);
    expect(account.apply(opOn(PSP, "post", T, credit(700n)))).toMatchObject({ ok: true, balance: "-7.00" });
  });
});

describe("status", () => {
  test("a frozen account keeps what it promised and takes what comes in", () => {
    const account = funded();
    account.apply(opOn(WALLET, "reserve", "trf_held", debit(300n)));
    account.apply(opOn(WALLET, "reserve", "trf_void", debit(300n)));
    account.append("account.frozen", { account: WALLET, reason: null });
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_r", debit(1n))))).toBe("account_frozen");
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_c", credit(1n))))).toBe("account_frozen");
    expect(said(account.apply(opOn(WALLET, "post", "trf_d", debit(1n))))).toBe("account_frozen");
    expect(said(account.apply(opOn(WALLET, "post", "trf_in", credit(1n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "post", "trf_held", debit(300n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "void", "trf_void", debit(300n))))).toBe("voided");
    account.append("account.unfrozen", { account: WALLET, reason: null });
    expect(said(account.apply(opOn(WALLET, "post", "trf_again", debit(1n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "post", "trf_d", debit(1n))))).toBe("account_frozen");
  });

  test("a closing account takes late credits, a closed one takes nothing", () => {
    const closing = funded({ status: "closing" });
    expect(said(closing.apply(opOn(WALLET, "post", "trf_in", credit(1n))))).toBe("posted");
    expect(said(closing.apply(opOn(WALLET, "post", "trf_out", debit(1n))))).toBe("account_closed");
    expect(said(closing.apply(opOn(WALLET, "reserve", "trf_hold", credit(1n))))).toBe("account_closed");
    const closed = funded({ status: "closed" });
    expect(said(closed.apply(opOn(WALLET, "post", "trf_in", credit(1n))))).toBe("account_closed");
    expect(said(closed.apply(opOn(WALLET, "void", "trf_any", credit(1n))))).toBe("voided");
  });
});

describe("opening", () => {
  test("the operation that opens an account is in the same commit", () => {
    const account = new Bench(WALLET);
    expect(account.apply(opOn(WALLET, "post", T, credit(5n)))).toMatchObject({ ok: true, seq: 2, balance: "0.05" });
    expect(account.events.map(({ type }) => type)).toEqual(["account.opened", "transfer.posted"]);
  });

  test("a refusal opens nothing", () => {
    const account = new Bench(WALLET);
    expect(said(account.apply(opOn(WALLET, "reserve", T, debit(5n))))).toBe("insufficient_funds");
    expect(account.events).toHaveLength(0);
  });

  test("a platform account opens itself, a wallet only when somebody vouches for it", () => {
    expect(said(new Bench(PSP).apply(opOn(PSP, "post", T, debit(5n), { open: false })))).toBe("posted");
    const wallet = new Bench(WALLET);
    expect(said(wallet.apply(opOn(WALLET, "post", T, credit(5n), { open: false })))).toBe("not_found");
    expect(said(wallet.apply(opOn(WALLET, "post", T, credit(5n))))).toBe("not_found");
    expect(said(wallet.apply(opOn(WALLET, "void", "trf_2", credit(5n), { open: false })))).toBe("voided");
  });
});

describe("bounds", () => {
  test("the last hold fits and the one after it does not", () => {
    const account = funded(holding(MAX_HOLDS - 1, "credit", 1n));
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_last", credit(1n))))).toBe("reserved");
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_over", credit(1n))))).toBe("overloaded");
    expect(said(account.apply(opOn(WALLET, "post", "trf_direct", credit(1n))))).toBe("posted");
  });

  test("a counter of a wallet reaches 2^63-1 and not one past it, holds included", () => {
    const account = funded({ counters: { ...ZERO, creditsPosted: MAX_MINOR - 10n } });
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_hold", credit(4n))))).toBe("reserved");
    expect(said(account.apply(opOn(WALLET, "post", "trf_over", credit(7n))))).toBe("amount_out_of_range");
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_also", credit(7n))))).toBe("amount_out_of_range");
    expect(said(account.apply(opOn(WALLET, "post", "trf_fits", credit(6n))))).toBe("posted");
    expect(said(account.apply(opOn(WALLET, "post", "trf_hold", credit(4n))))).toBe("posted");
    expect(account.state.counters.creditsPosted).toBe(MAX_MINOR);
  });

  test("a house account's counters have none: what was decided elsewhere is taken, and read again", () => {
    const account = new Bench(PSP, { counters: { ...ZERO, debitsPosted: MAX_MINOR } });
    for (const id of ["trf_1", "trf_2"])
      expect(said(account.apply(opOn(PSP, "post", id, debit(MAX_MINOR))))).toBe("posted");
    expect(account.state.counters.debitsPosted).toBe(3n * MAX_MINOR);
    expect(fold.decode(fold.encode(account.state))).toEqual(account.state);
  });

  test.each([
    [0n, "amount_out_of_range"],
    [1n, "posted"],
    [MAX_MINOR, "posted"],
    [MAX_MINOR + 1n, "amount_out_of_range"],
  ])("an amount of %s minor units", (minor, answer) => {
    expect(said(new Bench(PSP).apply(opOn(PSP, "post", T, debit(minor))))).toBe(answer);
  });

  test("a transfer has at most a hundred legs here, and their event fits", () => {
    const parts = (count: number) => Array.from({ length: count }, () => debit(MAX_MINOR / 128n)).flat();
    const bench = new Bench(PSP);
    expect(said(bench.apply(opOn(PSP, "post", T, parts(MAX_LEGS))))).toBe("posted");
    expect(JSON.stringify(bench.events.at(-1)?.data).length).toBeLessThan(32_000);
    expect(() => bench.apply(opOn(PSP, "post", "trf_2", parts(MAX_LEGS + 1)))).toThrow("101 legs");
  });
});

describe("a bug of the caller throws and writes nothing", () => {
  const bugs: [string, string, AccountOp][] = [
    ["no legs", "has 0 legs", opOn(WALLET, "post", T, [])],
    ["a leg twice", "a leg twice", { ...opOn(WALLET, "post", T, [...debit(1n), ...debit(1n)]), legs: twice() }],
    ["no cut epoch", "is posted without a cut epoch", opOn(WALLET, "post", T, credit(1n), { tag: null })],
    [
      "no cut epoch, and no money",
      "is posted without a cut epoch",
      opOn(WALLET, "post", T, debit(1_001n), { tag: null }),
    ],
    ["a cut epoch below zero", "", opOn(WALLET, "post", T, credit(1n), { tag: -1 })],
    ["a hold on both sides", "a hold has one side", opOn(WALLET, "reserve", T, [...debit(1n), ...credit(1n)])],
    ["another currency", "not this account's", opOn("wallet:ana:USD", "post", T, credit(1n))],
  ];
  function twice() {
    const [leg] = opOn(WALLET, "post", T, debit(1n)).legs;
    return leg === undefined ? [] : [leg, leg];
  }

  test.each(bugs)("%s", (_, message, op) => {
    const account = funded();
    const before = fold.summary(account.state);
    expect(() => account.apply(op)).toThrow(message);
    expect([fold.summary(account.state), account.events.length, account.words.size]).toEqual([before, 0, 0]);
  });

  test("a word that says reserved while nothing is held", () => {
    const { account, state } = funded();
    const op = opOn(WALLET, "post", T, debit(1n));
    const answer = { ok: true, state: "reserved", seq: 1, balance: "0.00", recorded_at: "" } as const;
    const word = { state: "reserved", bodyHash: op.body_hash, answer, legs: legsText(op), posts: null } as const;
    expect(() => decide(account, state, word, op)).toThrow("reserved and not held");
  });
});
