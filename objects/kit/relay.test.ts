import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { MAX_EVENT_DATA_BYTES } from "../../schema/events.ts";
import { countOf, MAX_RUN_EVENTS, type RunMessage } from "../../schema/run-message.ts";
import type { EventLog } from "./event-log.ts";
import type { StoredEvent } from "./log-rows.ts";
import { cutRuns, GATHER_MS, looksSince, MOST_GATHERED_MS, MOST_WHILE_OPEN_MS, nextCheck, Relay } from "./relay.ts";
import type { Timers } from "./timers.ts";

const STREAM = "account/pod:pod_01:EUR";
const BEFORE = "0".repeat(64);
const bytesOf = (value: unknown): number => Buffer.byteLength(JSON.stringify(value), "utf8");

/** An event as it is stored, of this many characters. */
const stored = (seq: number, chars: number, filler = "x"): StoredEvent => ({
  seq,
  body: filler.repeat(chars),
  hash: String(seq).padStart(64, "f"),
});
const storedOf = (sizes: readonly number[]): StoredEvent[] => sizes.map((chars, i) => stored(i + 1, chars));
const cut = (head: number, events: readonly StoredEvent[]) => cutRuns(STREAM, head, BEFORE, events);
/** What surrounds an event's data, generously. */
const ENVELOPE = 1_500;

describe("a log is cut into runs", () => {
  test("of 64 events: the 65th begins another", () => {
    expect(cut(64, storedOf(Array(MAX_RUN_EVENTS).fill(1))).map(countOf)).toEqual([64]);
    expect(cut(65, storedOf(Array(MAX_RUN_EVENTS + 1).fill(1))).map(countOf)).toEqual([64, 1]);
    expect(cut(7, [])).toEqual([]);
  });

  test("of 40,000 characters, line breaks included: one more begins another", () => {
    expect(cut(2, storedOf([30_000, 9_999]))).toHaveLength(1);
    expect(cut(2, storedOf([30_000, 10_000]))).toHaveLength(2);
  });

  test("that fit into a message and two of them into a call, whatever characters they are of", () => {
    for (const filler of ["x", "é", "€", '"', "\\"]) {
      const [full, next] = cut(
        3,
        [1, 2, 3].map((seq) => stored(seq, 19_998, filler)),
      );
      expect(countOf(full as RunMessage)).toBe(2);
      expect(bytesOf(full)).toBeLessThan(128_000);
      expect(bytesOf(full) * 2).toBeLessThan(256_000);
      expect(countOf(next as RunMessage)).toBe(1);
    }
    const [largest] = cut(1, [stored(1, MAX_EVENT_DATA_BYTES + ENVELOPE, '"')]);
    expect(bytesOf(largest)).toBeLessThan(128_000);
  });

  test("that hold every event once, in order, chained one to the next, within both bounds", () => {
    const sizes = fc.array(fc.integer({ min: 1, max: MAX_EVENT_DATA_BYTES + ENVELOPE }), { maxLength: 150 });
    fc.assert(
      fc.property(sizes, fc.nat(1_000), (chars, ahead) => {
        const events = storedOf(chars);
        const head = events.length + ahead;
        const runs = cut(head, events);
        expect(runs.flatMap((run) => run.events.split("\n"))).toEqual(events.map(({ body }) => body));
        let [from, before] = [1, BEFORE];
        for (const run of runs) {
          expect(run).toMatchObject({ stream: STREAM, from, head, prev_hash: before });
          expect(countOf(run)).toBeLessThanOrEqual(MAX_RUN_EVENTS);
          expect(run.events.length).toBeLessThanOrEqual(40_000);
          from += countOf(run);
          before = run.hash;
        }
        expect(before).toBe(events.at(-1)?.hash ?? BEFORE);
      }),
      { numRuns: 50 },
    );
  });
});

describe("the consumers are looked at", () => {
  test("at doubling gaps from a quarter of a minute, at most an hour apart", () => {
    const gaps = [1, 2, 3, 4, 5, 8, 9, 10, 11, 1_000].map((look) => (nextCheck(5_000, look) - 5_000) / 1_000);
    expect(gaps).toEqual([15, 30, 60, 120, 240, 1_920, 3_600, 3_600, 3_600, 3_600]);
  });

  test("as often as the newest event's age says, whatever was forgotten in between", () => {
    let now = 8_000;
    const looks = [now / 1_000];
    for (let look = 0; look < 10; look++) {
      now = nextCheck(now, looksSince(now, 0));
      looks.push(now / 1_000);
    }
    expect(looks).toEqual([8, 23, 53, 113, 233, 473, 953, 1_913, 3_833, 7_433, 11_033]);
    // A clock that went back, as a test clock does with its process, is no reason to look more often than at first.
    expect(looksSince(0, 1_000_000)).toBe(1);
  });

  test("so that a lost last message and a lost first beacon are made good within a minute, with time to spare", () => {
    fc.assert(
      fc.property(fc.integer({ min: 4_000, max: 22_999 }), (lostBeacon) => {
        const nextBeacon = nextCheck(lostBeacon, looksSince(lostBeacon, 0));
        expect(nextBeacon).toBeLessThan(38_000);
      }),
    );
  });
});

describe("an actor in steady use", () => {
  const RECORDED_AT = 100_000;

  /** An actor that has sent so far, and looks. Each look says how often it asked, what it sent, and when it looks again. */
  const actor = (sentUpto: number) => {
    let [now, seq] = [0, 0];
    let found = { asked: 0, sent: 0, next: 0 };
    const log = {
      stream: STREAM,
      head: () => ({ seq, hash: "", recordedAt: new Date(RECORDED_AT).toISOString() }),
      chained: () => ({ prevHash: BEFORE, events: [] }),
    } as unknown as EventLog;
    const timers = {
      set: (_kind: string, _key: string, dueAt: number) => {
        found.next = dueAt - RECORDED_AT;
      },
    } as unknown as Timers;
    const port = {
      send: async () => void found.sent++,
      consumed: async () => {
        found.asked++;
        return 0;
      },
    };
    const relay = new Relay(log, timers, { now: () => now }, port, sentUpto);
    /** Looks so long after its newest event, of which there are `head` by then. */
    return async (ageMs: number, head: number) => {
      [now, seq] = [RECORDED_AT + ageMs, head];
      found = { asked: 0, sent: 0, next: 0 };
      await relay.check();
      return found;
    };
  };

  test("asks nobody while its newest event is young, and looks once that is not", async () => {
    expect(await actor(1)(0, 1)).toEqual({ asked: 0, sent: 0, next: 8_000 });
    expect(await actor(1)(3_999, 1)).toEqual({ asked: 0, sent: 0, next: 8_000 });
    expect(await actor(1)(4_000, 1)).toEqual({ asked: 1, sent: 1, next: 19_000 });
    expect(await actor(1)(8_000, 1)).toEqual({ asked: 1, sent: 1, next: 23_000 });
  });

  test("that cannot send asks and sends a beacon at the second look, however young its newest event", async () => {
    const look = actor(0);
    expect(await look(1_000, 1)).toMatchObject({ asked: 0, sent: 0 });
    expect(await look(1_000, 2)).toMatchObject({ asked: 1, sent: 1 });
    const sending = actor(1);
    expect(await sending(1_000, 1)).toMatchObject({ asked: 0 });
    expect(await sending(1_000, 2)).toMatchObject({ asked: 0 });
  });

  test("does not wait for an event's time to come, should the clock have gone back", async () => {
    expect(await actor(1)(-1, 1)).toMatchObject({ asked: 1, sent: 1 });
  });
});

describe("an event that is recorded while the consumers are asked", () => {
  test("is looked at as soon as any other, however old the one before it is", async () => {
    const now = 7_200_000;
    let head = { seq: 1, hash: "", recordedAt: new Date(0).toISOString() };
    let due: number | null = now;
    const beacons: number[] = [];
    const timers = {
      dueAt: () => due,
      set: (_kind: string, _key: string, dueAt: number) => {
        due = dueAt;
      },
      clear: () => {
        due = null;
      },
    } as unknown as Timers;
    const port = {
      send: async ([beacon]: { head: number }[]) => void beacons.push(beacon?.head ?? 0),
      consumed: async () => {
        head = { seq: 2, hash: "", recordedAt: new Date(now).toISOString() };
        relay.arm();
        return 1;
      },
    };
    const log = { stream: STREAM, head: () => head, chained: () => ({ events: [] }) } as unknown as EventLog;
    const relay: Relay = new Relay(log, timers, { now: () => now }, port, 1);
    await relay.check();
    expect((due ?? 0) - now).toBe(15_000);
    expect(beacons).toEqual([2]);
  });
});

describe("what a log has appended is sent", () => {
  /** A relay of a log that has one event and gets so many more in each gathering; how long it gathered, and what it sent. */
  const drained = async (appended: readonly number[], isOpen = () => false) => {
    const [gathered, sent]: [number[], number[]] = [[], []];
    let head = 1;
    const log = {
      stream: STREAM,
      head: () => ({ seq: head, hash: "", recordedAt: "" }),
      chained: (after: number, limit: number) => ({
        prevHash: BEFORE,
        events: Array.from({ length: Math.min(limit, head - after) }, (_, at) => stored(after + at + 1, 10)),
      }),
    } as unknown as EventLog;
    const port = {
      send: async (runs: RunMessage[]) => void sent.push(runs.reduce((sum, run) => sum + countOf(run), 0)),
      consumed: async () => 0,
    };
    const left = [...appended];
    const gather = async (ms: number) => {
      gathered.push(ms);
      const more = left.shift() ?? 0;
      head += more;
      if (more > 0) void relay.drain();
    };
    const relay: Relay = new Relay(log, {} as Timers, { now: () => 0 }, port, 0, gather, isOpen);
    await relay.drain();
    return { gathered, sent, upto: relay.sentUpto, head };
  };

  test("in one message, once there has been no more for a while", async () => {
    const { gathered, sent, upto, head } = await drained([0, 2, 3, 0]);
    expect(gathered).toEqual([GATHER_MS, GATHER_MS, GATHER_MS, GATHER_MS, GATHER_MS]);
    expect(sent).toEqual([1, 5]);
    expect(upto).toBe(head);
  });

  test("all the same while there is always more, after a second at most", async () => {
    const { gathered, sent } = await drained(Array(10).fill(1));
    const most = Array(MOST_GATHERED_MS / GATHER_MS).fill(GATHER_MS);
    expect(gathered).toEqual([...most, GATHER_MS, GATHER_MS, GATHER_MS, GATHER_MS]);
    expect(sent).toEqual([9, 2]);
  });

  test("in one message with the end of what is open, and without it after two seconds", async () => {
    const gatherings = (ms: number) => Array(ms / GATHER_MS).fill(GATHER_MS);
    let open = 12;
    const ended = await drained([...Array(11).fill(0), 1, 0], () => --open > 0);
    expect(ended.gathered).toEqual([...gatherings(1_200), GATHER_MS]);
    expect(ended.sent).toEqual([2]);
    let looks = 0;
    const endless = await drained([], () => ++looks <= MOST_WHILE_OPEN_MS / GATHER_MS);
    expect(endless.gathered).toEqual([...gatherings(MOST_WHILE_OPEN_MS), GATHER_MS]);
    expect(endless.sent).toEqual([1]);
  });

  test("without waiting, however much there is at once", async () => {
    const { gathered, sent } = await drained([4 * MAX_RUN_EVENTS]);
    expect(sent).toEqual([2 * MAX_RUN_EVENTS, 2 * MAX_RUN_EVENTS, 1]);
    expect(gathered).toEqual([GATHER_MS, GATHER_MS, GATHER_MS]);
  });
});
