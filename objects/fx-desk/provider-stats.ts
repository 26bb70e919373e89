import type { ProviderRecord } from "../../schema/rpc/desk.ts";
import type { Asked } from "./events.ts";

/** What the log knows of one provider: counts, a histogram of latencies, a score, and where its circuit stands. Whole numbers all. */
export type ProviderStats = {
  readonly asked: number;
  readonly answered: number;
  readonly late: number;
  readonly offMarket: number;
  readonly won: number;
  readonly trades: number;
  readonly filled: number;
  /** Of all fills together, hundredths of a basis point. */
  readonly slippage: number;
  /** Counts by {@link BOUNDS_MS}, and one more for what lies above the last. */
  readonly latencies: readonly number[];
  /** Millionths, 0 … 1,000,000. */
  readonly score: number;
  /** Late or unreachable, in a row. */
  readonly misses: number;
  /** Until when the provider is not asked, milliseconds; null: the circuit is closed. */
  readonly openUntil: number | null;
  readonly openMs: number;
};

/** Upper ends of the histogram's classes, milliseconds. */
export const BOUNDS_MS = [10, 25, 50, 75, 100, 150, 200, 300, 400, 600, 800, 1_000, 1_500, 2_000, 3_000, 5_000, 10_000];

/** Misses in a row that open a circuit; for how long, doubled with each probe that fails. */
export const CIRCUIT = { misses: 3, openMs: 30_000, longestMs: 300_000 } as const;

const ONE = 1_000_000;
/** Weight of the newest answer in the score: one in sixteen. */
const MEMORY = 16;
/** A slippage of this many hundredths of a basis point is as bad as no fill. */
const WORST_SLIPPAGE = 2_000;

export const NEW_PROVIDER: ProviderStats = {
  asked: 0,
  answered: 0,
  late: 0,
  offMarket: 0,
  won: 0,
  trades: 0,
  filled: 0,
  slippage: 0,
  latencies: Array.from({ length: BOUNDS_MS.length + 1 }, () => 0),
  score: ONE,
  misses: 0,
  openUntil: null,
  openMs: CIRCUIT.openMs,
};

export type Circuit = "closed" | "open" | "half_open";

export const circuitOf = (stats: ProviderStats, nowMs: number): Circuit => {
  if (stats.openUntil === null) return "closed";
  // A clock that was set far back must not keep it open until it has caught up.
  return nowMs < stats.openUntil && nowMs >= stats.openUntil - stats.openMs ? "open" : "half_open";
};

const scored = (score: number, value: number): number => score + Math.trunc((value - score) / MEMORY);

const classOf = (latencyMs: number): number => {
  const index = BOUNDS_MS.findIndex((bound) => latencyMs <= bound);
  return index === -1 ? BOUNDS_MS.length : index;
};

const GOOD: ReadonlySet<Asked["status"]> = new Set(["best", "beaten"]);
const MISSED: ReadonlySet<Asked["status"]> = new Set(["late", "unreachable"]);

const missed = (stats: ProviderStats, atMs: number): Pick<ProviderStats, "misses" | "openUntil" | "openMs"> => {
  const misses = stats.misses + 1;
  if (misses < CIRCUIT.misses) return { misses, openUntil: null, openMs: stats.openMs };
  // A miss of somebody who asked while the circuit was closed opens it no further.
  if (stats.openUntil !== null && atMs < stats.openUntil) {
    return { misses, openUntil: stats.openUntil, openMs: stats.openMs };
  }
  const openMs = stats.openUntil === null ? CIRCUIT.openMs : Math.min(stats.openMs * 2, CIRCUIT.longestMs);
  return { misses, openUntil: atMs + openMs, openMs };
};

/** The provider after one question, recorded at `atMs`. One that was not asked, or is told of elsewhere, stays as it is. */
export const afterAsking = (stats: ProviderStats, { status, latency_ms }: Asked, atMs: number): ProviderStats => {
  if (status === "not_asked" || latency_ms === undefined) return stats;
  const index = classOf(Number(latency_ms));
  const circuit = MISSED.has(status) ? missed(stats, atMs) : { misses: 0, openUntil: null, openMs: CIRCUIT.openMs };
  return {
    ...stats,
    ...circuit,
    asked: stats.asked + 1,
    answered: stats.answered + (MISSED.has(status) ? 0 : 1),
    late: stats.late + (status === "late" ? 1 : 0),
    offMarket: stats.offMarket + (status === "off_market" ? 1 : 0),
    won: stats.won + (status === "best" ? 1 : 0),
    latencies: stats.latencies.map((count, at) => (at === index ? count + 1 : count)),
    score: scored(stats.score, GOOD.has(status) ? ONE : 0),
  };
};

export const afterTrading = (stats: ProviderStats): ProviderStats => ({ ...stats, trades: stats.trades + 1 });

/** `slippage`: of this fill, hundredths of a basis point. */
export const afterFill = (stats: ProviderStats, slippage: number): ProviderStats => {
  const lost = Math.min(WORST_SLIPPAGE, Math.max(0, slippage));
  return {
    ...stats,
    filled: stats.filled + 1,
    slippage: stats.slippage + slippage,
    score: scored(stats.score, ONE - Math.trunc((ONE * lost) / WORST_SLIPPAGE)),
  };
};

export const afterRefusal = (stats: ProviderStats): ProviderStats => ({ ...stats, score: scored(stats.score, 0) });

/** A share as a decimal string of four places, rounded down; null of nothing. */
const share = (part: number, whole: number): string | null => {
  if (whole === 0) return null;
  const parts = Math.floor((part * 10_000) / whole);
  return `${Math.floor(parts / 10_000)}.${String(parts % 10_000).padStart(4, "0")}`;
};

/** The upper end of the class that holds this percentile; of what lies above the last, its lower end. */
const percentile = (latencies: readonly number[], percent: number): number | null => {
  const total = latencies.reduce((sum, count) => sum + count, 0);
  if (total === 0) return null;
  const rank = Math.ceil((total * percent) / 100);
  let seen = 0;
  for (const [index, count] of latencies.entries()) {
    seen += count;
    if (seen >= rank) return BOUNDS_MS[Math.min(index, BOUNDS_MS.length - 1)] ?? null;
  }
  return null;
};

const hundredths = (sum: number, count: number): string | null => {
  if (count === 0) return null;
  const mean = Math.round(sum / count);
  const size = String(Math.abs(mean)).padStart(3, "0");
  return `${mean < 0 ? "-" : ""}${size.slice(0, -2)}.${size.slice(-2)}`;
};

const TEN_THOUSAND = 10_000;

/** The provider as operators see it, its service measured against a deadline and a target share. */
export const providerRecord = (
  provider: string,
  stats: ProviderStats,
  sla: { deadlineMs: number; target: string },
  nowMs: number,
): ProviderRecord => {
  const { asked, answered, trades, filled } = stats;
  return {
    provider,
    state: circuitOf(stats, nowMs),
    asked,
    answered,
    late: stats.late,
    off_market: stats.offMarket,
    won: stats.won,
    trades,
    filled,
    fill_rate: share(filled, trades),
    latency_p50_ms: percentile(stats.latencies, 50),
    latency_p95_ms: percentile(stats.latencies, 95),
    slippage_bps: hundredths(stats.slippage, filled),
    score: share(stats.score, ONE) ?? "0.0000",
    sla: {
      deadline_ms: sla.deadlineMs,
      met: share(answered, asked),
      target: sla.target,
      ok: asked === 0 ? null : answered * TEN_THOUSAND >= Math.round(Number(sla.target) * TEN_THOUSAND) * asked,
    },
  };
};
