import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatMinor, toMinor } from "../../schema/money.ts";
import type { DeskAnswer, DeskOp } from "../../schema/rpc/desk.ts";
import { eurMinorOf, pastLimit, statusOf } from "./decide.ts";
import { acceptOp, convertOp, LIMIT, MemoryDesk, NOW, quoteOf, releaseOp, tradeTermsOf } from "./desk.fixture.ts";

const deskWith = (...quotes: Parameters<typeof quoteOf>[0][]): MemoryDesk => {
  const desk = new MemoryDesk();
  for (const quote of quotes) desk.give(quoteOf(quote));
  return desk;
};

const codeOf = (answer: DeskAnswer): string => (answer.ok ? "ok" : answer.rejection.code);

describe("accepting a quote", () => {
  it("fixes its rate, and answers the same terms however often and at whatever time it is asked again", () => {
    const desk = deskWith({});
    const first = desk.apply(acceptOp());
    expect(first).toMatchObject({
      ok: true,
      terms: {
        quote: "fxq_1",
        rate: "1.1",
        provider: "lp-good",
        buy: { amount: "110.00" },
        settled: { amount: "107.80" },
      },
    });
    expect(desk.apply(acceptOp(), NOW + 86_400_000)).toEqual(first);
    desk.apply(convertOp());
    expect(desk.apply(acceptOp({ quote: "fxq_other" }))).toEqual(first);
    expect(desk.events.map(({ type }) => type)).toEqual(["quote.accepted", "quote.converted"]);
  });

  it.each<[string, Parameters<typeof acceptOp>[0], string]>([
    ["an unknown quote", { quote: "fxq_none" }, "not_found"],
    ["somebody else's quote", { payer: "bob" }, "not_found"],
    ["a quote for another sold currency", { sell: { amount: "100.00", currency: "GBP" } }, "currency_mismatch"],
    ["a quote for another bought currency", { buy_currency: "JPY" }, "currency_mismatch"],
    ["a quote for another amount", { sell: { amount: "100.01", currency: "EUR" } }, "amount_out_of_range"],
    ["a quote for another pod", { pod: "pod_2" }, "currency_mismatch"],
  ])("refuses %s and writes nothing", (_, change, code) => {
    const desk = deskWith({ pod: "pod_1" });
    expect(codeOf(desk.apply(acceptOp(change)))).toBe(code);
    expect(desk.events).toEqual([]);
    expect(codeOf(desk.apply(acceptOp()))).toBe("ok");
  });

  it("takes a quote until the last millisecond before it expires, and says expired from then on", () => {
    expect(codeOf(deskWith({}).apply(acceptOp(), NOW + 59_999))).toBe("ok");
    expect(codeOf(deskWith({}).apply(acceptOp(), NOW + 60_000))).toBe("quote_expired");
  });

  it("says used before expired, and not found before anything else", () => {
    const desk = deskWith({});
    desk.apply(acceptOp());
    const late = NOW + 90_000;
    expect(codeOf(desk.apply(acceptOp({ saga: "sag_2", sell: { amount: "1.00", currency: "EUR" } }), late))).toBe(
      "quote_used",
    );
    expect(codeOf(desk.apply(acceptOp({ saga: "sag_2", payer: "bob" }), late))).toBe("not_found");
  });

  it("stops exactly at the position's limit, and goes on when something was given back", () => {
    const amount = "50000.00";
    const quote = (id: string, sell: string) => ({ id, sell });
    const desk = deskWith(quote("fxq_1", amount), quote("fxq_2", amount), quote("fxq_3", "0.01"));
    const accept = (saga: string, id: string, sell: string) =>
      codeOf(desk.apply(acceptOp({ saga, quote: id, sell: { amount: sell, currency: "EUR" } })));
    expect([accept("sag_1", "fxq_1", amount), accept("sag_2", "fxq_2", amount)]).toEqual(["ok", "ok"]);
    expect(desk.state.exposure).toBe(LIMIT);
    expect(accept("sag_3", "fxq_3", "0.01")).toBe("no_firm_liquidity");
    desk.apply(convertOp("sag_1"));
    expect(accept("sag_3", "fxq_3", "0.01")).toBe("no_firm_liquidity");
    desk.apply(releaseOp("sag_2"));
    expect(accept("sag_3", "fxq_3", "0.01")).toBe("ok");
    expect(pastLimit(desk.state, { amount: "50000.00", currency: "EUR" }, LIMIT)).not.toBeNull();
  });
});

describe("ending an acceptance", () => {
  it("a released rate is gone for its saga and for every other", () => {
    const desk = deskWith({});
    desk.apply(acceptOp());
    expect([codeOf(desk.apply(releaseOp())), codeOf(desk.apply(releaseOp()))]).toEqual(["ok", "ok"]);
    expect(codeOf(desk.apply(acceptOp()))).toBe("quote_used");
    expect(codeOf(desk.apply(acceptOp({ saga: "sag_2" })))).toBe("quote_used");
    expect(desk.events).toHaveLength(2);
  });

  it("a release that overtakes its accept leaves a tombstone, and the quote to others", () => {
    const desk = deskWith({});
    expect(codeOf(desk.apply(releaseOp()))).toBe("ok");
    expect(codeOf(desk.apply(acceptOp()))).toBe("quote_used");
    expect(codeOf(desk.apply(acceptOp({ saga: "sag_2" })))).toBe("ok");
  });

  it("refuses loudly what a correct coordinator never asks for", () => {
    const desk = deskWith({});
    expect(codeOf(desk.apply(convertOp()))).toBe("conflict");
    desk.apply(acceptOp());
    desk.apply(convertOp());
    expect(codeOf(desk.apply(convertOp()))).toBe("ok");
    expect(codeOf(desk.apply(releaseOp()))).toBe("conflict");
    const released = deskWith({});
    released.apply(acceptOp());
    released.apply(releaseOp());
    expect(codeOf(released.apply(convertOp()))).toBe("conflict");
  });

  it("shows a quote's status as its deal and the clock have it", () => {
    const desk = deskWith({});
    const status = (at: number = NOW) => {
      const quote = desk.quotes.get("fxq_1") ?? expect.unreachable();
      return statusOf(quote, desk.deals.get(quote.saga ?? "")?.deal ?? null, at);
    };
    expect([status(), status(NOW + 60_000)]).toEqual(["open", "expired"]);
    desk.apply(acceptOp());
    expect(status(NOW + 60_000)).toBe("accepted");
    desk.apply(convertOp());
    expect(status()).toBe("converted");
  });
});

/** Quotes of two people over three pairs, and any operations of some sagas on them, in any order and as often as may be. */
const PAIRS = [
  ["EUR", "USD", "1.13382"],
  ["JPY", "EUR", "0.0055777"],
  ["USD", "KWD", "0.308491"],
] as const;

type QuoteStory = { pair: (typeof PAIRS)[number]; minor: bigint; subject: string };
const quoteArb: fc.Arbitrary<QuoteStory> = fc.record({
  pair: fc.constantFrom(...PAIRS),
  minor: fc.bigInt(1_000n, 3_000_000n),
  subject: fc.constantFrom("ann", "bob"),
});

type Step = { op: "accept" | "release" | "convert" | "fill" | "refuse"; saga: number; quote: number; late: boolean };
const stepArb: fc.Arbitrary<Step> = fc.record({
  op: fc.constantFrom("accept", "accept", "release", "convert", "fill", "refuse"),
  saga: fc.nat(5),
  quote: fc.nat(3),
  late: fc.boolean(),
});

const story = fc.record({
  quotes: fc.array(quoteArb, { minLength: 4, maxLength: 4 }),
  steps: fc.array(stepArb, { maxLength: 40 }),
});

const play = ({ quotes, steps }: { quotes: QuoteStory[]; steps: Step[] }) => {
  const desk = new MemoryDesk(20_000_00n);
  for (const [index, { pair, minor, subject }] of quotes.entries()) {
    const [sell, buy, rate] = pair;
    desk.give(quoteOf({ id: `fxq_${index}`, subject, pair: [sell, buy], rate, sell: formatMinor(minor, sell) }));
  }
  for (const { op, saga: number, quote: index, late } of steps) {
    const saga = `sag_${number}`;
    const known = desk.deals.get(saga);
    if (op === "fill" || op === "refuse") {
      if (known?.deal.state !== "converted" || known.hedge?.stage === "filled") continue;
      const terms = tradeTermsOf(known.deal.quote);
      desk.hedge(saga, terms, op === "fill" ? terms.buy.amount : null);
      continue;
    }
    const quote = desk.quotes.get(`fxq_${index}`) ?? expect.unreachable();
    const { sell, buy, subject } = quote.terms;
    const accept = acceptOp({ saga, quote: quote.terms.id, payer: subject, sell, buy_currency: buy.currency });
    const command: DeskOp = op === "accept" ? accept : op === "release" ? releaseOp(saga) : convertOp(saga);
    desk.apply(command, late ? NOW + 120_000 : NOW);
  }
  return desk;
};

describe("any order of accepting, releasing, converting and covering", () => {
  it("uses a quote at most once, and never ends a saga twice", () => {
    fc.assert(
      fc.property(story, (told) => {
        const desk = play(told);
        const of = (type: string, field: string) =>
          desk.events.filter((event) => event.type === type).map(({ data }) => data[field]);
        for (const used of [
          of("quote.accepted", "quote"),
          of("quote.accepted", "saga"),
          [...of("quote.converted", "saga"), ...of("quote.released", "saga")],
          of("hedge.filled", "saga"),
          of("hedge.intended", "reference"),
        ]) {
          expect(new Set(used).size).toBe(used.length);
        }
      }),
    );
  });

  it("keeps an exposure that is the sum of what is open, within its limit", () => {
    fc.assert(
      fc.property(story, (told) => {
        const desk = play(told);
        const open = [...desk.deals.values()].filter(
          ({ deal, hedge }) => deal.state === "accepted" || (deal.state === "converted" && hedge?.stage !== "filled"),
        );
        const sum = open.reduce(
          (total, { deal }) => total + (deal.state === "tombstone" ? 0n : eurMinorOf(deal.quote.sell)),
          0n,
        );
        expect(desk.state.exposure).toBe(sum);
        expect(desk.state.accepted + desk.state.unhedged).toBe(open.length);
        expect(desk.state.exposure <= 20_000_00n).toBe(true);
      }),
    );
  });

  it("gains and loses nothing: the position is conversions less fills, currency by currency", () => {
    fc.assert(
      fc.property(story, (told) => {
        const desk = play(told);
        const expected = new Map<string, { position: bigint; open: bigint }>();
        const add = (currency: string, of: "position" | "open", by: bigint) => {
          const at = expected.get(currency) ?? { position: 0n, open: 0n };
          expected.set(currency, { ...at, [of]: at[of] + by });
        };
        for (const { deal, hedge } of desk.deals.values()) {
          if (deal.state === "tombstone") continue;
          const { sell, debit } = deal.quote;
          const of = deal.state === "accepted" ? "open" : "position";
          add(sell.currency, of, deal.state === "released" ? 0n : toMinor(sell));
          add(debit.currency, of, deal.state === "released" ? 0n : -toMinor(debit));
          if (hedge?.stage !== "filled") continue;
          add(sell.currency, "position", -toMinor(hedge.fill.sell));
          add(debit.currency, "position", toMinor(hedge.fill.buy));
        }
        expect(new Map([...desk.state.positions].sort())).toEqual(new Map([...expected].sort()));
      }),
    );
  });
});
