import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Asking, MAX_ASKING } from "./asking.ts";
import type { Offer } from "./pricing.ts";
import type { Circuit } from "./provider-stats.ts";
import type { FirmAnswer, FirmRequest, LiquidityProvider } from "./providers/adapter.ts";

const REQUEST: FirmRequest = { sell: { currency: "EUR", amount: "1.00" }, buy: { currency: "USD", amount: null } };
const REFUSED: FirmAnswer = { outcome: "refused" };
const DEADLINE_MS = 800;

/** A provider that answers after so long, whatever its caller gives up meanwhile; Infinity: never. */
const provider = (name: string, afterMs: number): LiquidityProvider & { calls: AbortSignal[] } => {
  const calls: AbortSignal[] = [];
  const never = async (): Promise<never> => {
    throw new Error("not in this test");
  };
  return {
    name,
    calls,
    firm: (_, signal) => {
      calls.push(signal);
      return new Promise((resolve) => {
        if (Number.isFinite(afterMs)) setTimeout(() => resolve(REFUSED), afterMs);
      });
    },
    execute: never,
    query: never,
    cancel: never,
  };
};

const askingOf = (providers: LiquidityProvider[], circuits: Record<string, Circuit> = {}) => {
  const stragglers: Offer[] = [];
  const asking = new Asking({
    providers,
    deadlineMs: DEADLINE_MS,
    clock: Date,
    circuitOf: (name) => circuits[name] ?? "closed",
    straggler: (_, offer) => void stragglers.push(offer),
  });
  return { asking, stragglers };
};

const statuses = (offers: Offer[] | null) =>
  offers?.map(({ provider, answer, latencyMs }) => [provider, answer.outcome, latencyMs]);

/** What was asked, once it is answered: how long it took by the clock, and the answer. */
const timed = async (asked: Promise<Offer[] | null>) => {
  const startedAt = Date.now();
  const done = asked.then((offers) => ({ tookMs: Date.now() - startedAt, offers: statuses(offers) }));
  await vi.runAllTimersAsync();
  return done;
};

beforeEach(() => void vi.useFakeTimers({ now: 0 }));
afterEach(() => void vi.useRealTimers());

describe("asking providers", () => {
  it("asks all at once and waits no longer than the slowest, when all are in time", async () => {
    const { asking } = askingOf([provider("a", 100), provider("b", 300)]);
    expect(await timed(asking.ask(REQUEST))).toEqual({
      tookMs: 300,
      offers: [
        ["a", "refused", 100],
        ["b", "refused", 300],
      ],
    });
  });

  it("does not wait past the deadline, and gives up the call", async () => {
    const slow = provider("slow", 3_000);
    const { asking } = askingOf([provider("a", 100), slow]);
    expect(await timed(asking.ask(REQUEST))).toEqual({
      tookMs: DEADLINE_MS,
      offers: [
        ["a", "refused", 100],
        ["slow", "late", DEADLINE_MS + 1],
      ],
    });
    expect(slow.calls[0]?.aborted).toBe(true);
  });

  it("leaves one with an open circuit alone", async () => {
    const open = provider("open", 1);
    const { asking } = askingOf([provider("a", 100), open], { open: "open" });
    expect(await timed(asking.ask(REQUEST))).toEqual({
      tookMs: 100,
      offers: [
        ["a", "refused", 100],
        ["open", "not_asked", null],
      ],
    });
    expect(open.calls).toEqual([]);
  });

  it("probes a half-open one without waiting for it, once at a time, and tells what became of the probe", async () => {
    const probed = provider("probed", 500);
    const { asking, stragglers } = askingOf([provider("a", 100), probed], { probed: "half_open" });
    const [first, second] = [timed(asking.ask(REQUEST)), asking.ask(REQUEST)];
    expect((await first).offers).toEqual([
      ["a", "refused", 100],
      ["probed", "late", null],
    ]);
    expect((await first).tookMs).toBe(100);
    expect(statuses(await second)?.[1]).toEqual(["probed", "not_asked", null]);
    expect(probed.calls).toHaveLength(1);
    expect(statuses(stragglers)).toEqual([["probed", "refused", 500]]);
  });

  it("takes a probe's answer that came in time, and waits for it when there is nobody else", async () => {
    const { asking, stragglers } = askingOf([provider("quick", 50), provider("a", 100)], { quick: "half_open" });
    expect((await timed(asking.ask(REQUEST))).offers?.[0]).toEqual(["quick", "refused", 50]);
    const alone = askingOf([provider("only", 400)], { only: "half_open" });
    expect(await timed(alone.asking.ask(REQUEST))).toEqual({ tookMs: 400, offers: [["only", "refused", 400]] });
    expect([...stragglers, ...alone.stragglers]).toEqual([]);
  });

  it("takes so many requests at once and not one more", async () => {
    const { asking } = askingOf([provider("a", 100)]);
    const taken = Array.from({ length: MAX_ASKING }, () => asking.ask(REQUEST));
    expect(await asking.ask(REQUEST)).toBeNull();
    await vi.runAllTimersAsync();
    expect((await Promise.all(taken)).every((offers) => offers?.length === 1)).toBe(true);
    expect((await timed(asking.ask(REQUEST))).offers).toHaveLength(1);
  });
});
