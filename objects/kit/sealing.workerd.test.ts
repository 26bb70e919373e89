import { evictDurableObject } from "cloudflare:test";
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { type EventBody, GENESIS_HASH, type LogRow } from "../../schema/events.ts";
import type { LogVerdict } from "../../schema/rpc/actor.ts";
import { segmentKey } from "./archive.ts";
import { advanceClock, systemClock } from "./clock.ts";
import { foldSealed } from "./recovery.ts";
import { RELAY_TIMER } from "./relay.ts";
import { SEAL_TIMER } from "./sealer.ts";
import { Snapshots } from "./snapshots.ts";
import { isRetryable } from "./stub.ts";
import { growth, interruption, tally } from "./testing/counter.ts";
import { at, checkpoint, env, failure, fill, inside, makeReadModel, newName, rows } from "./testing/drive.ts";
import { noteAllSent, rewriteEvent, storedEvents } from "./testing/stored.ts";

const HOUR = 3_600_000;
const MONTH = 30 * 24 * HOUR;

beforeAll(makeReadModel);
afterEach(() => {
  interruption.at = () => undefined;
  growth.size = () => 0;
  vi.restoreAllMocks();
});

const keyOf = (name: string, from: number, to: number) => segmentKey(`counter/${name}`, from, to);
const storedText = async (key: string) => (await env.LOGS.get(key))?.text() ?? null;
const keysOf = async (name: string) =>
  (await env.LOGS.list({ prefix: `log/counter/${name}/` })).objects.map(({ key }) => key.split("/").at(-1)).sort();

/** A counter whose 700 events are in two snapshots (at 300 and 600), sent, and seen by every consumer. */
const ripe = async (): Promise<string> => {
  const name = newName("sealing");
  for (const count of [300, 300, 100]) await fill(name, count, `ünïcödé ${count}`);
  await inside(name, (_, ctx) => noteAllSent(ctx.storage.sql));
  await evictDurableObject(at(name));
  await checkpoint(name, 700);
  return name;
};

const age = (name: string, ms: number) =>
  inside(name, async ({ actor }) => {
    advanceClock(ms);
    return actor.runDueTimers();
  });

/** What a counter keeps in its own log, and what it says of itself. */
const kept = (name: string) =>
  inside(name, ({ actor }, ctx) => ({
    events: { first: storedEvents(ctx.storage.sql)[0]?.seq, n: storedEvents(ctx.storage.sql).length },
    segments: rows(ctx, "SELECT from_seq, to_seq FROM segments ORDER BY from_seq").map((row) => Object.values(row)),
    total: String(actor.state.total),
    head: actor.head,
    door: actor.closedDoor,
  }));

const readAll = (name: string, page = 500) =>
  inside(name, async ({ actor }) => {
    const all: LogRow[] = [];
    for (;;) {
      const read = await actor.reads.eventsSince(all.length, page);
      all.push(...read);
      if (read.length < page) return all;
    }
  });

/** Walks the log from genesis, as a verification does. */
const walk = (name: string, page = 1_000) =>
  inside(name, async ({ actor }) => {
    let verdict: LogVerdict = { stream: "", upto: 0, hash: GENESIS_HASH, head: 0, failure: null };
    for (;;) {
      const next = await actor.reads.verifyLog(verdict.upto, verdict.hash, page);
      if (next.failure !== null || next.upto >= next.head || next.upto === verdict.upto) return next;
      verdict = next;
    }
  });

const sealed = async (): Promise<string> => {
  const name = await ripe();
  await age(name, MONTH);
  return name;
};

describe("the oldest events are sealed", () => {
  test("once they are thirty days old, up to the older of two snapshots, a whole segment at a time", async () => {
    const name = await ripe();
    const before = await readAll(name);
    await age(name, MONTH - HOUR);
    expect((await kept(name)).segments).toEqual([]);
    await age(name, HOUR);
    expect(await kept(name)).toMatchObject({
      events: { first: 301, n: 400 },
      segments: [
        [1, 100],
        [101, 200],
        [201, 300],
      ],
      total: "700",
      door: null,
    });
    expect(await keysOf(name)).toEqual(["1-100.jsonl", "101-200.jsonl", "201-300.jsonl"]);
    const lines = (await storedText(keyOf(name, 101, 200)))?.split("\n") ?? [];
    expect(lines).toHaveLength(101);
    expect(JSON.parse(lines[0] ?? "") as EventBody).toEqual(before[100]?.event);
    // Nothing is left to seal before the next snapshot, and an actor with nothing to do sets no timer.
    expect(await inside(name, ({ actor }) => actor.timers.dueAt(SEAL_TIMER, ""))).toBeNull();
  });

  test("after an hour where the object holds more than five gigabytes", async () => {
    const name = await ripe();
    await age(name, HOUR);
    expect((await kept(name)).segments).toEqual([]);
    growth.size = () => 5_000_000_001;
    await fill(name, 300);
    await checkpoint(name, 1_000);
    await age(name, 0);
    expect((await kept(name)).segments.at(-1)).toEqual([501, 600]);
  });

  test("never before every consumer has passed them", async () => {
    const name = await ripe();
    await checkpoint(name, 250);
    await age(name, MONTH);
    expect((await kept(name)).segments).toEqual([
      [1, 100],
      [101, 200],
    ]);
    await checkpoint(name, 700);
    await age(name, HOUR);
    expect((await kept(name)).segments).toHaveLength(3);
  });

  test("never while a log is shorter than a segment or has taken no second snapshot", async () => {
    const name = newName("sealing");
    await fill(name, 300);
    await checkpoint(name, 300);
    expect(await inside(name, ({ actor }) => actor.timers.dueAt(SEAL_TIMER, ""))).toBeNull();
    await age(name, 2 * MONTH);
    expect((await kept(name)).segments).toEqual([]);
  });

  test("and what is appended meanwhile and afterwards goes on the same chain", async () => {
    const name = await ripe();
    interruption.at = async (step) => {
      if (step === "put") await at(name).add("1");
    };
    await age(name, MONTH);
    interruption.at = () => undefined;
    await fill(name, 1_000);
    expect(await walk(name)).toMatchObject({ upto: 1_703, head: 1_703, failure: null });
    await vi.waitFor(async () => {
      await inside(name, async ({ actor }) => expect((await actor.reads.head()).sent_upto).toBe(1_703));
    }, 10_000);
    await checkpoint(name, 1_703);
    await age(name, MONTH);
    const { segments, total } = await kept(name);
    expect(segments.at(-1)).toEqual([501, 600]);
    expect(total).toBe("1703");
  });
});

describe("a sealed log", () => {
  test("is read in the same shape, whatever page one reads it by", async () => {
    const name = await ripe();
    const before = await readAll(name);
    await age(name, MONTH);
    expect(before.map(({ seq }) => seq)).toEqual(Array.from({ length: 700 }, (_, i) => i + 1));
    for (const page of [500, 200, 77]) expect(await readAll(name, page)).toEqual(before);
    const some = await inside(name, ({ actor }) => actor.reads.eventsSince(299, 2));
    expect(some).toEqual(before.slice(299, 301));
    expect(await inside(name, ({ actor }) => actor.reads.eventsSince(700, 5))).toEqual([]);
    await inside(name, async ({ actor: { history } }) => {
      for (const seq of [1, 150, 200, 300, 301, 700]) {
        expect(await history.at(seq)).toEqual(before[seq - 1]);
        expect(await history.hashAt(seq)).toBe(before[seq - 1]?.hash);
      }
      expect([await history.at(0), await history.at(701), await history.hashAt(701)]).toEqual([null, null, null]);
      expect(await history.hashAt(0)).toBe(GENESIS_HASH);
    });
  });

  test("is verified from genesis to head, whatever page one walks it by", async () => {
    const name = await sealed();
    const { hash } = (await kept(name)).head;
    for (const page of [1_000, 500, 64, 7]) {
      expect(await walk(name, page)).toMatchObject({ upto: 700, head: 700, hash, failure: null });
    }
  });

  test("wakes to the same state and head, and its cursor is never behind what is sealed", async () => {
    const name = await sealed();
    const before = await kept(name);
    await inside(name, (_, ctx) => rows(ctx, "DELETE FROM relayed"));
    await evictDurableObject(at(name));
    expect(await kept(name)).toEqual(before);
    expect(await inside(name, async ({ actor }) => (await actor.reads.head()).sent_upto)).toBeGreaterThanOrEqual(300);
    expect(await at(name).add("1")).toBe("701");
  });

  test("wakes to the same state without any snapshot, by folding what is sealed", async () => {
    const name = await sealed();
    const before = await kept(name);
    await inside(name, (_, ctx) => rows(ctx, "DELETE FROM snapshots"));
    await evictDurableObject(at(name));
    expect(await kept(name)).toEqual(before);
    expect(await at(name).add("1")).toBe("701");
    // The fold at the seal's end was kept, so that the next waking reads no archive.
    interruption.at = () => {
      throw new Error("the archive was asked");
    };
    await evictDurableObject(at(name));
    expect(await at(name).total()).toBe("701");
  });

  test("too long to fold at one go is folded in several, each going on where the last one stopped", async () => {
    const name = await sealed();
    await inside(name, async ({ actor }, ctx) => {
      const snapshots = new Snapshots(ctx.storage.sql);
      snapshots.drop();
      const stopped: number[] = [];
      const go = async () => {
        let pages = 0;
        return foldSealed(actor.log, actor.history, snapshots, tally, () => pages++ < 2);
      };
      expect(String(await failure(go))).toContain("replayed up to 200 of 300");
      stopped.push(...snapshots.seqs());
      const { state, fault } = await go();
      expect({ stopped, fault, total: state.total }).toEqual({ stopped: [200], fault: null, total: 300n });
      expect(snapshots.seqs()).toEqual([300, 200]);
    });
    await evictDurableObject(at(name));
    expect(await at(name).total()).toBe("700");
  });

  test("that can wake by the archive alone, which is down, fails its callers and wakes once it is back", async () => {
    const name = await sealed();
    await inside(name, (_, ctx) => rows(ctx, "DELETE FROM snapshots"));
    await evictDurableObject(at(name));
    interruption.at = () => {
      throw new Error("the archive is down");
    };
    expect(String(await failure(() => at(name).total()))).toContain("the archive is down");
    interruption.at = () => undefined;
    expect(await at(name).total()).toBe("700");
    expect(await at(name).add("1")).toBe("701");
  });

  test("wakes by the older snapshot when the newer cannot be read", async () => {
    const name = await sealed();
    const before = await kept(name);
    await inside(name, (_, ctx) => rows(ctx, "UPDATE snapshots SET state = '{' WHERE seq = 600"));
    await evictDurableObject(at(name));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    interruption.at = () => {
      throw new Error("the archive was asked");
    };
    expect(await kept(name)).toEqual(before);
  });

  test("whose archive cannot be asked answers nobody wrongly: the call fails and may be made again", async () => {
    const name = await sealed();
    interruption.at = () => {
      throw new Error("the archive is down");
    };
    await inside(name, async ({ actor }) => {
      expect(String(await failure(() => actor.reads.eventsSince(0, 10)))).toContain("the archive is down");
      expect(String(await failure(() => actor.reads.verifyLog(0, GENESIS_HASH, 10)))).toContain("the archive is down");
      expect(await actor.reads.eventsSince(300, 10)).toHaveLength(10);
      expect(actor.closedDoor).toBeNull();
    });
    expect(await at(name).add("1")).toBe("701");
  });
});

describe("a crash while sealing loses nothing and doubles nothing", () => {
  const killed = (step: "put" | "read") => {
    interruption.at = (reached, ctx) => {
      if (reached !== step) return;
      interruption.at = () => undefined;
      ctx.abort(`killed after ${step}`);
    };
  };
  /** Crashes a counter while it seals; what it was before. */
  const crash = async (arrange: (name: string) => Promise<unknown>) => {
    const name = await ripe();
    const before = { rows: await readAll(name), ...(await kept(name)) };
    expect(isRetryable(await failure(() => arrange(name)))).toBe(true);
    return { name, before };
  };
  const isWhole = async (name: string, before: { rows: LogRow[]; head: unknown; total: string }) => {
    expect(await readAll(name)).toEqual(before.rows);
    expect(await walk(name)).toMatchObject({ upto: 700, head: 700, failure: null });
    expect(await kept(name)).toMatchObject({ head: before.head, total: before.total, door: null });
  };

  test.each(["put", "read"] as const)("after the archive's %s, before the commit", async (step) => {
    killed(step);
    const { name, before } = await crash((crashing) => age(crashing, MONTH));
    expect(await keysOf(name)).toEqual(["1-100.jsonl"]);
    const text = await storedText(keyOf(name, 1, 100));
    expect((await kept(name)).segments).toEqual([]);
    await isWhole(name, before);
    await age(name, HOUR);
    await isWhole(name, before);
    expect((await kept(name)).segments).toHaveLength(3);
    expect(await storedText(keyOf(name, 1, 100))).toBe(text);
  });

  test("in the turn of the commit, before it is durable", async () => {
    let asked = 0;
    const { name, before } = await crash((crashing) => {
      // The checkpoints are asked for again as soon as the first segment is committed.
      interruption.at = (step, ctx) => {
        if (step === "asking" && ++asked === 2) ctx.abort("killed in the turn of the commit");
      };
      return age(crashing, MONTH);
    });
    interruption.at = () => undefined;
    expect((await kept(name)).segments).toEqual([]);
    await isWhole(name, before);
    await age(name, HOUR);
    await isWhole(name, before);
  });

  test("after the commit", async () => {
    const { name, before } = await crash((crashing) =>
      inside(crashing, async ({ actor }, ctx) => {
        advanceClock(MONTH);
        await actor.runDueTimers();
        await ctx.storage.sync();
        ctx.abort("killed after the commit");
      }),
    );
    expect(await kept(name)).toMatchObject({ events: { first: 301, n: 400 } });
    await isWhole(name, before);
  });

  test("an archive that fails is tried again later, and nothing has changed", async () => {
    const name = await ripe();
    const before = { rows: await readAll(name), ...(await kept(name)) };
    const complaints = vi.spyOn(console, "error").mockImplementation(() => undefined);
    interruption.at = () => {
      throw new Error("the archive is down");
    };
    await age(name, MONTH);
    expect(complaints.mock.calls.join()).toContain("the archive is down");
    expect((await kept(name)).segments).toEqual([]);
    interruption.at = () => undefined;
    await age(name, HOUR);
    await isWhole(name, before);
    expect((await kept(name)).segments).toHaveLength(3);
  });
});

describe("what is sealed cannot be changed unnoticed", () => {
  let name: string;
  let text: string;
  let noted: Record<string, SqlStorageValue>[];
  /** The row after what is sealed. */
  let next: Record<string, SqlStorageValue>[];
  beforeAll(async () => {
    name = await sealed();
    text = (await storedText(keyOf(name, 101, 200))) ?? "";
    noted = await inside(name, (_, ctx) => rows(ctx, "SELECT * FROM segments WHERE from_seq = 101"));
    next = await inside(name, (_, ctx) => rows(ctx, "SELECT body, hash, seq FROM events ORDER BY seq LIMIT 1"));
  });

  /** Puts everything back as it was. */
  const restore = async () => {
    await env.LOGS.put(keyOf(name, 101, 200), text);
    await inside(name, (_, ctx) => {
      rows(ctx, "DELETE FROM events WHERE seq <= 300");
      rows(ctx, "UPDATE events SET body = ?, hash = ? WHERE seq = ?", ...(Object.values(next[0] ?? {}) as string[]));
      rows(ctx, "DELETE FROM segments WHERE from_seq = 101");
      rows(ctx, "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?)", ...(Object.values(noted[0] ?? {}) as string[]));
    });
    await evictDurableObject(at(name));
  };
  /** Rewrites a segment in the bucket, as somebody who holds its keys could. */
  const rewrite = (change: (lines: string[]) => string[]) =>
    env.LOGS.put(keyOf(name, 101, 200), change(text.split("\n")).join("\n"));
  const within = (statement: string) => inside(name, (_, ctx) => rows(ctx, statement));
  const swap = (lines: string[], a: number, b: number) => {
    const changed = [...lines];
    [changed[a], changed[b]] = [lines[b] ?? "", lines[a] ?? ""];
    return changed;
  };
  const flip = (line = "") => line.replace('"amount":"1"', '"amount":"9"');

  const CASES: [string, number, () => Promise<unknown>][] = [
    ["a flipped byte", 142, () => rewrite((lines) => lines.with(41, flip(lines[41])))],
    ["a flipped byte in its last event", 200, () => rewrite((lines) => lines.with(99, flip(lines[99])))],
    ["a line that is no JSON", 101, () => rewrite((lines) => lines.with(0, (lines[0] ?? "").slice(1)))],
    ["a deleted event", 142, () => rewrite((lines) => lines.toSpliced(41, 1))],
    ["two events swapped", 142, () => rewrite((lines) => swap(lines, 41, 42))],
    ["an inserted event", 142, () => rewrite((lines) => lines.toSpliced(41, 0, lines[40] ?? ""))],
    ["an event more at its end", 200, () => rewrite((lines) => [...lines.slice(0, 100), lines[99] ?? "", ""])],
    ["a truncated segment", 151, () => rewrite((lines) => lines.slice(0, 50))],
    ["a deleted segment", 101, () => env.LOGS.delete(keyOf(name, 101, 200))],
    ["a segment that is no longer noted", 101, () => within("DELETE FROM segments WHERE from_seq = 101")],
    [
      "a segment noted with another chain",
      101,
      () => within("UPDATE segments SET hash_before = hash_after WHERE from_seq = 101"),
    ],
    [
      "an event put back beside its segment",
      142,
      () => within("INSERT INTO events (seq, body, hash) VALUES (142, '{}', '')"),
    ],
    [
      "an event put back into the row that follows its segment",
      301,
      () =>
        within(
          "UPDATE events SET body = '{}' || char(10) || body, hash = 'x' || char(10) || hash WHERE seq = (SELECT min(seq) FROM events)",
        ),
    ],
  ];

  test.each(CASES)("%s: its seq is named, and nothing is written until all is as it was", async (_, seq, tamper) => {
    const { total } = await kept(name);
    await tamper();
    const alert = vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect((await walk(name)).failure?.seq).toBe(seq);
    expect(alert.mock.calls.join()).toMatch(new RegExp(`^integrity: counter/${name} at seq ${seq}: `));
    const { door } = await kept(name);
    expect(door).toMatchObject({ code: "upstream_unavailable" });
    expect(door?.detail).toContain(`counter/${name} fails verification at seq ${seq}`);
    expect(String(await failure(() => at(name).addNow("1")))).toContain("refusing to write");
    // It stays shut: without snapshots, waking reads the whole log.
    await evictDurableObject(at(name));
    expect((await kept(name)).door?.detail).toContain(`seq ${seq}`);
    await restore();
    expect(await kept(name)).toMatchObject({ total, door: null });
    expect(await at(name).add("1")).toBe(String(Number(total) + 1));
  });

  test("shuts the door whatever page of a sealed segment a verification begins at", async () => {
    await rewrite((lines) => lines.with(41, flip(lines[41])));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect((await walk(name, 30)).failure?.seq).toBe(142);
    expect((await kept(name)).door?.detail).toContain("seq 142");
    await restore();
    expect((await kept(name)).door).toBeNull();
  });

  test("nor what is not sealed yet, though a snapshot lies past it: waking skips it, verification does not", async () => {
    const name = newName("sealing");
    for (const count of [300, 300]) await fill(name, count);
    const change = (from: string, to: string) =>
      inside(name, (_, ctx) =>
        rewriteEvent(ctx.storage.sql, 10, (body) => body.replace(`"amount":"${from}"`, `"amount":"${to}"`)),
      );
    await change("1", "9");
    await evictDurableObject(at(name));
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    expect((await kept(name)).door).toBeNull();
    expect((await walk(name)).failure).toEqual({ seq: 10, reason: "hash does not follow" });
    for (const wake of [() => undefined, () => evictDurableObject(at(name))]) {
      await wake();
      expect((await kept(name)).door?.detail).toContain("seq 10");
    }
    await change("9", "1");
    await evictDurableObject(at(name));
    expect(await at(name).add("1")).toBe("601");
  });

  test("a name that holds something else already is left as it is, named, and nothing is dropped", async () => {
    const name = await ripe();
    const foreign = "somebody else's\n";
    await env.LOGS.put(keyOf(name, 1, 100), foreign);
    const alert = vi.spyOn(console, "error").mockImplementation(() => undefined);
    await age(name, MONTH);
    expect(alert.mock.calls.join()).toContain(`integrity: ${keyOf(name, 1, 100)} holds something else at seq 1`);
    expect(await storedText(keyOf(name, 1, 100))).toBe(foreign);
    expect(await kept(name)).toMatchObject({ events: { first: 1, n: 700 }, segments: [], door: null });
    expect(await walk(name)).toMatchObject({ upto: 700, failure: null });
  });

  test("an event that was changed before it was sealed is not sealed", async () => {
    const name = await ripe();
    await inside(name, (_, ctx) =>
      rewriteEvent(ctx.storage.sql, 142, (body) => body.replace('"amount":"1"', '"amount":"9"')),
    );
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    await age(name, MONTH);
    expect((await kept(name)).segments).toEqual([[1, 100]]);
    expect((await kept(name)).door?.detail).toContain("seq 142");
    expect(await keysOf(name)).toEqual(["1-100.jsonl"]);
  });
});

describe("an object that is nearly full", () => {
  test("says so from eight gigabytes on, measured with every snapshot, and still takes what must end", async () => {
    const name = newName("sealing");
    await fill(name, 1);
    expect(await inside(name, ({ actor }) => actor.nearlyFull)).toBeNull();
    growth.size = () => 8_000_000_000;
    await fill(name, 300);
    expect(await inside(name, ({ actor }) => actor.nearlyFull)).toMatchObject({ code: "overloaded", retry_after: 60 });
    expect(await at(name).add("1")).toBe("302");
    growth.size = () => 7_999_999_999;
    await evictDurableObject(at(name));
    expect(await inside(name, ({ actor }) => actor.nearlyFull)).toBeNull();
    expect(await inside(name, ({ actor }) => actor.timers.dueAt(RELAY_TIMER, ""))).toBeGreaterThan(systemClock.now());
  });
});
