import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { fateOf, isSevered, withQueueFaults } from "./queue-faults.ts";

const header = (stream: string, from: number, events: number, attempts = 1) => ({
  stream,
  from,
  head: from + events - 1,
  events,
  attempts,
});
const streams = fc.string({ minLength: 1 }).map((name) => `pod/${name}`);

describe("a queue that does wrong by a seed", () => {
  test("loses every event of a severed stream and its first beacon, and no later one", () => {
    fc.assert(
      fc.property(
        fc.string(),
        streams,
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 64 }),
        (seed, stream, from, events) => {
          fc.pre(isSevered(seed, stream));
          expect(fateOf(seed, header(stream, from, events), 0)).toBe("lost");
          expect(fateOf(seed, header(stream, from, events, 3), 5)).toBe("lost");
          expect(fateOf(seed, header(stream, from, 0), 0)).toBe("lost");
          expect(fateOf(seed, header(stream, from, 0), 1)).toBe("untouched");
        },
      ),
    );
  });

  test("loses no beacon but a stream's first, and puts no message off twice", () => {
    fc.assert(
      fc.property(
        fc.string(),
        streams,
        fc.integer({ min: 1, max: 1_000 }),
        fc.integer({ min: 1, max: 9 }),
        (seed, stream, from, seen) => {
          expect(fateOf(seed, header(stream, from, 0), seen)).not.toBe("lost");
          expect(fateOf(seed, header(stream, from, 1, 2), 0)).not.toBe("late");
        },
      ),
    );
  });

  test("does each kind of wrong, the same for the same seed", () => {
    const fates = (seed: string) => Array.from({ length: 400 }, (_, n) => fateOf(seed, header(`pod/${n}`, 1, 2), 0));
    expect(new Set(fates("seed"))).toEqual(new Set(["lost", "late", "twice", "untouched"]));
    expect(fates("seed")).toEqual(fates("seed"));
    expect(fates("seed")).not.toEqual(fates("another"));
  });
});

describe("a batch", () => {
  const told: string[] = [];
  const message = (id: string, body: unknown) =>
    ({
      id,
      body,
      attempts: 1,
      ack: () => told.push(`ack ${id}`),
      retry: () => told.push(`retry ${id}`),
    }) as unknown as Message;
  const batch = {
    queue: "events",
    messages: Array.from({ length: 60 }, (_, n) =>
      message(`m${n}`, { stream: `pod/${n}`, from: 1, head: 1, events: "{}" }),
    ),
  };
  const FAULTS = { fetch: async () => new Response(null, { status: 204 }) };

  test("is left alone where the fault binding or the seed is absent, as in every deployment", () => {
    expect(withQueueFaults(batch, {})).toBe(batch);
    expect(withQueueFaults(batch, { CROWDPAY_QUEUE_FAULTS: "seed" })).toBe(batch);
    expect(withQueueFaults(batch, { FAULTS })).toBe(batch);
  });

  test("under faults comes in another order, some of it twice; what is not delivered was lost or put off", () => {
    const { messages } = withQueueFaults(batch, { FAULTS, CROWDPAY_QUEUE_FAULTS: "seed" });
    const delivered = messages.map(({ id }) => id);
    const once = new Set(delivered);
    expect(delivered.length).toBeGreaterThan(once.size);
    expect([...once]).not.toEqual([...once].toSorted());
    expect(told.some((word) => word.startsWith("retry"))).toBe(true);
    const gone = told.map((word) => word.split(" ")[1]);
    expect([...once, ...gone].toSorted()).toEqual(batch.messages.map(({ id }) => id).toSorted());
  });
});
