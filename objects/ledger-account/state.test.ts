import { describe, expect, test } from "vitest";
import type { EventBody, JsonValue } from "../../schema/events.ts";
import { MAX_HOLDS } from "./account.ts";
import { Bench, credit, debit, opOn } from "./bench.fixture.ts";
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
