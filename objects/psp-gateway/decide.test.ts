import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { type EventBody, type JsonObject, type JsonValue, SYSTEM } from "../../schema/events.ts";
import { Breakers } from "./breaker.ts";
import { BREAKER_POLICY } from "./decide.ts";
import { fold, type GatewayState, type Operation } from "./state.ts";

const { faults, spanMs, forgetMs, openMs, longestOpenMs, probes } = BREAKER_POLICY;
const TIMEOUT = 4_000;

/** The breakers over a log of their own, with a clock the test turns. */
class Bench {
  now = Date.parse("2026-10-01T12:00:00.000Z");
  state: GatewayState = fold.initial;
  readonly events: EventBody[] = [];
  readonly breakers = new Breakers({
    breaker: (operation) => this.state.breakers[operation],
    write: (type, operation, cause, { failures, openMs }) => {
      const opened = type === "breaker.opened" ? { failures: String(failures), open_ms: String(openMs) } : {};
      this.#append(type, cause, { connector: "sandbox", operation, ...opened });
    },
  });

  #append(type: string, correlation: string, data: JsonObject): void {
    const recorded_at = new Date(this.now).toISOString();
    const seq = String(this.events.length + 1);
    const body: EventBody = {
      stream: "psp/sandbox",
      seq,
      id: `evt_${seq}`,
      type,
      version: "1",
      recorded_at,
      effective_at: recorded_at,
      correlation,
      causation: null,
      principal: SYSTEM,
      data,
    };
    this.events.push(body);
    this.state = fold.evolve(this.state, body);
  }

  enter(operation: Operation = "capture") {
    return this.breakers.enter(operation, "chg_1", this.now);
  }

  /** Lets a call in; the answer says what became of it, or that it was refused. */
  begin(operation: Operation = "capture"): ((fault: boolean) => void) | null {
    const pass = this.enter(operation);
    if ("retryAfterMs" in pass) return null;
    return (fault) => this.breakers.leave(operation, "chg_1", pass, fault, this.now);
  }

  call(fault: boolean, operation: Operation = "capture"): boolean {
    const end = this.begin(operation);
    end?.(fault);
    return end !== null;
  }

  /** Faults in a row, far enough apart to be an outage. */
  breakDown(operation: Operation = "capture"): void {
    for (let n = 0; n < faults; n++) {
      if (n > 0) this.now += Math.ceil(spanMs / (faults - 1));
      this.call(true, operation);
    }
  }

  get at() {
    return this.state.breakers.capture.state;
  }
  get log() {
    return this.events.map(({ type }) => type.slice("breaker.".length));
  }
}

describe("a breaker", () => {
  test(`opens at ${faults} faults in a row, not at one fewer`, () => {
    const bench = new Bench();
    for (let n = 1; n < faults; n++) {
      bench.call(true);
      bench.now += spanMs;
    }
    expect(bench.at).toBe("closed");
    bench.call(true);
    expect(bench.at).toBe("open");
    expect(bench.events.at(-1)?.data).toEqual({
      connector: "sandbox",
      operation: "capture",
      failures: String(faults),
      open_ms: String(openMs),
    });
  });

  test("does not open for a burst of calls that fail together", () => {
    const bench = new Bench();
    const calls = Array.from({ length: 100 }, () => bench.begin());
    bench.now += TIMEOUT;
    for (const end of calls) end?.(true);
    expect(bench.at).toBe("closed");
    bench.now += spanMs - 1;
    bench.call(true);
    expect(bench.at).toBe("closed");
    bench.now += 1;
    bench.call(true);
    expect(bench.at).toBe("open");
  });

  test("does not open for 20 timeouts among 200 calls that go well, in whatever order they start", () => {
    const kinds = fc.shuffledSubarray(
      Array.from({ length: 220 }, (_, n) => n < 20),
      { minLength: 220 },
    );
    fc.assert(
      fc.property(kinds, fc.integer({ min: 0, max: 40 }), (timeouts, gapMs) => {
        const bench = new Bench();
        const pending: { at: number; end: (fault: boolean) => void; fault: boolean }[] = [];
        const drain = (until: number) => {
          pending.sort((a, b) => a.at - b.at);
          while (pending[0] !== undefined && pending[0].at <= until) {
            const { at, end, fault } = pending.shift() as (typeof pending)[number];
            bench.now = Math.max(bench.now, at);
            end(fault);
          }
        };
        for (const timesOut of timeouts) {
          const end = bench.begin();
          if (end === null) throw new Error("a call was refused");
          pending.push({ at: bench.now + (timesOut ? TIMEOUT : 30), end, fault: timesOut });
          drain(bench.now + gapMs);
          bench.now += gapMs;
        }
        drain(Number.POSITIVE_INFINITY);
        expect(bench.events).toEqual([]);
      }),
      { numRuns: 50 },
    );
  });

  test("starts the row anew after a good call, and after a long time without a fault", () => {
    const bench = new Bench();
    const sixFaults = () => {
      for (let n = 0; n < faults - 1; n++) {
        bench.call(true);
        bench.now += spanMs;
      }
    };
    sixFaults();
    bench.call(false);
    bench.now += 1;
    sixFaults();
    expect(bench.breakers.faults("capture")).toBe(faults - 1);
    bench.now += forgetMs;
    bench.call(true);
    expect(bench.breakers.faults("capture")).toBe(1);
    expect(bench.log).toEqual([]);
  });

  test("that is open lets nothing through until its time is up, and says when", () => {
    const bench = new Bench();
    bench.breakDown();
    expect(bench.enter()).toMatchObject({ retryAfterMs: openMs });
    bench.now += openMs - 1;
    expect(bench.enter()).toMatchObject({ retryAfterMs: 1 });
    expect(bench.log).toEqual(["opened"]);
    bench.now += 1;
    expect(bench.call(false)).toBe(true);
    expect(bench.log).toEqual(["opened", "half_opened", "closed"]);
  });

  test(`that is half open lets ${probes} probes through at a time and not one more`, () => {
    const bench = new Bench();
    bench.breakDown();
    bench.now += openMs;
    for (let n = 0; n < probes; n++) expect(bench.begin()).not.toBeNull();
    expect(bench.begin()).toBeNull();
    expect(bench.log).toEqual(["opened", "half_opened"]);
  });

  test("that a probe finds broken opens again for twice as long, up to a limit", () => {
    const bench = new Bench();
    bench.breakDown();
    const waits: number[] = [];
    for (let n = 0; n < 5; n++) {
      bench.now += bench.state.breakers.capture.openMs;
      bench.call(true);
      waits.push(bench.state.breakers.capture.openMs);
    }
    expect(waits).toEqual([2 * openMs, 4 * openMs, longestOpenMs, longestOpenMs, longestOpenMs]);
    bench.now += longestOpenMs;
    bench.call(false);
    expect(bench.at).toBe("closed");
    bench.now += 1;
    bench.breakDown();
    expect(bench.state.breakers.capture.openMs).toBe(openMs);
  });

  test.each([
    ["a late fault does not open it", true, "closed"],
    ["a late good call does not count either", false, "closed"],
  ])("has heard enough of a call let in before its last transition: %s", (_, late, end) => {
    const bench = new Bench();
    const early = bench.begin();
    bench.breakDown();
    early?.(!late);
    expect(bench.at).toBe("open");
    bench.now += openMs;
    const probe = bench.begin();
    const second = bench.begin();
    probe?.(false);
    second?.(late);
    expect(bench.at).toBe(end);
    expect(bench.log).toEqual(["opened", "half_opened", "closed"]);
  });

  test("does not stay open for as long as a clock was set back", () => {
    const bench = new Bench();
    bench.breakDown();
    bench.now -= openMs;
    expect(bench.enter()).toMatchObject({ retryAfterMs: 2 * openMs });
    bench.now -= 1;
    expect(bench.call(false)).toBe(true);
  });

  test("stands in front of one operation only", () => {
    const bench = new Bench();
    bench.breakDown("capture");
    expect(bench.call(false, "capture")).toBe(false);
    for (const operation of ["query", "void", "lookup"] as const) expect(bench.call(true, operation)).toBe(true);
  });
});

describe("the breakers' log", () => {
  const step = fc.oneof(
    fc.record({
      do: fc.constant("call" as const),
      operation: fc.constantFrom("capture", "query"),
      fault: fc.boolean(),
    }),
    fc.record({ do: fc.constant("wait" as const), ms: fc.integer({ min: 0, max: 30_000 }) }),
  );

  test("has transitions only, and folds to the same state from any snapshot", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), fc.nat(), (steps, at) => {
        const bench = new Bench();
        for (const each of steps) {
          if (each.do === "wait") bench.now += each.ms;
          else bench.call(each.fault, each.operation as Operation);
        }
        const cut = at % (bench.events.length + 1);
        const snapshot = bench.events.slice(0, cut).reduce(fold.evolve, fold.initial);
        const reloaded = fold.decode(JSON.parse(JSON.stringify(fold.encode(snapshot))) as JsonValue);
        const resumed = bench.events.slice(cut).reduce(fold.evolve, reloaded);
        expect(resumed).toEqual(bench.state);
        expect(fold.summary(resumed)).toBe(fold.summary(bench.state));
      }),
    );
  });

  test("is refused when it holds what no gateway writes", () => {
    const bench = new Bench();
    bench.breakDown();
    const event = bench.events[0] as EventBody;
    expect(() => fold.evolve(fold.initial, { ...event, type: "breaker.melted" })).toThrow("breaker.melted");
    expect(() => fold.evolve(fold.initial, { ...event, data: { operation: "refund" } })).toThrow("refund");
  });
});
