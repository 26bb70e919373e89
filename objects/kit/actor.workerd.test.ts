import { evictDurableObject, runDurableObjectAlarm } from "cloudflare:test";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { chainHash } from "../../schema/events.ts";
import { advanceClock, systemClock } from "./clock.ts";
import { MAX_BATCH, MAX_WAITING } from "./mailbox.ts";
import { migrate } from "./migrations.ts";
import { RELAY_TIMER } from "./relay.ts";
import { localKeyService, SealedFields } from "./sealed-fields.ts";
import { isRetryable } from "./stub.ts";
import { META, outage } from "./testing/counter.ts";
import { at, checkpoint, failure, fill, inside, makeReadModel, newName, rows, verify } from "./testing/drive.ts";
import { noteAllSent, rewriteEvent } from "./testing/stored.ts";
import { delivered } from "./testing/worker.ts";

const HOUR = 3_600_000;

beforeAll(makeReadModel);

describe("a group commit", () => {
  test("holds every command that arrived together, first in first out", async () => {
    const name = newName();
    const answers = await Promise.all(Array.from({ length: 200 }, () => at(name).add("1")));
    expect(answers.map(Number).sort((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, i) => i + 1));
    expect(await at(name).commits()).toBeLessThanOrEqual(2);
    const stub = at(name);
    const inOrder = await Promise.all(Array.from({ length: 100 }, () => stub.add("1")));
    expect(inOrder).toEqual(Array.from({ length: 100 }, (_, i) => String(201 + i)));
    expect(await verify(name)).toMatchObject({ upto: 300, head: 300, failure: null });
  });

  test("takes 256 commands and no more, and the door is shut at 2,000 waiting", async () => {
    const name = newName();
    const { door, before, answers } = await inside(name, async (counter) => {
      const waiting = Array.from({ length: MAX_WAITING - 1 }, () => counter.add("1"));
      const open = counter.actor.closedDoor;
      waiting.push(counter.add("1"));
      return { before: open, door: counter.actor.closedDoor, answers: await Promise.all(waiting) };
    });
    expect(before).toBeNull();
    expect(door).toMatchObject({ code: "overloaded", retry_after: 1 });
    expect(answers.at(-1)).toBe(String(MAX_WAITING));
    expect(await at(name).commits()).toBe(Math.ceil(MAX_WAITING / MAX_BATCH));
    expect(await inside(name, ({ actor }) => actor.closedDoor)).toBeNull();
  });

  test("undoes a command that throws, and only that one: rows, event, draft and alarm", async () => {
    const name = newName();
    const settled = await inside(name, (counter) => {
      const { actor } = counter;
      return Promise.allSettled([
        counter.add("10"),
        actor.submit((turn) => {
          turn.append("counter.added", { amount: "1000" }, META);
          turn.timers.set("soon", "", turn.now + HOUR);
          throw new Error("a bug in one command");
        }),
        actor.submit((turn) => turn.sql.exec("INSERT INTO commits (n) VALUES (NULL)")),
        counter.add("5"),
      ]);
    });
    expect(settled.map(({ status }) => status)).toEqual(["fulfilled", "rejected", "rejected", "fulfilled"]);
    expect(settled[3]).toMatchObject({ value: "15" });
    expect(String((settled[1] as PromiseRejectedResult).reason)).toContain("a bug in one command");
    expect(String((settled[2] as PromiseRejectedResult).reason)).toContain("SQLITE_CONSTRAINT");
    expect(await at(name).commits()).toBe(1);
    expect(await verify(name)).toMatchObject({ head: 2, failure: null });
    await inside(name, async ({ actor }, ctx) => {
      expect(actor.timers.dueAt("soon", "")).toBeNull();
      // The undone timer was the earlier one: believing in its alarm would leave this one without.
      actor.timers.clear(RELAY_TIMER, "");
      actor.timers.rearm();
      await failure(() =>
        actor.turn((turn) => {
          turn.timers.set("soon", "", turn.now + HOUR);
          throw new Error("undone");
        }),
      );
      actor.turn((turn) => turn.timers.set("late", "", turn.now + 2 * HOUR));
      expect(await ctx.storage.getAlarm()).toBeGreaterThan(Date.now() + HOUR);
      const standing = await ctx.storage.getAlarm();
      await failure(() =>
        actor.turn(() => {
          throw new Error("undone");
        }),
      );
      actor.turn((turn) => turn.timers.set("later", "", turn.now + 3 * HOUR));
      expect(await ctx.storage.getAlarm()).toBe(standing);
    });
  });

  test("that fails outside any command answers nobody, keeps nothing, and may be tried again", async () => {
    const name = newName();
    await at(name).add("1");
    const stub = at(name);
    const errors = await Promise.all(["600", "60", "5"].map((amount) => failure(() => stub.add(amount))));
    expect(errors.map(isRetryable)).toEqual([true, true, true]);
    expect(await at(name).total()).toBe("1");
    expect(isRetryable(await failure(() => at(name).addNow("665")))).toBe(true);
    expect(await at(name).addNow("1")).toBe("2");
    expect(await verify(name)).toMatchObject({ head: 2, failure: null });
  });

  test("that meets a storage fault answers nobody either, those before it included", async () => {
    const name = newName();
    await at(name).add("1");
    const error = await failure(() =>
      inside(name, (counter) =>
        Promise.all([
          counter.add("1"),
          counter.actor.submit(() => {
            throw new Error("database or disk is full: SQLITE_FULL");
          }),
        ]),
      ),
    );
    expect(isRetryable(error)).toBe(true);
    expect(await at(name).total()).toBe("1");
  });

  test("takes no command that waits, and no event after its turn", async () => {
    const name = newName();
    await inside(name, async ({ actor }) => {
      let late: Promise<unknown> = Promise.resolve();
      const waiting = () =>
        actor.turn((turn) => {
          turn.append("counter.added", { amount: "7" }, META);
          late = Promise.resolve().then(() => turn.append("counter.added", { amount: "7" }, META));
          return late;
        });
      expect(String(await failure(waiting))).toContain("may not wait");
      expect(String(await failure(() => late))).toContain("after its turn");
      const nested = () => actor.turn(() => actor.turn(() => 1));
      expect(String(await failure(nested))).toContain("a turn inside a turn");
      expect(actor.head.seq).toBe(0);
    });
    expect(await at(name).add("1")).toBe("1");
  });

  test("goes on when the caller that armed it goes away", async () => {
    const name = newName();
    await at(name).add("1");
    const gone = at(name).add("1") as Promise<string> & Disposable;
    gone[Symbol.dispose]();
    await gone.then(
      () => undefined,
      () => undefined,
    );
    const total = Number(await at(name).add("1"));
    expect([2, 3]).toContain(total);
  });
});

describe("after a crash", () => {
  test("everything acknowledged is there and nothing else", async () => {
    const name = newName();
    await at(name).add("1");
    await at(name).addNow("2");
    const error = await failure(() =>
      inside(name, (counter, ctx) => {
        counter.addNow("4");
        void counter.add("8");
        ctx.abort("killed before the commit left");
      }),
    );
    expect(isRetryable(error)).toBe(true);
    expect(await at(name).total()).toBe("3");
    expect(await verify(name)).toMatchObject({ head: 2, failure: null });
  });

  test("an eviction is replayed to the same state and the same head, by its own name", async () => {
    const name = newName();
    await fill(name, 40, "ünïcödé");
    const before = await inside(name, ({ actor }) => ({ head: actor.head, state: actor.state }));
    await evictDurableObject(at(name));
    await inside(name, ({ actor }) => {
      expect({ head: actor.head, state: actor.state }).toEqual(before);
      expect(actor.log.stream).toBe(`counter/${name}`);
      expect(actor.closedDoor).toBeNull();
    });
    expect(await at(name).add("1")).toBe("41");
  });

  test("an alarm that wakes the object still knows its name", async () => {
    const name = newName();
    await at(name).add("1");
    await evictDurableObject(at(name));
    expect(await runDurableObjectAlarm(at(name))).toBe(true);
    expect(await inside(name, ({ actor }) => actor.log.stream)).toBe(`counter/${name}`);
  });
});

describe("snapshots", () => {
  test("are taken every 256 events, two are kept, and deleting them changes nothing", async () => {
    const name = newName();
    for (const count of [255, 1, 300, 300]) await fill(name, count);
    await inside(name, (_, ctx) => {
      expect(rows(ctx, "SELECT seq FROM snapshots ORDER BY seq")).toEqual([{ seq: 556 }, { seq: 856 }]);
      rows(ctx, "DELETE FROM snapshots");
    });
    await evictDurableObject(at(name));
    expect(await at(name).total()).toBe("856");
    expect(await at(name).add("1")).toBe("857");
  });

  test("are cut into rows of at most 64 kB, through no character", async () => {
    const name = newName();
    for (let i = 0; i < 6; i++) await inside(name, (counter) => counter.addNow("1", `${i}${"💶é".repeat(5_000)}`));
    await fill(name, 250);
    const before = await inside(name, ({ actor }, ctx) => {
      const [size] = rows(ctx, "SELECT max(length(CAST(state AS BLOB))) AS bytes, count(*) AS n FROM snapshots");
      expect(size?.bytes).toBeLessThanOrEqual(64_000);
      expect(size?.n).toBeGreaterThan(5);
      return actor.state;
    });
    await evictDurableObject(at(name));
    expect(await inside(name, ({ actor }) => actor.state)).toEqual(before);
  });

  test("that cannot be read are passed over: the log is the truth", async () => {
    const name = newName();
    await fill(name, 300);
    await inside(name, (_, ctx) => rows(ctx, "UPDATE snapshots SET state = substr(state, 2)"));
    await evictDurableObject(at(name));
    const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect(await at(name).add("1")).toBe("301");
    expect(complaints).toHaveBeenCalledOnce();
    complaints.mockRestore();
  });
});

describe("a log that was tampered with is read on but takes no command, and names the first seq that does not fit", () => {
  const flipped = (ctx: DurableObjectState, seq: number) =>
    rows(ctx, `UPDATE events SET body = replace(body, '"amount":"1"', '"amount":"9"') WHERE seq = ?`, seq);
  /** After the relay has looked: it keeps the head of what it sent. */
  const cut = (ctx: DurableObjectState, upto: number) => {
    noteAllSent(ctx.storage.sql);
    rows(ctx, "DELETE FROM events WHERE seq > ?", upto);
  };
  const forged = (ctx: DurableObjectState, name: string) => {
    const [head] = rows(ctx, "SELECT body, hash FROM events WHERE seq = 5");
    const body = String(head?.body).replace('"seq":"5"', '"seq":"6"');
    expect(body).toContain(name);
    rows(ctx, "INSERT INTO events (seq, body, hash) VALUES (6, ?, ?)", body, chainHash(String(head?.hash), body));
  };

  const CASES: [string, number, (ctx: DurableObjectState, name: string) => void, number | null][] = [
    ["a flipped byte", 3, (ctx) => flipped(ctx, 3), 3],
    ["a flipped byte in the last event", 5, (ctx) => flipped(ctx, 5), 5],
    ["a body that is no JSON", 5, (ctx) => rows(ctx, "UPDATE events SET body = substr(body, 2) WHERE seq = 5"), 5],
    [
      "a changed hash",
      2,
      (ctx) => rows(ctx, "UPDATE events SET hash = replace(hash, 'a', 'b') || '0' WHERE seq = 2"),
      2,
    ],
    ["a deleted event", 2, (ctx) => rows(ctx, "DELETE FROM events WHERE seq = 2"), 2],
    ["a deleted first event", 1, (ctx) => rows(ctx, "DELETE FROM events WHERE seq = 1"), 1],
    [
      "two events swapped",
      2,
      (ctx) =>
        rows(ctx, "UPDATE events SET seq = -seq WHERE seq IN (2, 3); UPDATE events SET seq = 5 + seq WHERE seq < 0"),
      2,
    ],
    // Only a head kept elsewhere can tell the three below from a shorter, or longer, log.
    ["a truncated log", 4, (ctx) => cut(ctx, 3), null],
    ["a log cut to nothing", 1, (ctx) => cut(ctx, 0), null],
    ["a forged event, well chained", 6, (ctx, name) => forged(ctx, name), null],
    [
      "a state that replay does not give",
      5,
      (ctx) => rows(ctx, "UPDATE events SET summary = '6/0' WHERE seq = 5"),
      null,
    ],
    ["a state that is gone", 5, (ctx) => rows(ctx, "UPDATE events SET summary = NULL"), null],
  ];

  test.each(CASES)("%s", async (_, seq, tamper, verdict) => {
    const name = newName();
    for (let i = 0; i < 5; i++) await at(name).add("1");
    await inside(name, (_counter, ctx) => tamper(ctx, name));
    await evictDurableObject(at(name));
    const alert = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await inside(name, async (counter, ctx) => {
      const { actor } = counter;
      expect(alert.mock.calls.join()).toMatch(new RegExp(`^integrity: counter/${name} at seq ${seq}: `));
      alert.mockRestore();
      const log = rows(ctx, "SELECT * FROM events ORDER BY seq");
      expect(actor.closedDoor?.code).toBe("upstream_unavailable");
      expect(actor.closedDoor?.detail).toMatch(new RegExp(`seq ${seq}$`));
      expect(String(await failure(() => counter.addNow("1")))).toContain("refusing to write");
      expect(String(await failure(() => actor.submit(() => 1)))).toContain("refusing to write");
      expect(await actor.runDueTimers()).toBe(0);
      expect(rows(ctx, "SELECT * FROM events ORDER BY seq")).toEqual(log);
      expect((await actor.reads.eventsSince(0, 500)).length).toBeGreaterThanOrEqual(Math.min(log.length, seq) - 1);
    });
    expect((await verify(name)).failure?.seq ?? null).toBe(verdict);
  });

  test("a line put into a row before the events that belong there is an event beside the log, wherever a page begins", async () => {
    const alert = vi.spyOn(console, "error").mockImplementation(() => undefined);
    for (const after of [0, 5]) {
      const name = newName();
      for (let i = 0; i < 2; i++) await fill(name, 5);
      const verdict = await inside(name, ({ actor }, ctx) => {
        const hash = actor.log.hashAt(after) ?? "";
        rows(
          ctx,
          "UPDATE events SET body = '{}' || char(10) || body, hash = 'x' || char(10) || hash WHERE seq = ?",
          after + 5,
        );
        return actor.reads.verifyLog(after, hash, 1_000);
      });
      expect(verdict).toMatchObject({ upto: after, failure: { seq: after + 1, reason: "event beside the log" } });
    }
    expect(alert).toHaveBeenCalledTimes(2);
    alert.mockRestore();
  });

  test("a log cut short is what it was when the relay last looked, or it takes no command", async () => {
    const name = newName();
    for (let i = 0; i < 5; i++) await at(name).add("1");
    await checkpoint(name, 5);
    await vi.waitFor(() => expect(delivered.some(({ stream }) => stream === `counter/${name}`)).toBe(true), 10_000);
    await inside(name, async ({ actor }) => {
      advanceClock((actor.timers.dueAt(RELAY_TIMER, "") ?? 0) - systemClock.now());
      await actor.runDueTimers();
    });
    await inside(name, (_, ctx) => rows(ctx, "DELETE FROM events WHERE seq > 4"));
    await evictDurableObject(at(name));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect((await inside(name, ({ actor }) => actor.closedDoor))?.detail).toMatch(/seq 5$/);
    vi.restoreAllMocks();
  });

  test("a truncated log is caught by whoever kept its head", async () => {
    const name = newName();
    for (let i = 0; i < 5; i++) await at(name).add("1");
    const { head, hash } = await verify(name);
    await inside(name, (_, ctx) => rows(ctx, "DELETE FROM events WHERE seq > 3"));
    const verdict = await inside(name, ({ actor }) => actor.reads.verifyLog(head, hash, 10));
    expect(verdict.failure).toEqual({ seq: 4, reason: "log was cut short" });
  });
});

describe("timers", () => {
  /** A counter whose relay has nothing to do, so that the timers are the test's own. */
  const quiet = async (): Promise<string> => {
    const name = newName();
    await inside(name, ({ actor }) => actor.head);
    return name;
  };
  const alarmOf = (name: string) => inside(name, (_, ctx) => ctx.storage.getAlarm());

  test("share one alarm, which stands at the earliest", async () => {
    const name = await quiet();
    const now = systemClock.now();
    await inside(name, async ({ actor }, ctx) => {
      actor.timers.set("a", "", now + 3 * HOUR);
      const third = await ctx.storage.getAlarm();
      actor.timers.set("b", "", now + 2 * HOUR);
      expect(await ctx.storage.getAlarm()).toBe((third ?? 0) - HOUR);
      actor.timers.set("c", "", now + 4 * HOUR);
      expect(await ctx.storage.getAlarm()).toBe((third ?? 0) - HOUR);
      actor.timers.clear("b", "");
      actor.timers.rearm();
      expect(await ctx.storage.getAlarm()).toBe(third);
    });
  });

  test("a woken object that sets a later one leaves the earlier one's alarm alone", async () => {
    const name = await quiet();
    const now = systemClock.now();
    await inside(name, ({ actor }) => actor.timers.set("early", "", now + 2 * HOUR));
    const early = await alarmOf(name);
    await evictDurableObject(at(name));
    await inside(name, ({ actor }) => actor.timers.set("late", "", now + 3 * HOUR));
    expect(await alarmOf(name)).toBe(early);
  });

  test("a lost alarm is set again when the object wakes", async () => {
    const name = await quiet();
    await inside(name, ({ actor }) => actor.timers.set("a", "", systemClock.now() + 2 * HOUR));
    const due = await alarmOf(name);
    await inside(name, (_, ctx) => ctx.storage.deleteAlarm());
    await evictDurableObject(at(name));
    expect(await alarmOf(name)).toBe(due);
  });

  test("run when they are due, and an alarm follows for those that are not", async () => {
    const name = await quiet();
    const now = systemClock.now();
    const standing: (number | null)[] = [];
    await inside(name, (counter, ctx) => {
      counter.onTimer = async ({ kind, key }) => {
        standing.push(await ctx.storage.getAlarm());
        counter.actor.timers.clear(kind, key);
      };
      for (const hours of [1, 2, 5]) counter.actor.timers.set("a", String(hours), now + hours * HOUR);
    });
    advanceClock(2 * HOUR + 1);
    expect(await runDurableObjectAlarm(at(name))).toBe(true);
    // While handlers run an alarm stands again, should they take the object down with them.
    expect(standing).toEqual([expect.any(Number), expect.any(Number)]);
    await inside(name, async (counter, ctx) => {
      expect(counter.fired.map(({ key }) => key)).toEqual(["1", "2"]);
      expect(counter.actor.timers.earliest()).toBe(now + 5 * HOUR);
      const alarm = (await ctx.storage.getAlarm()) ?? 0;
      expect(Math.abs(alarm - Date.now() - 3 * HOUR)).toBeLessThan(10_000);
    });
  });

  test("one that throws is put off, and the others run", async () => {
    const name = await quiet();
    await inside(name, async (counter) => {
      const due = systemClock.now() + HOUR;
      for (const key of ["bad", "good"]) counter.actor.timers.set("a", key, due);
      counter.onTimer = ({ kind, key }) => {
        if (key === "bad") throw new Error("a callee is away");
        counter.actor.timers.clear(kind, key);
      };
      advanceClock(HOUR);
      const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
      expect(await counter.actor.runDueTimers()).toBe(2);
      expect(complaints).toHaveBeenCalledOnce();
      complaints.mockRestore();
      expect(counter.actor.timers.dueAt("a", "good")).toBeNull();
      expect(counter.actor.timers.dueAt("a", "bad")).toBeGreaterThan(systemClock.now());
      expect(await counter.actor.runDueTimers()).toBe(0);
    });
  });

  test("run a hundred an alarm, the rest in the next, five at a time", async () => {
    const name = await quiet();
    await inside(name, async (counter, ctx) => {
      const due = systemClock.now() + HOUR;
      for (let i = 0; i < 101; i++) counter.actor.timers.set("a", String(i), due);
      let running = 0;
      let most = 0;
      counter.onTimer = async ({ kind, key }) => {
        most = Math.max(most, ++running);
        await scheduler.wait(0);
        running--;
        counter.actor.timers.clear(kind, key);
      };
      advanceClock(HOUR);
      expect(await counter.actor.runDueTimers()).toBe(100);
      expect(most).toBe(5);
      await vi.waitFor(() => expect(counter.fired).toHaveLength(101), 10_000);
      await vi.waitFor(async () => expect(await ctx.storage.getAlarm()).toBeNull(), 10_000);
    });
  });

  test("one runs once though an alarm and a sweep meet it together, and both wait for it", async () => {
    const name = await quiet();
    await inside(name, async (counter) => {
      const held = Promise.withResolvers<void>();
      counter.actor.timers.set("a", "", systemClock.now() + HOUR);
      counter.onTimer = async ({ kind, key }) => {
        await held.promise;
        counter.actor.timers.clear(kind, key);
      };
      advanceClock(HOUR);
      const ended: string[] = [];
      const alarm = counter.actor.alarm().then(() => ended.push("alarm"));
      const sweep = counter.actor.runDueTimers();
      await scheduler.wait(1);
      expect(ended).toEqual([]);
      held.resolve();
      expect(await sweep).toBe(0);
      await alarm;
      expect(counter.fired).toHaveLength(1);
    });
  });

  test("one that another has cleared or moved meanwhile does not run", async () => {
    const name = await quiet();
    await inside(name, async (counter) => {
      const due = systemClock.now() + HOUR;
      for (let i = 0; i < 9; i++) counter.actor.timers.set("a", String(i), due + i);
      counter.onTimer = async ({ kind, key }) => {
        counter.actor.timers.clear(kind, key);
        counter.actor.timers.clear("a", "7");
        counter.actor.timers.set("a", "8", due + 9 * HOUR);
        await scheduler.wait(0);
      };
      advanceClock(HOUR + 10);
      expect(await counter.actor.runDueTimers()).toBe(7);
      expect(counter.fired.map(({ key }) => key)).toEqual(["0", "1", "2", "3", "4", "5", "6"]);
      expect(counter.actor.timers.earliest()).toBe(due + 9 * HOUR);
    });
  });

  test("an alarm that the platform would deliver again has none set ahead of it; one that it delivers again has", async () => {
    const name = await quiet();
    const due = systemClock.now() + HOUR;
    const standing = (isRetry: boolean) =>
      inside(name, async (counter, ctx) => {
        counter.actor.timers.set("a", "", due);
        await ctx.storage.deleteAlarm();
        let ahead: number | null = null;
        counter.onTimer = async ({ kind, key }) => {
          ahead = await ctx.storage.getAlarm();
          counter.actor.timers.clear(kind, key);
        };
        await counter.alarm({ isRetry, retryCount: Number(isRetry), scheduledTime: Date.now() });
        return ahead;
      });
    advanceClock(HOUR);
    expect(await standing(false)).toBeNull();
    expect(await standing(true)).toEqual(expect.any(Number));
    expect(await alarmOf(name)).toBeNull();
  });

  test("a sweep that finds nothing due leaves the alarm alone, and sets again one that was lost", async () => {
    const name = await quiet();
    await inside(name, async ({ actor }, ctx) => {
      actor.timers.set("a", "", systemClock.now() + HOUR);
      const due = await ctx.storage.getAlarm();
      const earlier = Date.now() + HOUR / 2;
      await ctx.storage.setAlarm(earlier);
      expect(await actor.runDueTimers()).toBe(0);
      expect(await ctx.storage.getAlarm()).toBe(earlier);
      await ctx.storage.deleteAlarm();
      expect(await actor.runDueTimers()).toBe(0);
      expect(await ctx.storage.getAlarm()).toBe(due);
    });
  });

  test("an object killed by a handler comes back with its timer and an alarm", async () => {
    const name = await quiet();
    await inside(name, (counter, ctx) => {
      counter.actor.timers.set("a", "", systemClock.now() + HOUR);
      counter.onTimer = async () => {
        await ctx.storage.sync();
        ctx.abort("killed in a handler");
      };
    });
    advanceClock(HOUR);
    // The platform takes the alarm away before it calls.
    const error = await failure(() => runDurableObjectAlarm(at(name)));
    expect(isRetryable(error)).toBe(true);
    await inside(name, async ({ actor }, ctx) => {
      expect(actor.timers.dueAt("a", "")).not.toBeNull();
      expect(await ctx.storage.getAlarm()).not.toBeNull();
    });
  });
});

describe("the relay", () => {
  const sentOf = (name: string) => delivered.filter(({ stream }) => stream === `counter/${name}`);
  const seqsOf = (name: string) => sentOf(name).flatMap(({ events }) => events.map(({ seq }) => seq));
  const upTo = (head: number) => Array.from({ length: head }, (_, i) => i + 1);
  const look = (name: string) =>
    inside(name, async ({ actor }) => {
      advanceClock(Math.max(0, (actor.timers.dueAt(RELAY_TIMER, "") ?? 0) - systemClock.now()));
      return actor.runDueTimers();
    });

  test("sends every event to the queue, in runs of at most 64", async () => {
    const name = newName();
    await fill(name, 200);
    await at(name).add("1");
    await vi.waitFor(() => expect(new Set(seqsOf(name)).size).toBe(201), 10_000);
    for (const run of sentOf(name)) {
      expect(run.events.length).toBeLessThanOrEqual(64);
      expect(run.events.map(({ seq }) => seq)).toEqual(run.events.map((_, i) => run.from + i));
    }
    expect([...new Set(seqsOf(name))].sort((a, b) => a - b)).toEqual(upTo(201));
    const [row] = await inside(name, ({ actor }) => actor.reads.eventsSince(199, 1));
    expect(sentOf(name).flatMap(({ events }) => events)).toContainEqual(row);
  });

  test("takes events as they are stored from any one on, and none from where a text is missing", async () => {
    const name = newName();
    await fill(name, 12);
    await inside(name, ({ actor: { log } }, { storage: { sql } }) => {
      const whole = log.read(0, 500);
      for (const [after, row] of whole.entries()) {
        const { prevHash, events } = log.chained(after, 5);
        expect(prevHash).toBe(row.prev_hash);
        expect(events.map(({ seq, hash }) => ({ seq, hash }))).toEqual(
          whole.slice(after, after + 5).map(({ seq, hash }) => ({ seq, hash })),
        );
        expect(events.map(({ body }) => JSON.parse(body))).toEqual(
          whole.slice(after, after + 5).map(({ event }) => event),
        );
      }
      expect(log.chained(whole.length, 5).events).toEqual([]);
      rewriteEvent(sql, 7, () => "");
      expect(log.chained(0, 500).events.map(({ seq }) => seq)).toEqual([1, 2, 3, 4, 5, 6]);
      expect(log.chained(6, 500).events).toEqual([]);
    });
  });

  test("repeats a beacon at growing gaps while a consumer is behind, and is quiet once it is level", async () => {
    const name = newName();
    await at(name).add("1");
    await vi.waitFor(() => expect(seqsOf(name)).toEqual([1]), 10_000);
    const gaps: number[] = [];
    for (let beacons = 1; beacons <= 3; beacons++) {
      expect(await look(name)).toBe(1);
      await vi.waitFor(() => expect(sentOf(name).length).toBe(1 + beacons), 10_000);
      expect(sentOf(name).at(-1)).toEqual({ stream: `counter/${name}`, from: 2, head: 1, events: [] });
      // An eviction in between must not make the gaps small again.
      await evictDurableObject(at(name));
      const due = await inside(name, ({ actor }) => actor.timers.dueAt(RELAY_TIMER, ""));
      gaps.push(Math.round(((due ?? 0) - systemClock.now()) / 5_000));
    }
    expect(gaps).toEqual([3, 6, 12]);
    await checkpoint(name, 1);
    await look(name);
    expect(await inside(name, ({ actor }) => actor.timers.earliest())).toBeNull();
    expect(await inside(name, (_, ctx) => ctx.storage.getAlarm())).toBeNull();
  });

  test("notices a last message that was lost, and one that could not be sent", async () => {
    const name = newName();
    const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
    outage.queue = true;
    expect(await at(name).add("1")).toBe("1");
    await vi.waitFor(() => expect(complaints).toHaveBeenCalled(), 10_000);
    outage.queue = false;
    complaints.mockRestore();
    expect(seqsOf(name)).toEqual([]);
    await look(name);
    await vi.waitFor(() => expect(seqsOf(name)).toEqual([1]), 10_000);
    await checkpoint(name, 0);
    await look(name);
    await vi.waitFor(() => expect(sentOf(name).at(-1)).toMatchObject({ head: 1, events: [] }), 10_000);
  });

  test("looks again soon when something is appended, however long the gap had grown", async () => {
    const name = newName();
    await at(name).add("1");
    await inside(name, ({ actor }) => actor.timers.set(RELAY_TIMER, "", systemClock.now() + HOUR));
    await at(name).add("1");
    const due = await inside(name, ({ actor }) => actor.timers.dueAt(RELAY_TIMER, ""));
    expect((due ?? 0) - systemClock.now()).toBeLessThanOrEqual(8_000);
  });

  test("a woken actor sends what a crash left unsent, and nothing once it was quiet", async () => {
    const name = newName();
    const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
    outage.queue = true;
    await fill(name, 3);
    await vi.waitFor(() => expect(complaints).toHaveBeenCalled(), 10_000);
    await evictDurableObject(at(name));
    outage.queue = false;
    complaints.mockRestore();
    expect(await at(name).total()).toBe("3");
    await vi.waitFor(() => expect(seqsOf(name)).toEqual([1, 2, 3]), 10_000);
    await checkpoint(name, 3);
    await look(name);
    await evictDurableObject(at(name));
    expect(await inside(name, ({ actor }) => actor.reads.head())).toMatchObject({ seq: 3, sent_upto: 3 });
    expect(sentOf(name)).toHaveLength(1);
  });
});

describe("sealed fields", () => {
  const keys = localKeyService(Buffer.alloc(32, 7).toString("base64"));
  const fields = (ctx: DurableObjectState, stream = "counter/sealed") =>
    new SealedFields(ctx.storage.sql, keys, stream);

  test("come back as they were sealed, under a key that outlives the object's memory", async () => {
    await inside(newName(), async (_, ctx) => {
      const sealed = await fields(ctx).seal("usr_ann", "charge.began", "token", "tok_visa 💳");
      expect(sealed.sealed).not.toContain("tok");
      expect(await fields(ctx).open("usr_ann", "charge.began", "token", sealed)).toBe("tok_visa 💳");
      const again = await fields(ctx).seal("usr_ann", "charge.began", "token", "tok_visa 💳");
      expect(again.key).toBe(sealed.key);
      expect(again.sealed).not.toBe(sealed.sealed);
    });
  });

  test("open nowhere else: another field, type, stream or subject, or one bit changed, is refused", async () => {
    await inside(newName(), async (_, ctx) => {
      const here = fields(ctx);
      const sealed = await here.seal("usr_ann", "charge.began", "token", "tok_visa");
      const bytes = Buffer.from(sealed.sealed, "base64url");
      for (const at of [0, 12, bytes.length - 1]) {
        const flipped = Buffer.from(bytes);
        flipped[at] = (flipped[at] ?? 0) ^ 1;
        const changed = { ...sealed, sealed: flipped.toString("base64url") };
        await failure(() => here.open("usr_ann", "charge.began", "token", changed));
      }
      await failure(() => here.open("usr_ann", "charge.began", "token", { ...sealed, sealed: "" }));
      await failure(() => here.open("usr_ann", "charge.began", "description", sealed));
      await failure(() => here.open("usr_ann", "charge.ended", "token", sealed));
      // The data key itself is bound to its stream.
      await failure(() => fields(ctx, "counter/other").open("usr_ann", "charge.began", "token", sealed));
      await here.seal("usr_bob", "charge.began", "token", "tok_visa");
      expect(await here.open("usr_bob", "charge.began", "token", sealed)).toBeNull();
      const other = new SealedFields(
        ctx.storage.sql,
        localKeyService(Buffer.alloc(32, 8).toString("base64")),
        "counter/sealed",
      );
      await failure(() => other.open("usr_ann", "charge.began", "token", sealed));
    });
  });

  test("are gone when the subject's key is shredded, and the chain over them still verifies", async () => {
    const name = newName();
    const sealed = await inside(name, async (counter, ctx) => {
      const field = await fields(ctx).seal("usr_ann", "counter.added", "note", "for ann's birthday");
      counter.addNow("1", field.sealed);
      return field;
    });
    await inside(name, async (_, ctx) => {
      const here = fields(ctx);
      expect(await here.open("usr_ann", "counter.added", "note", sealed)).toBe("for ann's birthday");
      here.shred("usr_ann");
      expect(await here.open("usr_ann", "counter.added", "note", sealed)).toBeNull();
      // A new key for the same person does not bring the old text back.
      await here.seal("usr_ann", "counter.added", "note", "another");
      expect(await here.open("usr_ann", "counter.added", "note", sealed)).toBeNull();
    });
    expect(await verify(name)).toMatchObject({ upto: 1, failure: null });
  });

  test("a key shredded while the key service was being asked is not remembered", async () => {
    await inside(newName(), async (_, ctx) => {
      const sealed = await fields(ctx).seal("usr_ann", "a", "b", "text");
      const held = Promise.withResolvers<void>();
      const slow = new SealedFields(
        ctx.storage.sql,
        { wrap: keys.wrap, unwrap: (wrapped, context) => held.promise.then(() => keys.unwrap(wrapped, context)) },
        "counter/sealed",
      );
      const opening = slow.open("usr_ann", "a", "b", sealed);
      slow.shred("usr_ann");
      held.resolve();
      expect(await opening).toBeNull();
      expect(await slow.open("usr_ann", "a", "b", sealed)).toBeNull();
    });
  });
});

describe("migrations", () => {
  test("run once and in order; one that fails is named and leaves nothing behind", async () => {
    await inside(newName(), async (_, ctx) => {
      const good = {
        id: "1_good",
        sql: "CREATE TABLE good (a);--> statement-breakpoint\nINSERT INTO good VALUES (1);",
      };
      const bad = {
        id: "2_bad",
        sql: "CREATE TABLE half (a);--> statement-breakpoint\nINSERT INTO nowhere VALUES (1);",
      };
      expect(String(await failure(() => migrate(ctx.storage, [good, bad])))).toMatch(/migration 2_bad: .*nowhere/);
      expect(rows(ctx, "SELECT name FROM sqlite_master WHERE name IN ('good', 'half')")).toEqual([{ name: "good" }]);
      migrate(ctx.storage, [good]);
      expect(rows(ctx, "SELECT count(*) AS n FROM good")).toEqual([{ n: 1 }]);
    });
  });
});
