import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { HedgeAnswer } from "../../schema/rpc/desk.ts";
import type { Turn } from "../kit/actor.ts";
import { acceptOp, convertOp, MemoryDesk, NOW, PRINCIPAL, quoteOf } from "./desk.fixture.ts";
import type { DeskEvent } from "./events.ts";
import { Hedging } from "./hedging.ts";
import { conversionAt, type Offer } from "./pricing.ts";
import type { FirmRequest, LiquidityProvider, TradeAnswer } from "./providers/adapter.ts";
import { deskSettings } from "./settings.ts";
import type { DeskState } from "./state.ts";

/**
 * Cover under everything that can go wrong between the desk and its providers: answers lost before or after the trade, requests
 * that arrive long after they were given up, refusals, silence, and the desk dying at any of its fault points.
 */
const FATES = ["well", "lost", "silent", "delayed", "refused", "crash"] as const;
type Fate = (typeof FATES)[number];

const NAMES = ["lp-good", "lp-slow"] as const;
const RATE = { "lp-good": "1.1340", "lp-slow": "1.1330" } as const;

class Crash extends Error {}

type Trade = { provider: string; reference: string; quote: string };

/** Providers with books, and a network in front of them that does to each call what the next fate says. */
class World {
  readonly trades: Trade[] = [];
  readonly #burnt = new Set<string>();
  readonly #underway: Trade[] = [];
  readonly #fates: Fate[];

  constructor(fates: Fate[]) {
    this.#fates = [...fates];
  }

  fate(): Fate {
    return this.#fates.shift() ?? "well";
  }

  /** A request that was given up arrives after all. */
  deliver(): void {
    const late = this.#underway.shift();
    if (late !== undefined) this.#trade(late);
  }

  providers(): LiquidityProvider[] {
    return NAMES.map((name) => ({
      name,
      firm: async () => ({ outcome: "unreachable" }),
      execute: async (quote, reference) => this.#execute({ provider: name, reference, quote }),
      query: async (reference) => this.#ask(name, reference, { outcome: "not_found" }),
      cancel: async (reference) => this.#cancel(name, reference),
    }));
  }

  /** The offers of both, unless the next fate is against it. */
  async ask(request: FirmRequest): Promise<Offer[]> {
    const without = this.fate() !== "well";
    return NAMES.map((provider): Offer => {
      const conversion = conversionAt(request, RATE[provider]);
      if (without || conversion === null) return { provider, latencyMs: 5, answer: { outcome: "refused" } };
      const quote = { quote: `lpq_${provider}`, firmMs: 60_000, ...conversion };
      return { provider, latencyMs: 5, answer: { outcome: "firm", ...quote } };
    });
  }

  #trade(trade: Trade): TradeAnswer {
    if (this.#burnt.has(trade.reference)) return { outcome: "refused", detail: "cancelled" };
    if (this.#find(trade.provider, trade.reference) === undefined) this.trades.push(trade);
    return this.#filled(trade);
  }

  #filled({ provider, reference }: Trade): TradeAnswer {
    const rate = RATE[provider as keyof typeof RATE];
    const buy = { amount: provider === "lp-good" ? "113.40" : "113.30", currency: "USD" };
    return { outcome: "filled", provider_ref: reference, sell: { amount: "100.00", currency: "EUR" }, buy, rate };
  }

  #find(provider: string, reference: string): Trade | undefined {
    return this.trades.find((trade) => trade.provider === provider && trade.reference === reference);
  }

  #execute(trade: Trade): TradeAnswer {
    switch (this.fate()) {
      case "well":
        return this.#trade(trade);
      case "refused":
        return { outcome: "refused", detail: "no" };
      case "silent":
        this.#trade(trade);
        return { outcome: "unknown", detail: "silence" };
      case "delayed":
        this.#underway.push(trade);
        return { outcome: "unknown", detail: "silence" };
      case "lost":
        return { outcome: "unknown", detail: "silence" };
      case "crash":
        this.#trade(trade);
        throw new Crash();
    }
  }

  #ask(provider: string, reference: string, none: TradeAnswer): TradeAnswer {
    const fate = this.fate();
    if (fate === "crash") throw new Crash();
    const trade = this.#find(provider, reference);
    return fate === "well" ? (trade === undefined ? none : this.#filled(trade)) : { outcome: "unknown", detail: fate };
  }

  #cancel(provider: string, reference: string): TradeAnswer {
    const fate = this.fate();
    const trade = this.#find(provider, reference);
    if (fate !== "lost" && trade === undefined) this.#burnt.add(reference);
    if (fate === "crash") throw new Crash();
    if (fate !== "well") return { outcome: "unknown", detail: fate };
    return trade === undefined ? { outcome: "refused", detail: "cancelled" } : this.#filled(trade);
  }
}

/** A desk that has converted 100.00 EUR for one saga, and hedges it in `world`; `restart` forgets all that is only in memory. */
const deskIn = (world: World) => {
  const desk = new MemoryDesk();
  desk.give(quoteOf({ rate: "1.1340" }));
  expect([desk.apply(acceptOp()).ok, desk.apply(convertOp()).ok]).toEqual([true, true]);
  const providers = new Map(world.providers().map((provider) => [provider.name, provider]));
  const append = (type: string, data: object) => desk.append({ type, data } as DeskEvent);
  const turn = { now: NOW, append } as unknown as Turn<DeskState>;
  const restart = () =>
    new Hedging({
      actor: {
        get state() {
          return desk.state;
        },
        clock: { now: () => NOW },
        submit: async (command) => command(turn),
      },
      rows: {
        deal: (saga) => desk.deals.get(saga) ?? null,
        keepDeal: (deal, hedge) => {
          desk.deals.set(deal.saga, { deal, hedge });
          return null;
        },
      },
      asking: { ask: (request) => world.ask(request) },
      settings: deskSettings(undefined),
      provider: (name) => providers.get(name) ?? null,
      faultPoint: async () => {
        if (world.fate() === "crash") throw new Crash();
      },
      forgetAt: () => undefined,
    });
  return { desk, restart };
};

const call = (hedging: Hedging): Promise<HedgeAnswer> =>
  hedging.run({ hedge: "sag_h", saga: "sag_1", principal: PRINCIPAL, correlation: "req_test" });

const AT_MOST = 200;

describe("whatever is lost, late, refused or killed", () => {
  it("a conversion is filled exactly once, and the desk knows by whom", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.constantFrom(...FATES), { maxLength: 40 }),
        fc.infiniteStream(fc.boolean()),
        async (fates, arrives) => {
          const world = new World(fates);
          const { desk, restart } = deskIn(world);
          let hedging = restart();
          let last: HedgeAnswer | null = null;
          for (let n = 0; n < AT_MOST && last?.outcome !== "filled"; n++) {
            if (arrives.next().value === true) world.deliver();
            last = await call(hedging).catch((error: unknown) => {
              if (!(error instanceof Crash)) throw error;
              hedging = restart();
              return null;
            });
            expect(world.trades.length).toBeLessThanOrEqual(1);
          }
          for (let n = 0; n < fates.length; n++) world.deliver();
          expect(world.trades).toHaveLength(1);
          expect(last).toMatchObject({ outcome: "filled", provider: world.trades[0]?.provider });
          expect(await call(restart())).toEqual(last);
          const types = desk.events.map(({ type }) => type);
          expect(types.filter((type) => type === "hedge.filled")).toHaveLength(1);
          expect(desk.state).toMatchObject({ exposure: 0n, accepted: 0, unhedged: 0 });
        },
      ),
      { numRuns: 1_000 },
    );
  });
});
