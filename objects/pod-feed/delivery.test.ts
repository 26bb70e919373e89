import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { LogRow } from "../../schema/events.ts";
import { FEED_LIMITS } from "../../schema/feed.ts";
import { PAGE, type Served } from "./decide.ts";
import { Delivery, type Place } from "./delivery.ts";
import { NOW, removal, rowOf, seatAt } from "./fixtures.ts";
import { acknowledged, type Seat } from "./state.ts";

/** A pod's log and its listeners, with a line between them that may break. */
class World {
  readonly log: LogRow[] = [];
  readonly listeners: { seat: Seat; seqs: number[]; codes: number[] }[] = [];
  pulls: number[] = [];
  readonly waits: number[] = [];
  broken = false;
  readonly delivery = new Delivery({
    places: () => this.listeners.filter(({ seat }) => !seat.over).map((listener) => this.#place(listener)),
    pull: async (after, limit) => {
      if (this.broken) throw new Error("the pod is out of reach");
      this.pulls.push(after);
      return this.log.slice(after, after + limit);
    },
    head: async () => {
      if (this.broken) throw new Error("the pod is out of reach");
      return this.log.length;
    },
    now: () => NOW,
    wait: async (ms) => this.waits.push(ms),
  });

  append(...told: Parameters<typeof rowOf>[1][]): LogRow[] {
    const rows = told.map((one, index) => rowOf(this.log.length + 1 + index, one));
    this.log.push(...rows);
    return rows;
  }

  listen(after: number, user = "bob"): { seat: Seat; seqs: number[]; codes: number[] } {
    const from = Math.min(after, this.log.length);
    const listener = { seat: seatAt(from, { user, joined: this.log.length }), seqs: [], codes: [] };
    this.listeners.push(listener);
    this.delivery.learn(this.log.length);
    return listener;
  }

  #place(listener: { seat: Seat; seqs: number[]; codes: number[] }): Place {
    return {
      seat: listener.seat,
      put: ({ seat, texts, closing }: Served) => {
        listener.seat = seat;
        listener.seqs.push(...texts.map((text) => (JSON.parse(text) as { seq: number }).seq));
        if (closing !== null) listener.codes.push(closing.code);
      },
    };
  }
}

const upto = (last: number, first = 1) =>
  Array.from({ length: Math.max(0, last - first + 1) }, (_, index) => first + index);
const many = (count: number): undefined[] => Array.from({ length: count }, () => undefined);

describe("delivery", () => {
  test("hands what is told to everybody who is up to date, and reads nothing", async () => {
    const world = new World();
    const [one, two] = [world.listen(0), world.listen(0, "olga")];
    world.delivery.take({ head: 2, rows: world.append(undefined, undefined) });
    await world.delivery.catchUp();
    expect([one.seqs, two.seqs, world.pulls]).toEqual([[1, 2], [1, 2], []]);
  });

  test("holds the pod up after sending to a crowd, longer the larger it is, and not at all for a few", async () => {
    const waitsOf = async (sockets: number): Promise<number[]> => {
      const world = new World();
      for (let socket = 0; socket < sockets; socket++) world.listen(0);
      await world.delivery.rest();
      return world.waits;
    };
    expect([await waitsOf(1), await waitsOf(49), await waitsOf(50), await waitsOf(1_000)]).toEqual([
      [],
      [],
      [0, 1],
      [0, 20],
    ]);
  });

  test("reads the log in pages for whoever is behind, one page for all at that place", async () => {
    const world = new World();
    world.append(...many(2 * PAGE + 1));
    const crowd = Array.from({ length: 50 }, () => world.listen(0));
    const late = world.listen(PAGE + 5);
    await world.delivery.catchUp();
    expect(crowd.every(({ seqs }) => seqs.length === world.log.length)).toBe(true);
    expect(late.seqs).toEqual(upto(world.log.length, PAGE + 6));
    expect(world.pulls.length).toBeLessThanOrEqual(4);
  });

  test("goes on for who is up to date while somebody reads from the beginning", async () => {
    const world = new World();
    world.append(...many(FEED_LIMITS.window));
    const [old, live] = [world.listen(0), world.listen(FEED_LIMITS.window)];
    const reading = world.delivery.catchUp();
    world.delivery.take({ head: world.log.length + 1, rows: world.append(undefined) });
    expect(live.seqs).toEqual([FEED_LIMITS.window + 1]);
    expect(old.seqs.length).toBeLessThan(FEED_LIMITS.window);
    await reading;
    expect(old.seqs).toEqual(upto(FEED_LIMITS.window));
  });

  test("after a failure takes up where it was, when it looks again", async () => {
    const world = new World();
    const listener = world.listen(0);
    world.append(...many(3));
    world.broken = true;
    await expect(world.delivery.look()).rejects.toThrow("out of reach");
    world.broken = false;
    await world.delivery.look();
    expect(listener.seqs).toEqual([1, 2, 3]);
  });

  test("does not go round for ever over a log that ends before it should", async () => {
    const world = new World();
    world.listen(0);
    world.delivery.learn(5);
    await expect(world.delivery.catchUp()).rejects.toThrow("nothing after seq 0");
  });

  test("whatever is told, lost, doubled or broken: each gets the log from their place, once and in order, to where their right ends", async () => {
    const step = fc.oneof(
      {
        weight: 4,
        arbitrary: fc.record({ do: fc.constant("append" as const), count: fc.integer({ min: 1, max: 5 }) }),
      },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("remove" as const), count: fc.nat(2) }) },
      { weight: 3, arbitrary: fc.record({ do: fc.constant("tell" as const), count: fc.nat(6) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("listen" as const), count: fc.nat(40) }) },
      { weight: 2, arbitrary: fc.record({ do: fc.constant("catch up" as const), count: fc.nat(1) }) },
      { weight: 1, arbitrary: fc.record({ do: fc.constant("ack" as const), count: fc.nat(60) }) },
    );
    await fc.assert(
      fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
        const world = new World();
        const began: number[] = [];
        const users = ["bob", "eve", "olga"];
        for (const { do: what, count } of steps) {
          if (what === "append") world.append(...many(count));
          if (what === "remove") world.append(removal(users[count] ?? "bob"));
          // Told from any place, so that some of it was told before and some is missing.
          if (what === "tell")
            world.delivery.take({ head: world.log.length, rows: world.log.slice(-count || world.log.length) });
          if (what === "listen") {
            began.push(Math.min(count, world.log.length));
            world.listen(count, users[world.listeners.length % 3] ?? "bob");
          }
          if (what === "ack") for (const one of world.listeners) one.seat = acknowledged(one.seat, count);
          if (what === "catch up") {
            world.broken = count === 1;
            await world.delivery.catchUp().catch(() => undefined);
            world.broken = false;
          }
        }
        await world.delivery.look();
        for (const [index, { seat, seqs, codes }] of world.listeners.entries()) {
          const expelled = world.log.find(
            ({ seq, event }) => seq > seat.joined && event.type === "member.removed" && event.data.user === seat.user,
          );
          expect(seqs).toEqual(upto(expelled?.seq ?? world.log.length, (began[index] ?? 0) + 1));
          expect(codes).toEqual(expelled === undefined ? [] : [4003]);
        }
      }),
    );
  });
});
