import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { EventBody } from "../../schema/events.ts";
import { acceptOp, convertOp, eventOf, MemoryDesk, quoteOf, releaseOp, tradeTermsOf } from "./desk.fixture.ts";
import type { Asked } from "./events.ts";
import { type DeskState, fold } from "./state.ts";
import { deskBooks, indicativeRates } from "./view.ts";

const replay = (events: readonly EventBody[], from: DeskState = fold.initial): DeskState =>
  events.reduce(fold.evolve, from);

/** Two conversions, one of them covered at the second attempt and with a cent less, one acceptance, one given back. */
const story = (): MemoryDesk => {
  const desk = new MemoryDesk();
  for (const id of ["fxq_1", "fxq_2", "fxq_3"]) desk.give(quoteOf({ id, rate: "1.13382", sell: "33.33" }));
  desk.give(quoteOf({ id: "fxq_4", pair: ["JPY", "EUR"], rate: "0.0055777", sell: "5000" }));
  const sell = { amount: "33.33", currency: "EUR" };
  const asked: Asked[] = [
    { provider: "lp-good", status: "best", rate: "1.13382", latency_ms: "12" },
    { provider: "lp-slow", status: "late", latency_ms: "801" },
    { provider: "lp-wide", status: "not_asked" },
  ];
  desk.append({ type: "providers.asked", data: { asked } });
  for (const n of [1, 2, 3]) desk.apply(acceptOp({ saga: `sag_${n}`, quote: `fxq_${n}`, sell }));
  desk.apply(
    acceptOp({ saga: "sag_4", quote: "fxq_4", sell: { amount: "5000", currency: "JPY" }, buy_currency: "EUR" }),
  );
  desk.apply(releaseOp("sag_3"));
  desk.apply(convertOp("sag_1"));
  desk.apply(convertOp("sag_4"));
  const terms = tradeTermsOf(quoteOf({ id: "fxq_1", rate: "1.13382", sell: "33.33" }).terms);
  desk.hedge("sag_1", terms, null);
  desk.hedge("sag_1", { ...terms, provider: "lp-slow" }, "37.78");
  return desk;
};

describe("the desk's fold", () => {
  it("signs the position on the credit side, rounds the debit up and keeps what is only accepted apart", () => {
    const { state } = story();
    // 33.33 EUR at 1.13382 is 37.7902…: the customer has 37.79, the position gives 37.80 and got 37.78 back.
    expect(deskBooks(state, 100_000_00n)).toEqual({
      positions: [
        { currency: "EUR", position: "-27.89", open: "33.33" },
        { currency: "JPY", position: "5000", open: "0" },
        { currency: "USD", position: "-0.02", open: "-37.80" },
      ],
      limit: { amount: "100000.00", currency: "EUR" },
      exposure: { amount: "61.28", currency: "EUR" },
      fills: [
        { provider: "lp-slow", currency: "EUR", paid: "33.33", received: "0.00" },
        { provider: "lp-slow", currency: "USD", paid: "0.00", received: "37.78" },
      ],
    });
  });

  it("is the same from any snapshot on as from the beginning", () => {
    const { events, state } = story();
    for (let at = 0; at <= events.length; at++) {
      const restored = fold.decode(JSON.parse(JSON.stringify(fold.encode(replay(events.slice(0, at))))));
      const later = replay(events.slice(at), restored);
      expect(fold.encode(later)).toEqual(fold.encode(state));
      expect(fold.summary(later)).toBe(fold.summary(state));
    }
  });

  it("summarises two states alike only when no figure of the position differs", () => {
    const { events } = story();
    const summaries = events.map((_, at) => fold.summary(replay(events.slice(0, at + 1))));
    const moving = events.map(({ type }) => /^quote\.(?:accepted|released|converted)|^hedge\.filled/.test(type));
    for (const [at, moves] of moving.entries()) {
      if (at > 0) expect([at, summaries[at] !== summaries[at - 1]]).toEqual([at, moves]);
    }
  });

  it("refuses a log in which something ends that never was", () => {
    const eur = (amount: string) => ({ amount, currency: "EUR" });
    const given_back = { quote: "fxq_1", sell: eur("1.00"), debit: eur("1.00"), eur_equivalent: eur("1.00") };
    const released = eventOf({ type: "quote.released", data: { saga: "sag_1", reason: "x", given_back } }, 1);
    expect(() => fold.evolve(fold.initial, released)).toThrow(/never taken on/);
    expect(() => fold.evolve(fold.initial, { ...released, type: "pod.created" })).toThrow(/has no event/);
  });
});

describe("indicative rates", () => {
  it("are inverse to each other within their seven digits, and none is of the base itself", () => {
    expect(indicativeRates("EUR").rates).toMatchObject({ USD: "1.1361", JPY: "178.91" });
    fc.assert(
      fc.property(fc.constantFrom("USD", "JPY", "KWD", "IRR", "VND"), fc.constantFrom("GBP", "CLP", "BHD"), (a, b) => {
        const there = Number(indicativeRates(a).rates[b]);
        const back = Number(indicativeRates(b).rates[a]);
        expect(Math.abs(there * back - 1)).toBeLessThan(1e-6);
        expect(indicativeRates(a).rates[a]).toBeUndefined();
      }),
    );
  });
});
