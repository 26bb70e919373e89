import { describe, expect, test } from "vitest";
import { fromMinor, MAX_MINOR } from "../../schema/money.ts";
import type { AccountCommand } from "../../schema/rpc/account.ts";
import type { AccountState, Monitor, OpenHold } from "./account.ts";
import { MAX_MONITORS } from "./account.ts";
import { Bench, credit, debit, opOn, said } from "./bench.fixture.ts";
import { ZERO } from "./counters.ts";
import { fold } from "./state.ts";
import { blockersOf } from "./view.ts";

const WALLET = "wallet:ana:EUR";
const PSP = "psp:sandbox:EUR#1";

/** A wallet with 10.00 in it, of which a hold takes 3.00, and 2.00 more expected. */
const living = (from: Partial<AccountState> = {}): Bench => {
  const hold = (direction: "debit" | "credit", amount: bigint): OpenHold => ({
    saga: "sag",
    since: "2027-01-01T00:00:00.000Z",
    direction,
    amount,
  });
  return new Bench(WALLET, {
    counters: { ...ZERO, creditsPosted: 1_000n, debitsPending: 300n, creditsPending: 200n },
    holds: new Map([
      ["trf_out", hold("debit", 300n)],
      ["trf_in", hold("credit", 200n)],
    ]),
    ...from,
  });
};

const empty = (from: Partial<AccountState> = {}): Bench => new Bench(WALLET, { counters: ZERO, ...from });

const freeze: AccountCommand = { type: "freeze", reason: "why" };
const unfreeze: AccountCommand = { type: "unfreeze", reason: "why" };
const close: AccountCommand = { type: "close", reason: "why" };
const limits = (floor?: bigint | null, cap?: bigint | null): AccountCommand => ({
  type: "change_limits",
  ...(floor === undefined ? {} : { floor: floor === null ? null : String(floor) }),
  ...(cap === undefined ? {} : { cap: cap === null ? null : String(cap) }),
  reason: null,
});
const watch = (bound: "above" | "below", minor: bigint, monitor = "mon_1", currency = "EUR"): AccountCommand => ({
  type: "add_monitor",
  monitor,
  bound,
  threshold: fromMinor(minor, currency),
  reason: null,
});
const unwatch = (monitor: string): AccountCommand => ({ type: "remove_monitor", monitor });

const watched = (count: number): ReadonlyMap<string, Monitor> =>
  new Map(
    Array.from({ length: count }, (_, at) => [`mon_h${at}`, { bound: "above", threshold: 5_000n, triggered: false }]),
  );

describe("a command that breaks several rules is refused for the first of them", () => {
  /** Each row breaks its own rule and every later one it can; what is answered is its own. */
  const rows: [rule: string, bench: () => Bench, command: AccountCommand, answer: string][] = [
    ["1 never opened", () => new Bench(WALLET), limits(MAX_MINOR + 1n), "not_found"],
    ["2 no such monitor", () => living({ status: "closed" }), unwatch("mon_9"), "not_found"],
    ["3 a house account", () => new Bench(PSP, { status: "closed" }), limits(MAX_MINOR + 1n), "conflict"],
    ["4 closed, limits", () => living({ status: "closed" }), limits(MAX_MINOR + 1n), "account_closed"],
    ["4 closed, freeze", () => living({ status: "closed" }), freeze, "account_closed"],
    ["4 closed, a monitor", () => living({ status: "closed" }), watch("above", 0n, "m", "USD"), "account_closed"],
    ["5 frozen twice", () => living({ status: "frozen" }), freeze, "conflict"],
    ["5 frozen while closing", () => living({ status: "closing" }), freeze, "conflict"],
    ["5 unfrozen while open", () => living(), unfreeze, "conflict"],
    ["5 closed twice", () => living({ status: "closing" }), close, "conflict"],
    ["6 a floor out of range", () => living(), limits(MAX_MINOR + 1n, 0n), "amount_out_of_range"],
    ["6 a cap out of range", () => living(), limits(5_000n, -MAX_MINOR - 1n), "amount_out_of_range"],
    ["6 a floor above what is available", () => living(), limits(701n), "conflict"],
    ["6 a cap below what will be", () => living(), limits(undefined, 1_199n), "conflict"],
    [
      "7 another currency",
      () => living({ monitors: watched(MAX_MONITORS) }),
      watch("above", 0n, "m", "USD"),
      "currency_mismatch",
    ],
    [
      "7 a threshold of zero",
      () => living({ monitors: watched(MAX_MONITORS) }),
      watch("above", 0n),
      "amount_out_of_range",
    ],
    ["7 a threshold of 2^63", () => living(), watch("above", MAX_MINOR + 1n), "amount_out_of_range"],
    ["7 one monitor too many", () => living({ monitors: watched(MAX_MONITORS) }), watch("above", 1n), "limit_exceeded"],
  ];

  test.each(rows)("%s", (_, bench, command, answer) => {
    const account = bench();
    const before = fold.summary(account.state);
    expect(account.command(command)).toBe(answer);
    expect([fold.summary(account.state), account.events]).toEqual([before, []]);
  });
});

describe("status", () => {
  type Status = AccountState["status"];
  const moves: [from: Status, command: AccountCommand, to: Status | null][] = [
    ["open", freeze, "frozen"],
    ["open", unfreeze, null],
    ["open", close, "closing"],
    ["frozen", freeze, null],
    ["frozen", unfreeze, "open"],
    ["frozen", close, "closing"],
    ["closing", freeze, null],
    ["closing", unfreeze, "open"],
    ["closing", close, null],
    ["closed", freeze, null],
    ["closed", unfreeze, null],
    ["closed", close, null],
  ];
  test.each(moves)("%s, %o: %s", (status, command, to) => {
    const account = living({ status });
    account.command(command);
    expect(account.state.status).toBe(to ?? status);
    expect(account.events.map(({ data }) => data.reason)).toEqual(to === null ? [] : ["why"]);
  });

  test("a closing taken back lifts no freeze that stood before it", () => {
    const account = living({ status: "frozen" });
    account.command(close);
    expect(fold.summary(account.state)).toContain(", was frozen");
    const asleep = fold.decode(JSON.parse(JSON.stringify(fold.encode(account.state))));
    expect(asleep).toEqual(account.state);
    expect([account.command(unfreeze), account.state.status]).toEqual([["account.reopened"], "frozen"]);
    expect([account.command(unfreeze), account.state.status]).toEqual([["account.unfrozen"], "open"]);
    account.command(close);
    expect([account.command(unfreeze), account.state.status]).toEqual([["account.reopened"], "open"]);
  });

  test("an empty account that is closed is closed in the same commit", () => {
    const account = empty();
    expect(account.command(close)).toEqual(["account.closing", "account.closed"]);
  });

  test("a closing account says what it waits for, and ends with the last hold when nothing is on it", () => {
    const account = living();
    expect(account.command(close)).toEqual(["account.closing"]);
    expect(blockersOf(account.state)).toEqual([
      { reason: "balance", amount: { amount: "10.00", currency: "EUR" } },
      { reason: "holds", count: 2 },
    ]);
    const out = new Bench(WALLET, { counters: { ...ZERO, creditsPosted: 400n } });
    out.apply(opOn(WALLET, "reserve", "trf_all", debit(400n)));
    out.apply(opOn(WALLET, "reserve", "trf_none", credit(50n)));
    out.command(close);
    expect(said(out.apply(opOn(WALLET, "post", "trf_all", debit(400n))))).toBe("posted");
    expect([out.state.status, blockersOf(out.state)]).toEqual(["closing", [{ reason: "holds", count: 1 }]]);
    const last = out.apply(opOn(WALLET, "void", "trf_none", credit(50n)));
    expect(out.events.slice(-2).map(({ type }) => type)).toEqual(["transfer.voided", "account.closed"]);
    // The answer is of the void itself, not of what followed from it.
    expect(last).toMatchObject({ state: "voided", seq: out.events.length - 1 });
    expect(blockersOf(out.state)).toEqual([]);
  });

  test("a posting that passes through zero leg by leg, and ends elsewhere, closes nothing", () => {
    const account = empty({ status: "closing", counters: { ...ZERO, debitsPosted: 100n }, floor: null });
    account.apply(opOn(WALLET, "post", "trf_1", [...credit(100n), ...credit(1n)]));
    expect(account.state.status).toBe("closing");
  });

  test("a closed account refuses a late credit with a word that is kept", () => {
    const account = empty();
    account.command(close);
    const late = account.apply(opOn(WALLET, "post", "trf_late", credit(5n)));
    expect(late).toMatchObject({ ok: false, final: true, rejection: { code: "account_closed" } });
    expect(account.words.get("trf_late")?.state).toBe("refused");
  });
});

describe("limits", () => {
  test("go as far as the present state allows, holds counted, and not a unit further", () => {
    const account = living();
    expect(account.command(limits(700n, 1_200n))).toEqual(["account.limits_changed"]);
    expect([account.state.floor, account.state.cap]).toEqual([700n, 1_200n]);
    // Both promises are still kept.
    expect(said(account.apply(opOn(WALLET, "post", "trf_1", debit(1n))))).toBe("insufficient_funds");
    expect(said(account.apply(opOn(WALLET, "post", "trf_2", credit(1n))))).toBe("limit_exceeded");
  });

  test("that are left out stay, and null takes them away", () => {
    const account = living();
    account.command(limits(-500n, 2_000n));
    account.command(limits(undefined, 3_000n));
    expect([account.state.floor, account.state.cap]).toEqual([-500n, 3_000n]);
    account.command(limits(null));
    expect([account.state.floor, account.state.cap]).toEqual([null, 3_000n]);
    account.command(limits(undefined, null));
    expect(account.events.at(-1)?.data).toMatchObject({ floor: null, cap: null });
  });

  test("that are as they were are no event", () => {
    const account = living();
    expect(account.command(limits(0n, null))).toEqual([]);
  });

  test("below zero lend money, to the unit", () => {
    const account = empty();
    account.command(limits(-250n));
    expect(account.apply(opOn(WALLET, "post", "trf_1", debit(251n)))).toMatchObject({
      rejection: { available: { amount: "2.50" } },
    });
    expect(said(account.apply(opOn(WALLET, "reserve", "trf_2", debit(250n))))).toBe("reserved");
    expect(account.command(limits(-249n))).toBe("conflict");
    expect(said(account.apply(opOn(WALLET, "post", "trf_2", debit(250n))))).toBe("posted");
  });

  test("at the ends of what an amount may be", () => {
    const account = empty();
    expect(account.command(limits(-MAX_MINOR, MAX_MINOR))).toEqual(["account.limits_changed"]);
    expect(said(account.apply(opOn(WALLET, "post", "trf_1", debit(MAX_MINOR))))).toBe("posted");
  });
});

describe("a monitor", () => {
  test("begins on the side where the balance stands, and at the threshold it has not been crossed", () => {
    const account = living();
    account.command(watch("above", 1_000n, "mon_at"));
    account.command(watch("above", 999n, "mon_over"));
    account.command(watch("below", 1_000n, "mon_also_at"));
    account.command(watch("below", 1_001n, "mon_under"));
    expect([...account.state.monitors.values()].map(({ triggered }) => triggered)).toEqual([false, true, false, true]);
    expect(account.events.map(({ data }) => data.state)).toEqual(["resolved", "triggered", "resolved", "triggered"]);
  });

  test("is the last of sixteen, and may go from a closed account", () => {
    const account = empty({ monitors: watched(MAX_MONITORS - 1) });
    expect(account.command(watch("above", 5n))).toEqual(["monitor.added"]);
    expect(account.command(watch("above", 5n, "mon_2"))).toBe("limit_exceeded");
    account.command(close);
    expect(account.command(unwatch("mon_1"))).toEqual(["monitor.removed"]);
  });

  test("watches money that is posted: a hold moves it no more than a void", () => {
    const account = empty();
    account.command(watch("above", 100n));
    account.apply(opOn(WALLET, "reserve", "trf_1", credit(500n)));
    account.apply(opOn(WALLET, "void", "trf_1", credit(500n)));
    expect(account.events.map(({ type }) => type).filter((type) => type.startsWith("monitor."))).toEqual([
      "monitor.added",
    ]);
  });
});

describe("opening", () => {
  test("a command opens what its caller vouches for, and what is refused opens nothing", () => {
    const vouched = new Bench(WALLET);
    expect(vouched.command(limits(-100n), true)).toEqual(["account.opened", "account.limits_changed"]);
    const refused = new Bench(WALLET);
    expect([refused.command(unfreeze, true), refused.events]).toEqual(["conflict", []]);
  });
});
