import { describe, expect, test } from "vitest";
import type { AccountOp } from "../../schema/rpc/account.ts";
import { availableOf } from "./account.ts";
import { agedHolds, HOLD_AGES_MS } from "./aging.ts";
import { Bench, credit, debit, opOn, partOf, said } from "./bench.fixture.ts";
import { ZERO } from "./counters.ts";
import { explain, explainNow } from "./explain.ts";
import { LogFixture } from "./log.fixture.ts";
import { fold } from "./state.ts";

const WALLET = "wallet:ana:EUR";
const T = "trf_1";

/** 10.00 in the wallet, of which these legs are held. */
const holding = (parts = debit(700n)): Bench => {
  const bench = new Bench(WALLET, { counters: { ...ZERO, creditsPosted: 1_000n } });
  expect(said(bench.apply(opOn(WALLET, "reserve", T, parts)))).toBe("reserved");
  return bench;
};
const whole = (op: AccountOp["op"], parts = debit(700n)): AccountOp => opOn(WALLET, op, T, parts);
const part = (minor: bigint): AccountOp => partOf(whole("post"), { 0: minor });

describe("a post of a part of a hold", () => {
  test("moves the part and gives the rest back in one event", () => {
    const bench = holding();
    const events = bench.events.length;
    expect(bench.apply(part(450n))).toMatchObject({ ok: true, state: "posted", balance: "5.50" });
    expect(bench.events).toHaveLength(events + 1);
    expect(bench.events.at(-1)).toMatchObject({
      type: "transfer.posted",
      data: {
        legs: [{ index: "0", direction: "debit", amount: { amount: "4.50" }, balance: { amount: "5.50" } }],
        released: { amount: "2.50", currency: "EUR" },
        counters: { debits_posted: "4.50", debits_pending: "0.00" },
      },
    });
    expect(bench.state.holds.size).toBe(0);
    expect(availableOf(bench.state, "credit")).toBe(550n);
  });

  test("of all of it says nothing of a rest", () => {
    const bench = holding();
    bench.apply(part(700n));
    expect(bench.events.at(-1)?.data).not.toHaveProperty("released");
    expect(bench.state.counters).toEqual({ ...ZERO, creditsPosted: 1_000n, debitsPosted: 700n });
  });

  test("is of some of its legs, each with what is left of it", () => {
    const parts = [...debit(100n), ...debit(200n), ...debit(300n)];
    const bench = holding(parts);
    bench.apply(partOf(whole("post", parts), { 1: 150n, 2: 300n }));
    expect(bench.events.at(-1)?.data).toMatchObject({
      legs: [
        { index: "1", amount: { amount: "1.50" } },
        { index: "2", amount: { amount: "3.00" } },
      ],
      released: { amount: "1.50" },
    });
    expect(bench.state.counters).toEqual({ ...ZERO, creditsPosted: 1_000n, debitsPosted: 450n });
  });

  test("of what was to come in makes room again below the cap", () => {
    const bench = new Bench(WALLET, { cap: 1_000n });
    bench.apply(opOn(WALLET, "reserve", T, credit(900n)));
    bench.apply(partOf(opOn(WALLET, "post", T, credit(900n)), { 0: 300n }));
    expect(said(bench.apply(opOn(WALLET, "post", "trf_more", credit(701n))))).toBe("limit_exceeded");
    expect(said(bench.apply(opOn(WALLET, "post", "trf_fits", credit(700n))))).toBe("posted");
  });

  test("is taken by a frozen account: it was promised", () => {
    const bench = holding();
    bench.state = { ...bench.state, status: "frozen" };
    expect(said(bench.apply(part(1n)))).toBe("posted");
  });

  test("counts in a cut with what it posted, under the tag it was posted with", () => {
    const bench = holding();
    bench.apply({ ...part(450n), tag: 1 });
    expect(bench.cut(0, [T])).toMatchObject({ debits: "0.00", credits: "10.00", applied: [T] });
    expect(bench.cut(1, [T])).toMatchObject({ debits: "4.50", credits: "10.00" });
  });

  test("crosses a threshold by what it posted, not by what was held", () => {
    const bench = holding();
    const monitor = (id: string, amount: string) =>
      bench.command({
        type: "add_monitor",
        monitor: id,
        bound: "below",
        threshold: { amount, currency: "EUR" },
        reason: null,
      });
    monitor("mon_part", "6.00");
    monitor("mon_whole", "5.50");
    const before = bench.events.length;
    bench.apply(part(450n));
    expect(bench.events.slice(before).map(({ type, data }) => [type, data.monitor, data.balance])).toEqual([
      ["transfer.posted", undefined, undefined],
      ["monitor.triggered", "mon_part", { amount: "5.50", currency: "EUR" }],
    ]);
  });

  test.each([
    ["that leaves money on it keeps a closing account open", 999n, "closing"],
    ["that empties it ends a closing account", 1_000n, "closed"],
  ])("%s", (_name, minor, status) => {
    const bench = new Bench(WALLET, { floor: null, counters: { ...ZERO, creditsPosted: 1_000n } });
    bench.apply(opOn(WALLET, "reserve", T, debit(1_200n)));
    bench.command({ type: "close", reason: "why" });
    bench.apply(partOf(opOn(WALLET, "post", T, debit(1_200n)), { 0: minor }));
    expect([bench.state.status, bench.state.holds.size]).toEqual([status, 0]);
  });

  test("ends a hold that was told of as old", () => {
    const bench = holding();
    bench.now += HOLD_AGES_MS;
    bench.append("hold.aged", { account: WALLET, transfer: T });
    expect(agedHolds(bench.state)).toBe(1);
    bench.apply(part(450n));
    expect(agedHolds(bench.state)).toBe(0);
  });

  test("is explained by a line of what it moved, and holds nothing any more", async () => {
    const bench = new Bench(WALLET);
    bench.apply(opOn(WALLET, "post", "trf_in", credit(1_000n)));
    bench.apply(whole("reserve"));
    bench.apply(part(450n));
    const now = explainNow(bench) ?? expect.unreachable();
    const { history } = new LogFixture(bench.account, bench.events);
    const explained = await explain(now, history, 0, 10);
    expect(explained).toMatchObject({
      balance: "5.50",
      available: { amount: "5.50", pending: "0.00" },
      holds: [],
      page: { closing: "5.50" },
    });
    expect(explained.lines.at(-1)).toMatchObject({
      transfer: T,
      debit: { amount: "4.50" },
      balance: { amount: "5.50" },
    });
  });

  test.each<[string, AccountOp, string]>([
    ["the same part again", part(450n), "posted"],
    ["another part", part(451n), "idempotency_mismatch"],
    ["the whole", whole("post"), "idempotency_mismatch"],
    ["a void", whole("void"), "posted"],
    ["a reserve", whole("reserve"), "posted"],
    ["another body", { ...part(450n), body_hash: "another" }, "idempotency_mismatch"],
  ])("then %s", (_name, op, answer) => {
    const bench = holding();
    const first = bench.apply(part(450n));
    const before = [fold.summary(bench.state), bench.events.length];
    bench.now += 60_000;
    const then = bench.apply(op);
    expect(said(then)).toBe(answer);
    if (answer === "posted") expect(then).toEqual(first);
    else expect(then).toMatchObject({ final: true });
    expect([fold.summary(bench.state), bench.events.length]).toEqual(before);
  });

  test("after the whole was posted is a mismatch, and names what differs", () => {
    const bench = holding();
    bench.apply(whole("post"));
    expect(bench.apply(part(700n))).toMatchObject({ ok: false, final: true, rejection: { field: "/posts" } });
  });

  test.each<[string, "void" | "refused"]>([
    ["voided", "void"],
    ["refused", "refused"],
  ])("of what was %s is answered as any post of it", (_name, how) => {
    const bench = new Bench(WALLET, { counters: { ...ZERO, creditsPosted: how === "void" ? 1_000n : 0n } });
    bench.apply(whole("reserve"));
    if (how === "void") bench.apply(whole("void"));
    expect(said(bench.apply(part(1n)))).toBe(said(bench.apply(whole("post"))));
  });

  const legs = whole("post").legs;
  const changed = (change: object): AccountOp => ({
    ...whole("post"),
    posts: legs.map((leg) => ({ ...leg, ...change })),
  });
  const [once = expect.unreachable()] = part(1n).posts ?? [];
  test.each<[string, string, AccountOp]>([
    ["nothing at all", "posts nothing", { ...whole("post"), posts: [] }],
    ["zero", "does not hold at leg 0", part(0n)],
    ["less than zero of it", "", changed({ amount: { amount: "-1.00", currency: "EUR" } })],
    ["more than is held", "does not hold at leg 0", part(701n)],
    ["a leg twice", "does not hold at leg 0", { ...whole("post"), posts: [once, once] }],
    ["a leg that is not held", "does not hold at leg 7", changed({ index: "7" })],
    ["the other side", "does not hold at leg 0", changed({ direction: "credit" })],
    ["another account's leg", "not this account's", changed({ account: "wallet:bob:EUR" })],
    ["another currency", "not this account's", changed({ amount: { amount: "1.00", currency: "USD" } })],
    ["in a void", "names a part to post", { ...part(450n), op: "void" }],
    ["of what is not held", "nothing is held", partOf(opOn(WALLET, "post", "trf_new", debit(5n)), { 0: 1n })],
  ])("that posts %s is a bug of the caller, and writes nothing", (_name, message, op) => {
    const bench = holding();
    const before = [fold.summary(bench.state), bench.events.length, bench.words.size];
    expect(() => bench.apply(op)).toThrow(message);
    expect([fold.summary(bench.state), bench.events.length, bench.words.size]).toEqual(before);
  });
});

describe("the log of a part that was posted is not folded", () => {
  const released = (amount: string) => ({ released: { amount, currency: "EUR" } });
  test.each<[string, object, string]>([
    ["when the rest is left out", { released: undefined }, "ends with other legs than it holds"],
    ["when more came back than was held", released("2.51"), "ends with other legs than it holds"],
    ["when less did", released("2.49"), "ends with other legs than it holds"],
    [
      "when it did in another currency",
      { released: { amount: "2.50", currency: "USD" } },
      "gives back what it did not hold",
    ],
    ["when nothing did and it says so", released("0.00"), "gives back what it did not hold"],
    ["of what was not held", { transfer: "trf_other" }, "gives back what it did not hold"],
  ])("%s", (_name, change, message) => {
    const bench = holding();
    const before = bench.state;
    bench.apply(part(450n));
    const event = bench.events.at(-1) ?? expect.unreachable();
    const { released: rest, ...data } = { ...event.data, ...change } as Record<string, unknown>;
    const told = { ...data, ...(rest === undefined ? {} : { released: rest }) };
    expect(() => fold.evolve(before, { ...event, data: told as typeof event.data })).toThrow(message);
  });
});
