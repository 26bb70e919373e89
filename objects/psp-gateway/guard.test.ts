import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import type { Attempt } from "./adapters/adapter.ts";
import { Breakers } from "./breaker.ts";
import { BULKHEAD, Bulkhead } from "./bulkhead.ts";
import { BREAKER_POLICY } from "./decide.ts";
import { Guard } from "./guard.ts";
import { fold, type GatewayState } from "./state.ts";

beforeEach(() => void vi.useFakeTimers({ now: Date.parse("2026-10-01T12:00:00.000Z") }));
afterEach(() => void vi.useRealTimers());

const LIMITS = { inFlight: 2, waiting: 3, waitMs: 2_000 };

/** Calls that end when the test says so. */
const held = () => {
  const ends: ((attempt: Attempt<string>) => void)[] = [];
  return { ends, call: () => new Promise<Attempt<string>>((resolve) => ends.push(resolve)) };
};
const good: Attempt<string> = { answer: "good", fault: false };

const guardOf = (limits = LIMITS) => {
  let state: GatewayState = fold.initial;
  const written: string[] = [];
  const breakers = new Breakers({
    breaker: (operation) => state.breakers[operation],
    write: (type, operation, cause, { openMs }) => {
      written.push(`${type} ${operation} ${cause}`);
      const recorded_at = new Date().toISOString();
      const data = { operation, open_ms: String(openMs) };
      state = fold.evolve(state, { type, recorded_at, data } as unknown as Parameters<typeof fold.evolve>[1]);
    },
  });
  const bulkhead = new Bulkhead(limits);
  return { guard: new Guard(breakers, bulkhead, { now: () => Date.now() }, 4_000), bulkhead, written };
};

describe("the bulkhead", () => {
  test("lets so many in, lines so many up, and turns the next away at once", async () => {
    const bulkhead = new Bulkhead(LIMITS);
    expect(await Promise.all([bulkhead.enter(), bulkhead.enter()])).toEqual([true, true]);
    const line = [bulkhead.enter(), bulkhead.enter(), bulkhead.enter()];
    expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([2, 3]);
    expect(await bulkhead.enter()).toBe(false);
    bulkhead.leave();
    expect(await line[0]).toBe(true);
    expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([2, 2]);
  });

  test("admits in order of arrival, and gives up a wait that is too long", async () => {
    const bulkhead = new Bulkhead({ ...LIMITS, inFlight: 1 });
    await bulkhead.enter();
    const admitted: string[] = [];
    const wait = (name: string) => bulkhead.enter().then((yes) => admitted.push(`${name} ${yes}`));
    const first = wait("first");
    await vi.advanceTimersByTimeAsync(1_500);
    const second = wait("second");
    await vi.advanceTimersByTimeAsync(500);
    await first;
    expect(admitted).toEqual(["first false"]);
    bulkhead.leave();
    await second;
    expect(admitted).toEqual(["first false", "second true"]);
    bulkhead.leave();
    expect([bulkhead.inFlight, bulkhead.waiting]).toEqual([0, 0]);
    await vi.advanceTimersByTimeAsync(10_000);
    expect(vi.getTimerCount()).toBe(0);
  });

  test("has the limits the design states", () => {
    expect(BULKHEAD).toEqual({ inFlight: 128, waiting: 512, waitMs: 2_000 });
  });
});

describe("the guard", () => {
  test("answers what the call came to, and leaves no timer behind", async () => {
    const { guard } = guardOf();
    expect(await guard.run("capture", "chg_1", async () => good)).toEqual({ made: true, answer: "good" });
    expect(vi.getTimerCount()).toBe(0);
  });

  test("gives a call its deadline", async () => {
    const { guard } = guardOf();
    let aborted = false;
    const running = guard.run(
      "capture",
      "chg_1",
      (signal) =>
        new Promise<Attempt<string>>((resolve) =>
          signal.addEventListener("abort", () => {
            aborted = true;
            resolve({ answer: "late", fault: true });
          }),
        ),
    );
    await vi.advanceTimersByTimeAsync(3_999);
    expect(aborted).toBe(false);
    await vi.advanceTimersByTimeAsync(1);
    expect(await running).toEqual({ made: true, answer: "late" });
  });

  test("does not make a call it has no room for", async () => {
    const { guard, bulkhead } = guardOf();
    const { ends, call } = held();
    const running = Array.from({ length: 5 }, () => guard.run("capture", "chg_1", call));
    expect(await guard.run("capture", "chg_6", call)).toEqual({
      made: false,
      retryAfterMs: 500,
      detail: expect.any(String),
    });
    await vi.advanceTimersByTimeAsync(2_000);
    expect(ends).toHaveLength(2);
    for (const end of ends) end(good);
    const made = (await Promise.all(running)).map((guarded) => guarded.made);
    expect(made).toEqual([true, true, false, false, false]);
    expect(bulkhead.inFlight).toBe(0);
  });

  test("asks the breaker again after the wait in line", async () => {
    const { guard, bulkhead, written } = guardOf({ ...LIMITS, inFlight: 1 });
    const { ends, call } = held();
    const broken: Attempt<string> = { answer: "broken", fault: true };
    for (let n = 1; n < BREAKER_POLICY.faults; n++) {
      await guard.run("capture", "chg_1", async () => broken);
      vi.advanceTimersByTime(BREAKER_POLICY.spanMs);
    }
    const last = guard.run("capture", "chg_2", call);
    await vi.advanceTimersByTimeAsync(0);
    const waiting = guard.run("capture", "chg_3", call);
    ends[0]?.(broken);
    expect(await last).toEqual({ made: true, answer: "broken" });
    expect(await waiting).toMatchObject({ made: false, retryAfterMs: BREAKER_POLICY.openMs });
    expect(ends).toHaveLength(1);
    expect(bulkhead.inFlight).toBe(0);
    expect(await guard.run("capture", "chg_4", call)).toMatchObject({ made: false });
    expect(await guard.run("query", "chg_4", async () => good)).toMatchObject({ made: true });
    expect(written).toEqual(["breaker.opened capture chg_2"]);
  });

  test("counts a call that throws as a fault and gives its place back", async () => {
    const { guard, bulkhead } = guardOf();
    const boom = async (): Promise<Attempt<string>> => {
      throw new Error("boom");
    };
    await expect(guard.run("capture", "chg_1", boom)).rejects.toThrow("boom");
    expect(bulkhead.inFlight).toBe(0);
  });
});
