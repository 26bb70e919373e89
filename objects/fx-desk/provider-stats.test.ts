import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Asked } from "./events.ts";
import {
  afterAsking,
  afterFill,
  afterRefusal,
  afterTrading,
  CIRCUIT,
  circuitOf,
  NEW_PROVIDER,
  type ProviderStats,
  providerRecord,
} from "./provider-stats.ts";

const T0 = 1_000_000;
const asked = (status: Asked["status"], latencyMs = 20): Asked => ({
  provider: "lp",
  status,
  latency_ms: String(latencyMs),
});
const answered = (answers: Asked[], from: ProviderStats = NEW_PROVIDER, atMs = T0): ProviderStats =>
  answers.reduce((stats, answer) => afterAsking(stats, answer, atMs), from);
const record = (stats: ProviderStats, nowMs = T0) =>
  providerRecord("lp", stats, { deadlineMs: 800, target: "0.99" }, nowMs);

const LATE = asked("late", 801);

describe("a provider's circuit", () => {
  it("opens with the third miss in a row, and not when an answer came between", () => {
    expect(circuitOf(answered([LATE, LATE]), T0)).toBe("closed");
    expect(circuitOf(answered([LATE, LATE, LATE]), T0)).toBe("open");
    expect(circuitOf(answered([LATE, LATE, asked("beaten"), LATE, LATE]), T0)).toBe("closed");
    expect(circuitOf(answered([asked("unreachable"), LATE, asked("unreachable")]), T0)).toBe("open");
  });

  it("is probed when its time is up, closes with a good answer and stays open twice as long after a bad one", () => {
    const open = answered([LATE, LATE, LATE]);
    const end = T0 + CIRCUIT.openMs;
    expect([circuitOf(open, end - 1), circuitOf(open, end)]).toEqual(["open", "half_open"]);
    expect(circuitOf(answered([asked("beaten")], open, end), end)).toBe("closed");
    const again = answered([LATE], open, end);
    expect([circuitOf(again, end + 2 * CIRCUIT.openMs - 1), circuitOf(again, end + 2 * CIRCUIT.openMs)]).toEqual([
      "open",
      "half_open",
    ]);
  });

  it("is opened no further by those who had asked before it opened, and never for longer than five minutes", () => {
    const open = answered([LATE, LATE, LATE]);
    expect(answered([LATE, LATE], open, T0 + 10).openUntil).toBe(open.openUntil);
    let stats = open;
    for (let n = 0; n < 10; n++) stats = answered([LATE], stats, stats.openUntil ?? 0);
    expect(stats.openMs).toBe(CIRCUIT.longestMs);
  });

  it("does not count an off-market rate or a refusal as a miss: they kept nobody waiting", () => {
    const stats = answered([asked("off_market"), asked("refused"), asked("off_market"), asked("refused")]);
    expect(record(stats)).toMatchObject({ state: "closed", asked: 4, answered: 4, off_market: 2, late: 0 });
  });
});

describe("a provider's service", () => {
  it("is nothing before it was asked", () => {
    expect(record(NEW_PROVIDER)).toEqual({
      provider: "lp",
      state: "closed",
      asked: 0,
      answered: 0,
      late: 0,
      off_market: 0,
      won: 0,
      trades: 0,
      filled: 0,
      fill_rate: null,
      latency_p50_ms: null,
      latency_p95_ms: null,
      slippage_bps: null,
      score: "1.0000",
      sla: { deadline_ms: 800, met: null, target: "0.99", ok: null },
    });
  });

  it("is measured against the deadline and its target", () => {
    const good = Array.from({ length: 99 }, () => asked("best", 30));
    expect(record(answered([...good, LATE])).sla).toEqual({
      deadline_ms: 800,
      met: "0.9900",
      target: "0.99",
      ok: true,
    });
    expect(record(answered([...good.slice(1), LATE])).sla).toMatchObject({ met: "0.9898", ok: false });
    expect(record(answered([...good, LATE]))).toMatchObject({ won: 99, latency_p50_ms: 50, latency_p95_ms: 50 });
  });

  it("does not count a question that was not put, or whose answer is told of elsewhere", () => {
    expect(
      answered([
        { provider: "lp", status: "not_asked" },
        { provider: "lp", status: "late" },
      ]),
    ).toBe(NEW_PROVIDER);
  });

  it("counts fills of trades, and what they fall short of their quotes", () => {
    const trading = afterTrading(afterTrading(afterTrading(NEW_PROVIDER)));
    const stats = afterRefusal(afterFill(afterFill(trading, 250), -50));
    expect(record(stats)).toMatchObject({ trades: 3, filled: 2, fill_rate: "0.6666", slippage_bps: "1.00" });
  });

  it("costs score when it is late, off the market, refused or slips, and stays between nothing and one", () => {
    for (const worse of [
      answered([LATE]),
      answered([asked("off_market")]),
      afterRefusal(NEW_PROVIDER),
      afterFill(NEW_PROVIDER, 100),
    ]) {
      expect(worse.score).toBeLessThan(NEW_PROVIDER.score);
    }
    fc.assert(
      fc.property(fc.array(fc.constantFrom<Asked["status"]>("best", "late", "off_market", "beaten")), (statuses) => {
        const { score } = answered(statuses.map((status) => asked(status)));
        expect(score).toBeGreaterThanOrEqual(0);
        expect(score).toBeLessThanOrEqual(1_000_000);
        expect(answered([LATE], { ...NEW_PROVIDER, score }).score).toBeLessThanOrEqual(score);
      }),
    );
  });
});
