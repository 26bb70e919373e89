import { describe, expect, test } from "vitest";
import type { EventBody, JsonValue } from "../../schema/events.ts";
import { MAX_HOLDS } from "./account.ts";
import { Bench, credit, debit, opOn } from "./bench.fixture.ts";
import { ZERO } from "./counters.ts";
import { fold } from "./state.ts";
import { describeAccount } from "./view.ts";

const WALLET = "wallet:ana:EUR";

/** In 50.00, a hold of 20.00, out 10.00 of it posted. */
const lived = (): Bench => {
  const bench = new Bench(WALLET);
  bench.apply(opOn(WALLET, "post", "trf_in", credit(5_000n), { tag: 3 }));
  bench.apply(opOn(WALLET, "reserve", "trf_held", debit(2_000n)));
  bench.apply(opOn(WALLET, "reserve", "trf_out", debit(1_000n), { charge: "chg_1", pod: "pod_1" }));
  bench.apply(opOn(WALLET, "post", "trf_out", debit(1_000n), { charge: "chg_1", pod: "pod_1", tag: 4 }));
  bench.apply(opOn(WALLET, "reserve", "trf_back", debit(1n)));
  bench.apply(opOn(WALLET, "void", "trf_back", debit(1n), { reason: "cancelled" }));
  return bench;
};

const replay = (events: readonly EventBody[]) => events.reduce(fold.evolve, fold.initial);

test("an event carries the legs, the balance after each and the counters after it", () => {
  const { events } = lived();
  expect(events.map(({ type }) => type)).toEqual([
    "account.opened",
    "transfer.posted",
    "transfer.reserved",
    "transfer.reserved",
    "transfer.posted",
    "transfer.reserved",
    "transfer.voided",
  ]);
  expect(events[4]?.data).toEqual({
    transfer: "trf_out",
    saga: "sag_trf_out",
    charge: "chg_1",
    pod: "pod_1",
    body_hash: "body of trf_out",
    tag: "4",
    legs: [
      {
        index: "0",
        direction: "debit",
        amount: { amount: "10.00", currency: "EUR" },
        balance: { amount: "40.00", currency: "EUR" },
      },
    ],
    counters: { debits_posted: "10.00", credits_posted: "50.00", debits_pending: "20.00", credits_pending: "0.00" },
  });
  expect(events[6]?.data).toMatchObject({ reason: "cancelled", tag: null, legs: [{ balance: { amount: "40.00" } }] });
});

test("an account is described with its holds", () => {
  const { state, head } = lived();
  expect(describeAccount(state, head)).toEqual({
    id: WALLET,
    type: "liability",
    currency: "EUR",
    normal_side: "credit",
    status: "open",
    floor: "0.00",
    cap: null,
    debits_posted: "10.00",
    credits_posted: "50.00",
    debits_pending: "20.00",
    credits_pending: "0.00",
    posted: "40.00",
    pending: "20.00",
    pending_in: "0.00",
    available: "20.00",
    holds: [
      {
        id: "hld_held",
        direction: "debit",
        amount: { amount: "20.00", currency: "EUR" },
        transfer: "trf_held",
        saga: "sag_trf_held",
        since: "2027-01-01T00:00:00.000Z",
      },
    ],
    seq: 7,
    head_hash: head.hash,
  });
  expect(describeAccount(fold.initial, head)).toBeNull();
});

describe("a log that no account can have written is not folded", () => {
  const change = (at: number, with_: (event: EventBody) => EventBody) => () =>
    replay(lived().events.map((event, index) => (index === at ? with_(event) : event)));
  const data = (with_: Record<string, JsonValue>) => (event: EventBody) => ({
    ...event,
    data: { ...event.data, ...with_ },
  });
  const leg = (amount: string, balance: string) => [
    {
      index: "0",
      direction: "debit",
      amount: { amount, currency: "EUR" },
      balance: { amount: balance, currency: "EUR" },
    },
  ];
  const counters = { debits_posted: "0.00", credits_posted: "50.00", debits_pending: "20.00", credits_pending: "0.00" };

  const rows: [string, () => unknown, string][] = [
    ["a counter other than it adds up to", change(1, data({ counters })), "not as recorded"],
    [
      "a balance other than it adds up to",
      change(4, data({ legs: leg("10.00", "41.00") })),
      "a balance is not as recorded",
    ],
    ["a post of more than was held", change(4, data({ legs: leg("11.00", "39.00") })), "other legs than it holds"],
    ["a debit that nothing covers", change(2, data({ legs: leg("60.00", "50.00") })), "below its floor"],
    ["a hold twice", change(5, data({ transfer: "trf_held" })), "held twice"],
    ["a void of nothing", change(6, data({ transfer: "trf_none" })), "was not held"],
    ["a post without a cut epoch", change(1, data({ tag: null })), "without a cut epoch"],
    ["an account opened twice", change(1, () => lived().events[0] as EventBody), "cannot open"],
    ["money before the account is opened", () => replay(lived().events.slice(1)), "never opened"],
    ["a freeze of nothing", change(0, (event) => ({ ...event, type: "account.frozen" })), "never opened"],
    ["an event of no known type", change(3, (event) => ({ ...event, type: "transfer.imagined" })), "unknown event"],
  ];
  test.each(rows)("%s", (_, attempt, message) => {
    expect(attempt).toThrow(message);
  });
});

describe("what was stored before accounts could be closed, limited or watched", () => {
  // Written down as the code of that time wrote it.
  const snapshot = {
    account: WALLET,
    status: "open",
    floor: "0",
    cap: null,
    counters: { debits_posted: "1000", credits_posted: "5000", debits_pending: "2000", credits_pending: "0" },
    holds: [
      {
        transfer: "trf_held",
        saga: "sag_trf_held",
        since: "2027-01-01T00:00:00.000Z",
        direction: "debit",
        amount: "2000",
      },
    ],
    late: { epoch: 4, debits: "1000", credits: "0" },
  };
  const summary = "wallet:ana:EUR, open, bounds 0..-, posted 1000/5000, pending 2000/0 in 1, late 4: 1000/0";

  test("a snapshot is read, is the state its log folds to, and goes on", () => {
    const state = fold.decode(snapshot as unknown as JsonValue);
    expect(state).toEqual(lived().state);
    const bench = new Bench(WALLET, state);
    expect(bench.apply(opOn(WALLET, "post", "trf_in_2", credit(1n)))).toMatchObject({ ok: true, balance: "40.01" });
  });

  test("a summary has the words it had", () => {
    expect(fold.summary(lived().state)).toBe(summary);
  });

  test("events are folded: a posting without a reason, a freeze without one", () => {
    const { events } = lived();
    expect(events.filter(({ data }) => "reason" in data).map(({ type }) => type)).toEqual(["transfer.voided"]);
    const frozen = { ...events[0], type: "account.frozen", data: { account: WALLET, reason: null } } as EventBody;
    expect(replay([...events, frozen]).status).toBe("frozen");
  });
});

test("what is new in a state is in its snapshot and in its summary", () => {
  const bench = lived();
  bench.command({ type: "change_limits", floor: "-100", cap: "9000", reason: null });
  const threshold = { amount: "40.00", currency: "EUR" };
  bench.command({ type: "add_monitor", monitor: "mon_1", bound: "below", threshold, reason: null });
  bench.command({ type: "add_monitor", monitor: "mon_2", bound: "above", threshold, reason: null });
  bench.apply(opOn(WALLET, "post", "trf_more", credit(1n)));
  bench.now += 24 * 3_600_000;
  const { holds } = bench.state;
  const [transfer, hold] = [...holds][0] ?? [];
  const { saga, since, direction } = hold ?? { saga: "", since: "", direction: "" };
  const aged = { account: WALLET, transfer, saga, since, direction, amount: { amount: "20.00", currency: "EUR" } };
  bench.append("hold.aged", aged);
  expect(fold.summary(bench.state)).toBe(
    "wallet:ana:EUR, open, bounds -100..9000, posted 1000/5001, pending 2000/0 in 1, late 4: 1000/0, aged 1, monitors 1/2",
  );
  const read = fold.decode(JSON.parse(JSON.stringify(fold.encode(bench.state))));
  expect(read).toEqual(bench.state);
  expect(replay(bench.events)).toEqual(bench.state);
});

describe("an event that does not follow from the account's life is not folded", () => {
  const at = (status: "open" | "frozen" | "closing" | "closed") => new Bench(WALLET, { status, counters: ZERO });
  const eur = (amount: string) => ({ amount, currency: "EUR" });
  const limits = (change: object) => ({ account: WALLET, floor: eur("0.00"), cap: null, reason: null, ...change });
  const watch = { account: WALLET, monitor: "mon_1", bound: "above", threshold: eur("1.00"), state: "resolved" };
  const crossing = { account: WALLET, monitor: "mon_1", balance: eur("0.00") };
  const held = lived().events[2] as EventBody;
  const rows: [string, () => Bench, string, object, string][] = [
    ["a freeze of a frozen account", () => at("frozen"), "account.frozen", {}, "frozen while frozen"],
    [
      "a closing taken back into a freeze that was not",
      () => closingOf(),
      "account.reopened",
      { status: "frozen" },
      "which it was not",
    ],
    ["an end without a closing", () => at("open"), "account.closed", {}, "follows from nothing"],
    ["anything else of an empty closing account", () => at("closing"), "account.reopened", {}, "account.closed is due"],
    [
      "a hold by a frozen account",
      () => at("frozen"),
      "transfer.reserved",
      held.data,
      "held by an account that is frozen",
    ],
    [
      "a posting to a closed account",
      () => at("closed"),
      "transfer.posted",
      lived().events[1]?.data ?? {},
      "closed account",
    ],
    [
      "a floor above the balance",
      () => at("open"),
      "account.limits_changed",
      limits({ floor: eur("0.01") }),
      "below its floor",
    ],
    [
      "a cap below the balance",
      () => lived(),
      "account.limits_changed",
      limits({ cap: eur("39.99") }),
      "above its cap",
    ],
    ["limits of a closed account", () => at("closed"), "account.limits_changed", limits({}), "takes no limits"],
    [
      "a limit in another currency",
      () => at("open"),
      "account.limits_changed",
      limits({ cap: { amount: "1", currency: "JPY" } }),
      "in JPY",
    ],
    ["a monitor that is there", () => watching(), "monitor.added", watch, "one too many"],
    ["the end of a monitor that is not", () => at("open"), "monitor.removed", { monitor: "mon_9" }, "no monitor"],
    ["a crossing that was none", () => watching(), "monitor.triggered", crossing, "follows from nothing"],
    ["an old hold that is young", () => lived(), "hold.aged", { transfer: "trf_held" }, "is not old"],
    ["an old hold that is none", () => lived(), "hold.aged", { transfer: "trf_none" }, "not held"],
  ];
  const closingOf = () => new Bench(WALLET, { ...lived().state, status: "closing" });
  const watching = () => {
    const bench = at("open");
    bench.append("monitor.added", watch);
    return bench;
  };

  test.each(rows)("%s", (_, bench, type, data, message) => {
    const account = bench();
    const before = account.state;
    expect(() => account.append(type, { account: WALLET, ...data })).toThrow(message);
    expect(account.state).toBe(before);
  });

  test("a crossing that was left out is missed by the next event", () => {
    const bench = watching();
    const [opened, posted] = lived().events;
    expect(opened?.type).toBe("account.opened");
    bench.append("transfer.posted", posted?.data ?? {});
    expect(() => bench.append("account.frozen", { account: WALLET, reason: null })).toThrow("monitor.triggered is due");
  });
});

test("a snapshot whose holds do not add up is not read", () => {
  const snapshot = fold.encode(lived().state) as { holds: unknown[] };
  expect(() => fold.decode({ ...snapshot, holds: [] } as JsonValue)).toThrow("not the sum of the holds");
});

test("a snapshot of an account full of holds stays small", () => {
  const holds = new Map(
    Array.from({ length: MAX_HOLDS }, (_, at) => [
      `trf_01JGB3Z5J0${String(at).padStart(16, "0")}`,
      {
        saga: `sag_01JGB3Z5J0${String(at).padStart(16, "0")}07`,
        since: "2027-01-01T00:00:00.000Z",
        direction: "credit" as const,
        amount: 2n ** 50n,
      },
    ]),
  );
  const creditsPending = 2n ** 50n * BigInt(MAX_HOLDS);
  const { state } = lived();
  const full = { ...state, holds, counters: { ...state.counters, creditsPending, debitsPending: 0n } };
  expect(JSON.stringify(fold.encode(full)).length).toBeLessThan(1_000_000);
  expect(fold.decode(JSON.parse(JSON.stringify(fold.encode(full))))).toEqual(full);
});
