import { describe, expect, test } from "vitest";
import { tpsIn } from "./baseline/pgbench.ts";
import { pgbenchProgram, postgresFolder } from "./baseline/programs.ts";
import { sqlFolder } from "./baseline/target.ts";
import { Histogram } from "./load/histogram.ts";
import { benchOptions } from "./options.ts";
import { tableOf } from "./report.ts";
import { bestOf, type Outcome } from "./run.ts";
import { ADMISSION, ONE_ROW_CALL, TO_FRAME } from "./scenarios/feeds.ts";
import { exitCode, honesty, judge, type Pair, voidReason } from "./verdict.ts";

const outcome = (perSecond: number, p99Ms = 10, faults: string[] = [], units = 1): Outcome => {
  const histogram = new Histogram();
  histogram.record(p99Ms);
  const load = { kind: "closed" as const, inFlight: 16, seconds: 1, failed: 0, lost: 0, faults: [] };
  return {
    scenario: { name: "a scenario", about: "about it", kind: "load" },
    unit: "charge",
    units,
    loads: [{ ...load, perSecond, latency: histogram.summary() }],
    timed: [],
    notes: [],
    verdicts: [],
    faults,
  };
};

const HOT_POD = "charges one pod";
const judged = (pair: Pair, voided: string | null = null) =>
  judge(new Map([[HOT_POD, pair]]), new Set([HOT_POD]), voided);

describe("the verdict", () => {
  test("holds what reaches its ratio, and misses what falls short of it", () => {
    const held = judged({ ours: outcome(300), theirs: outcome(100) });
    expect(held.map(({ verdict }) => verdict)).toEqual(["held", "held"]);
    const missed = judged({ ours: outcome(299, 11), theirs: outcome(100, 10) });
    expect(missed.map(({ verdict }) => verdict)).toEqual(["missed", "missed"]);
    expect(exitCode(held, [])).toBe(0);
    expect(exitCode(missed, [])).toBe(1);
  });

  test("says not measured, and ends with 2, where there is no baseline", () => {
    const rows = judged({ ours: outcome(300) });
    expect(rows.map(({ verdict, why }) => [verdict, why])).toEqual(Array(2).fill(["not measured", "no baseline"]));
    expect(exitCode(rows, [])).toBe(2);
  });

  test("takes no figure from a scenario that left something wrong, on either side", () => {
    const wrong = outcome(900, 1, ["a cent is missing"]);
    expect(bestOf(wrong)).toBeNull();
    for (const pair of [
      { ours: wrong, theirs: outcome(1) },
      { ours: outcome(1), theirs: wrong },
    ]) {
      expect(judged(pair).map(({ verdict }) => verdict)).toEqual(["not measured", "not measured"]);
    }
    expect(exitCode([], [wrong])).toBe(1);
    expect(tableOf(wrong, "crowdpay")).toContain("no figure");
    expect(tableOf(wrong, "crowdpay")).not.toContain("900");
  });

  test("counts no ratio against a baseline that does less than 0.7 of what pgbench does", () => {
    expect(honesty(outcome(70), 100)).toEqual({ share: 0.7, honest: true });
    const slow = honesty(outcome(69), 100);
    const reason = voidReason(slow, new Set(["transfers uniform"]));
    expect(reason).toBe("the baseline does 0.69 of what pgbench does");
    expect(judged({ ours: outcome(300), theirs: outcome(100) }, reason)[0]?.verdict).toBe("not measured");
    expect(voidReason(null, new Set(["transfers uniform"]))).not.toBeNull();
  });

  test("says of each ratio what bare actors have of it, and holds ours against the wanted all the same", () => {
    const [rate, p99] = judged({ ours: outcome(41, 30), theirs: outcome(100, 10), floor: outcome(188, 20) });
    expect(rate).toMatchObject({ ratio: 0.41, floor: 1.88, verdict: "missed" });
    expect(p99?.floor).toBeCloseTo(0.5);
    expect(judged({ ours: outcome(41), theirs: outcome(100) })[0]?.floor).toBeNull();
    expect(judged({ theirs: outcome(100), floor: outcome(188) })[0]).toMatchObject({ verdict: "not measured" });
  });

  test("counts a batch by its transfers", () => {
    const pairs = new Map<string, Pair>([
      ["batches", { ours: outcome(2, 10, [], 1_000) }],
      ["transfers uniform", { theirs: outcome(200) }],
    ]);
    expect(judge(pairs, new Set(["batches"]), null)).toMatchObject([{ ratio: 10, verdict: "held" }]);
  });
});

/** A probe's outcome: of each thing it timed, how long it took, and how often a second where that was counted. */
const probed = (timed: Record<string, { ms: number; perSecond?: number }>, faults: string[] = []): Outcome => ({
  ...outcome(1, 1, faults),
  loads: [],
  timed: Object.entries(timed).map(([what, { ms, perSecond }]) => {
    const histogram = new Histogram();
    histogram.record(ms);
    return { what, latency: histogram.summary(), ...(perSecond === undefined ? {} : { perSecond }) };
  }),
});

describe("the verdict on the feed", () => {
  const fanOut = (ours: Outcome, theirs?: Outcome) => {
    const pair: Pair = theirs === undefined ? { ours } : { ours, theirs };
    return judge(new Map([["feed fan-out", pair]]), new Set(["feed fan-out"]), null);
  };
  const frames = (perSecond: number, faults: string[] = []) => probed({ [TO_FRAME]: { ms: 9, perSecond } }, faults);
  const lag = (p99: number, faults: string[] = []) =>
    probed({ [TO_FRAME]: { ms: p99 }, [ONE_ROW_CALL]: { ms: 1.5 }, [ADMISSION]: { ms: 0.5 } }, faults);
  const judgedLag = (ours: Outcome, voided: string | null = null) =>
    judge(new Map([["lag feed", { ours }]]), new Set(["lag feed"]), voided);

  test("holds a fan-out that delivers as many frames a second as the baseline's, and misses one that does not", () => {
    expect(fanOut(frames(100), frames(100))).toMatchObject([{ ratio: 1, wanted: "≥ 1", verdict: "held" }]);
    expect(fanOut(frames(99), frames(100))).toMatchObject([{ verdict: "missed" }]);
  });

  test("takes no figure from a fan-out that left somebody out, nor from one alone", () => {
    expect(fanOut(frames(900), frames(1, ["a socket was told 1 of 2 events"]))).toMatchObject([{ why: "no figure" }]);
    expect(fanOut(frames(900))).toMatchObject([{ verdict: "not measured", why: "no baseline" }]);
  });

  test("holds a lag of at most five one-row calls, the way to the actor not counted among them", () => {
    expect(judgedLag(lag(4.99))).toMatchObject([{ wanted: "≤ 5", verdict: "held" }]);
    expect(judgedLag(lag(5.01))).toMatchObject([{ verdict: "missed" }]);
    expect(judgedLag(lag(1, ["a socket was told 1 of 2 events"]))).toMatchObject([{ why: "no figure" }]);
  });

  test("needs no baseline for the lag, whatever is wrong with it", () => {
    expect(judgedLag(lag(4), "the baseline is slow")).toMatchObject([{ verdict: "held" }]);
  });
});

describe("the baseline's programs", () => {
  test("are not found where there are none", () => {
    // The usual folders are looked at all the same: a machine with PostgreSQL finds it without any PATH.
    for (const found of [postgresFolder("/nowhere"), pgbenchProgram("/nowhere")]) {
      expect(found === null || !found.startsWith("/nowhere")).toBe(true);
    }
  });

  test("say their rate in a line of their own", () => {
    expect(tpsIn("latency average = 1.2 ms\ntps = 812.402951 (without initial connection time)\n")).toBe(812.402951);
    expect(tpsIn("pgbench: error")).toBeNull();
  });

  test("read another ledger's SQL where BASELINE_SQL says so", () => {
    expect(sqlFolder({ BASELINE_SQL: "/tmp/other" })).toBe("/tmp/other");
    expect(sqlFolder({})).toMatch(/bench\/baseline\/sql$/);
  });
});

describe("the command line", () => {
  test("measures everything at length unless it is told otherwise", () => {
    const { run, only, withBaseline } = benchOptions([]);
    expect([run.seconds, run.fillSeconds, run.inFlight]).toEqual([10, 180, [1, 16, 64, 256]]);
    expect([only, withBaseline]).toEqual([null, true]);
    expect(benchOptions(["--fill", "7200"]).run.fillSeconds).toBe(7_200);
    expect(benchOptions(["--quick", "--only", "hot"])).toMatchObject({
      run: { seconds: 2, restSeconds: 0, fillSeconds: 20 },
      only: "hot",
    });
  });

  test("refuses what it cannot mean", () => {
    for (const args of [["--seconds", "0"], ["--in-flight", "1,x"], ["--rest", "-1"], ["--fill", "0"], ["--fast"]]) {
      expect(() => benchOptions(args)).toThrow();
    }
  });
});
