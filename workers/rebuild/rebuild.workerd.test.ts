import { applyD1Migrations } from "cloudflare:test";
import { env } from "cloudflare:workers";
import fc from "fast-check";
import { beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { LogRow, Run } from "../../schema/events.ts";
import { createIdSource, SHARDS } from "../../schema/ids.ts";
import { ENTRIES_A_PAGE, PROJECTED, REBUILD_PHASES, type RebuildPhase } from "../../schema/read-model.ts";
import type { Pull } from "../consumers/actors.ts";
import type { Generation } from "../consumers/generation.ts";
import { projectRuns } from "../consumers/projection.ts";
import { entriesIn } from "../consumers/testing/entries.ts";
import { beaconOf, logOf } from "../consumers/testing/logs.ts";
import { chargeBegan, creditsTo, joined, podMade, promoted, removed, stepped } from "../consumers/testing/stories.ts";
import { comparePage, FIRST } from "./compare.ts";
import { clearSome, exchangeStatements, isBehind } from "./exchange.ts";
import { catchUp, MAX_LAGGING } from "./fill.ts";
import type { RebuildPorts } from "./ports.ts";
import { beginRebuild, hasEnded, loadRebuild, type Rebuild, STALE_MS, Superseded } from "./record.ts";
import { nameKnownStreams } from "./sources.ts";
import { takeStep } from "./steps.ts";

const { REBUILT_MODEL: db, READ_MODEL_MIGRATIONS } = env as unknown as {
  REBUILT_MODEL: D1Database;
  READ_MODEL_MIGRATIONS: Parameters<typeof applyD1Migrations>[1];
};

const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));
const POD = ids.next("pod", 1);
const LONELY = ids.next("pod", 2);
const ACCOUNT = `pod:${POD}:EUR`;
const charges = Array.from({ length: 3 }, (_, n) => ({ saga: ids.next("sag", n, 3), charge: ids.next("chg", n, 3) }));

/** Every log of a small house. `LONELY` is a pod of which nobody has paid anything. */
const LOGS: readonly LogRow[][] = [
  logOf(`pod/${POD}`, [
    ...podMade(POD),
    joined(POD, "bob"),
    promoted(POD, "bob"),
    joined(POD, "cleo"),
    removed(POD, "bob"),
    joined(POD, "bob"),
  ]),
  logOf(`pod/${LONELY}`, podMade(LONELY)),
  logOf(`account/${ACCOUNT}`, creditsTo(ACCOUNT, Array(ENTRIES_A_PAGE + 4).fill(100n))),
  logOf("saga/shard-3", [
    ...charges.map(({ saga, charge }) => chargeBegan(saga, charge, POD)),
    ...charges.map(({ saga }) => stepped(saga, "completed")),
  ]),
  logOf("risk/ann", [{ type: "risk.assessed", data: {} }]),
];
const streamIn = (log: readonly LogRow[]): string => log[0]?.event.stream ?? "";
const STREAMS = LOGS.map(streamIn);
/** Rows that are compared: 2 pods, 4 members, 1 account, a page of its entries, 3 sagas, 3 charges. */
const ROWS = 14;

/** The actors as they stand: of each log so much has been written. */
class Actors {
  readonly written: number[];
  constructor(written: readonly number[] = LOGS.map((log) => log.length)) {
    this.written = [...written];
  }
  pull = async (stream: string, after: number, limit: number): Promise<LogRow[]> => {
    const at = STREAMS.indexOf(stream);
    return at < 0 ? [] : (LOGS[at]?.slice(0, this.written[at]).slice(after, after + limit) ?? []);
  };
  /** Appends to a log; answers the message that tells of it. */
  write(at: number, events: number): Run | null {
    const log = LOGS[at] ?? [];
    const from = this.written[at] ?? 0;
    const rows = log.slice(from, from + events);
    this.written[at] = from + rows.length;
    return rows.length === 0 ? null : { stream: streamIn(log), from: from + 1, head: from + rows.length, events: rows };
  }
}

/** A directory that names what the coordinators name; the house's own streams are in none. */
const directoryOf = (streams: readonly string[]): Pick<RebuildPorts, "directory" | "name"> & { named: string[] } => {
  const named: string[] = [];
  return {
    named,
    directory: async (shard, after, limit) => {
      const mine = streams.filter((_, at) => at % SHARDS === shard).filter((stream) => stream > (after ?? ""));
      const page = mine.toSorted().slice(0, limit);
      return { streams: page, next: page.length === limit ? (page.at(-1) ?? null) : null };
    },
    name: async (more) => void named.push(...more),
  };
};

type Given = Partial<Omit<RebuildPorts, "beat">> & { actors?: Actors };
const portsOf = ({ actors = new Actors(), ...given }: Given = {}): Omit<RebuildPorts, "beat"> => ({
  db,
  pull: actors.pull,
  now: Date.now,
  letIn: async () => undefined,
  ...directoryOf(STREAMS.filter((stream) => !stream.startsWith("saga/"))),
  ...given,
});

const project = (runs: readonly Run[], on: { db?: D1Database; actors?: Actors; generation?: Generation } = {}) =>
  projectRuns(
    { db: on.db ?? db, pull: (on.actors ?? new Actors()).pull, now: Date.now, generation: on.generation ?? "serving" },
    Map.groupBy(runs, ({ stream }) => stream),
  );
const projectAll = () => project(LOGS.map(beaconOf));

const begin = async (now = Date.now()): Promise<Rebuild> => {
  const started = await beginRebuild(db, ids.next("rbd", Date.now()), "olga", now);
  if ("running" in started) throw new Error(`${started.running} is under way`);
  return started.begun;
};

/** Takes steps to the end, or until `until` says that the driver is gone. */
const drive = async (ports: Omit<RebuildPorts, "beat">, from: Rebuild, until = (_: Rebuild) => false) => {
  let rebuild = from;
  while (!hasEnded(rebuild) && !until(rebuild)) rebuild = await takeStep(ports, rebuild);
  return rebuild;
};
const upTo = (phase: RebuildPhase, actors: Actors, from: Rebuild) =>
  drive(portsOf({ actors }), from, (rebuild) => rebuild.phase === phase);
const rebuildAll = async (given: Given = {}) => drive(portsOf(given), await begin());

const tables = async (suffix = ""): Promise<Record<string, unknown[]>> => {
  const found = await db.batch(
    PROJECTED.map(({ name, key }) => db.prepare(`SELECT * FROM ${name}${suffix} ORDER BY ${key.join(", ")}`)),
  );
  return Object.fromEntries(PROJECTED.map(({ name }, at) => [name, found[at]?.results ?? []]));
};
/** Entries in the tables that serve, and in the next ones. */
const entries = () => Promise.all([entriesIn(db), entriesIn(db, "%", "_next")]);
/** The pods in the tables that serve. */
const pods = (of: Record<string, unknown[]>) =>
  of.checkpoints?.filter((row) => (row as { stream: string }).stream.startsWith("pod/"));
const standing = async () =>
  (await db.prepare("SELECT epoch, rebuild, shadowed FROM read_model WHERE id = 1").first()) ?? null;
const run = (sql: string, ...values: unknown[]) =>
  db
    .prepare(sql)
    .bind(...values)
    .run();

let reference: Record<string, unknown[]>;
const empty = () =>
  db.batch(
    PROJECTED.flatMap(({ name }) => [name, `${name}_next`])
      .concat("read_model", "rebuilds")
      .map((name) => db.prepare(`DELETE FROM ${name}`)),
  );
beforeAll(async () => {
  await applyD1Migrations(db, READ_MODEL_MIGRATIONS);
  await empty();
  await projectAll();
  reference = await tables();
});
beforeEach(async () => {
  await empty();
});

describe("a rebuild", () => {
  it("of a read model that is right finds no row that differs, and leaves it as it was", async () => {
    await projectAll();
    const done = await rebuildAll();
    expect(done).toMatchObject({ phase: "done", rows: ROWS, differ: 0, differences: [], error: null });
    expect(done.streams).toBe(LOGS.length);
    expect(await tables()).toEqual(reference);
    expect(Object.values(await tables("_next")).flat()).toEqual([]);
    expect(await standing()).toMatchObject({ rebuild: null, shadowed: 0 });
  });

  it("of a read model that was dropped finds everything again, a pod that nobody has paid into too", async () => {
    const done = await rebuildAll();
    expect(done).toMatchObject({ phase: "done", rows: ROWS, differ: 0 });
    expect(await tables()).toEqual(reference);
    expect((await tables()).checkpoints).toContainEqual(expect.objectContaining({ stream: `pod/${LONELY}` }));
  });

  it("names rows that were another, missing or made up by table and key, and puts them right", async () => {
    await projectAll();
    await db.batch([
      db
        .prepare("UPDATE entries SET doc = json_set(doc, '$[3].balance.amount', '1.00') WHERE account = ?")
        .bind(ACCOUNT),
      db
        .prepare("UPDATE checkpoints SET doc = json_set(doc, '$.counters.credits_posted', '1') WHERE stream = ?")
        .bind(`account/${ACCOUNT}`),
      db.prepare("DELETE FROM members WHERE pod = ? AND user = 'cleo'").bind(POD),
      db.prepare("INSERT INTO members (pod, user, role, joined_seq) VALUES (?, 'mallory', 'owner', 1)").bind(POD),
    ]);
    const done = await rebuildAll();
    expect(done).toMatchObject({ phase: "done", differ: 4 });
    expect(done.differences).toEqual([
      { table: "checkpoints", key: `account/${ACCOUNT}/projector` },
      { table: "members", key: `${POD}/cleo` },
      { table: "members", key: `${POD}/mallory` },
      { table: "entries", key: `${ACCOUNT}/0` },
    ]);
    expect(await tables()).toEqual(reference);
    expect(await rebuildAll()).toMatchObject({ differ: 0 });
  });

  it("tells a stream whose checkpoint belongs to another history", async () => {
    await projectAll();
    await run("UPDATE checkpoints SET hash = 'another' WHERE stream = 'risk/ann'");
    expect(await rebuildAll()).toMatchObject({
      differ: 1,
      differences: [{ table: "checkpoints", key: "risk/ann" }],
    });
  });

  it("takes a message that was lost for a lag, not for a difference", async () => {
    await project([beaconOf(LOGS[0] ?? [])]);
    expect(await rebuildAll()).toMatchObject({ differ: 0, rows: ROWS });
    expect(await tables()).toEqual(reference);
  });

  it("names in a directory what only the old read model knew of", async () => {
    await projectAll();
    const directory = directoryOf([]);
    const done = await rebuildAll(directory);
    expect(done).toMatchObject({ rows: ROWS, differ: 0 });
    expect(directory.named.toSorted()).toEqual(STREAMS.filter((stream) => stream !== "saga/shard-3").toSorted());
  });

  it("is refused while another is under way, and takes its place once that has no driver any more", async () => {
    const first = await begin(1_000_000);
    expect(await beginRebuild(db, "rbd_second", "olga", 1_000_000 + STALE_MS - 1)).toEqual({ running: first.id });
    expect(await loadRebuild(db, "rbd_second")).toBeNull();
    const third = await begin(1_000_000 + STALE_MS);
    expect(await loadRebuild(db, first.id)).toMatchObject({ phase: "superseded" });
    await expect(takeStep(portsOf(), first).catch((error) => error)).resolves.toBeInstanceOf(Superseded);
    expect(await drive(portsOf(), third)).toMatchObject({ phase: "done", rows: ROWS });
  });

  it("takes the place of one that was last heard of in a time to come: the clock was set back", async () => {
    const first = await begin(5_000_000);
    expect(await beginRebuild(db, "rbd_second", "olga", 5_000_000 - STALE_MS + 1)).toEqual({ running: first.id });
    const third = await begin(5_000_000 - 3_600_000);
    expect(await loadRebuild(db, first.id)).toMatchObject({ phase: "superseded" });
    expect(await drive(portsOf(), third)).toMatchObject({ phase: "done", rows: ROWS });
  });

  it("does not exchange tables that are behind the ones that serve", async () => {
    await projectAll();
    const amnesiac = new Actors(LOGS.map((log) => log.length - 1));
    const failed = await rebuildAll({ actors: amnesiac }).catch((error) => error);
    expect(failed).toBeInstanceOf(Error);
    expect(await tables()).toEqual(reference);
  }, 60_000);

  it("is caught up with before the exchange should the next tables be behind after all", async () => {
    const actors = new Actors([2, 2, 1, 0, 0]);
    await projectWritten(actors);
    const rebuild = await drive(portsOf({ actors }), await begin(), ({ phase }) => phase === "switching");
    // As if the next tables had refused it: the event reaches the tables that serve alone.
    await run("UPDATE read_model SET shadowed = 0");
    const money = actors.write(2, 2);
    await project(money === null ? [] : [money], { actors });
    expect(await entries()).toEqual([2, 0]);
    expect(await drive(portsOf({ actors }), rebuild)).toMatchObject({ phase: "done" });
    expect((await entries())[0]).toBe(2);
  });

  it("exchanges the tables once, whoever takes that step again", async () => {
    const rebuild = await drive(portsOf(), await begin(), ({ phase }) => phase === "switching");
    await takeStep(portsOf(), rebuild);
    const again = await db.batch(exchangeStatements(db, rebuild)).catch((error: Error) => error);
    expect(isBehind(again)).toBe(true);
    expect(await tables()).toEqual(reference);
  });

  it("clears nothing of tables that have become others since", async () => {
    const rebuild = await drive(portsOf(), await begin(), ({ phase }) => phase === "comparing");
    const { epoch } = (await standing()) as { epoch: number };
    expect(await clearSome(db, epoch - 1)).toBe(0);
    expect(await tables("_next")).toEqual(reference);
    expect(await drive(portsOf(), rebuild)).toMatchObject({ phase: "done", differ: 0 });
  });

  it("goes through its phases in order", async () => {
    const seen = new Set<string>();
    await drive(portsOf(), await begin(), ({ phase }) => seen.add(phase) === undefined);
    expect([...seen]).toEqual(REBUILD_PHASES.slice(0, 5));
  });
});

describe("more streams that lag than one look names", () => {
  /** Streams that sort before every pod's, with a checkpoint in the next tables alone, and nothing in their logs. */
  const lagging = (count: number) =>
    run(
      `INSERT INTO checkpoints_next (stream, consumer, seq, hash, doc)
       SELECT 'account/wallet:user-' || value || ':EUR', 'projector', 1, '', '' FROM
         (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM n WHERE value < ?1) SELECT value FROM n)`,
      count,
    );
  const nextPods = () =>
    project(
      [LOGS[0], LOGS[1]].map((log) => beaconOf(log ?? [])),
      { generation: "next" },
    );

  it("make no difference of a row whose stream is not among the named", async () => {
    await lagging(MAX_LAGGING);
    await nextPods();
    expect(await comparePage(db, FIRST)).toEqual({ settled: false });
    await run("DELETE FROM checkpoints_next WHERE stream = 'account/wallet:user-1:EUR'");
    expect(await comparePage(db, FIRST)).toEqual({ settled: false });
  });

  it("are all caught up with, a few at a time, and the driver is heard of meanwhile", async () => {
    await lagging(MAX_LAGGING);
    await nextPods();
    const actors = new Actors();
    let [beats, held, most] = [0, 0, 0];
    const pull: Pull = (...asked) => {
      most = Math.max(most, ++held);
      return actors.pull(...asked);
    };
    const beat = async () => {
      beats++;
      held = 0;
    };
    await catchUp({ ...portsOf(), pull, beat });
    expect(pods(await tables())).toEqual(pods(reference));
    expect(most).toBeLessThanOrEqual(64);
    expect(beats).toBeGreaterThan(20);
  });
});

describe("actors that sleep", () => {
  it("are asked for their logs only once they were let in, however often they are asked", async () => {
    const actors = new Actors();
    const awake = new Set<string>();
    const early: string[] = [];
    const pull: Pull = (stream, ...asked) => {
      if (!awake.has(stream)) early.push(stream);
      return actors.pull(stream, ...asked);
    };
    const letIn = async (streams: readonly string[]) => {
      for (const stream of streams) awake.add(stream);
    };
    expect(await rebuildAll({ pull, letIn })).toMatchObject({ phase: "done", rows: ROWS });
    expect(early).toEqual([]);
    expect([...awake]).toEqual(expect.arrayContaining([...STREAMS]));
  });

  it("may keep a rebuild waiting longer than one without a driver is left alone", async () => {
    let refused = 0;
    const letIn = async (_: readonly string[], beat: () => Promise<void>) => {
      await db
        .prepare("UPDATE rebuilds SET updated_at = ?")
        .bind(new Date(Date.now() - STALE_MS).toISOString())
        .run();
      await beat();
      const another = await beginRebuild(db, ids.next("rbd", Date.now()), "olga", Date.now());
      if ("running" in another) refused++;
    };
    expect(await rebuildAll({ letIn })).toMatchObject({ phase: "done", rows: ROWS });
    expect(refused).toBeGreaterThan(0);
  });
});

/** The database, with something done before a batch, the nth that a projection makes. */
const meddledWith = (before: (batch: number) => Promise<unknown> | undefined): D1Database => {
  let batches = 0;
  const batch = async (statements: D1PreparedStatement[]) => {
    await before(++batches);
    return db.batch(statements);
  };
  return { prepare: (sql: string) => db.prepare(sql), batch } as unknown as D1Database;
};

describe("new events during a rebuild", () => {
  it("reach the next tables before readers see them", async () => {
    const actors = new Actors([2, 2, 1, 0, 0]);
    const rebuild = await drive(portsOf({ actors }), await begin(), ({ phase }) => phase === "comparing");
    const money = actors.write(2, 2);
    await project(money === null ? [] : [money], { actors });
    expect(await entries()).toEqual([2, 2]);
    expect(await drive(portsOf({ actors }), rebuild)).toMatchObject({ differ: 0 });
  });

  it("reach the next tables even when the consumer dies before it comes to those that serve", async () => {
    const actors = new Actors([2, 2, 1, 0, 0]);
    await projectWritten(actors);
    const rebuild = await drive(portsOf({ actors }), await begin(), ({ phase }) => phase === "comparing");
    const money = actors.write(2, 2);
    // What both begin with and the next tables' write: three batches, and no fourth.
    const dying = meddledWith((batch) => (batch > 3 ? Promise.reject(new Error("killed")) : undefined));
    await project(money === null ? [] : [money], { db: dying, actors }).catch(() => undefined);
    expect(await entries()).toEqual([0, 2]);
    expect(await drive(portsOf({ actors }), rebuild)).toMatchObject({ phase: "done", differ: 0 });
    expect((await entries())[0]).toBe(2);
  });

  it("are not written to what the next tables have become while a consumer was about to", async () => {
    const actors = new Actors([2, 2, 0, 0, 0]);
    const rebuild = await drive(portsOf({ actors }), await begin(), ({ phase }) => phase === "comparing");
    const money = actors.write(2, 3);
    // Of a stream that was unknown, so that its checkpoint tells nothing. The third batch is the write to the next tables: by then they have been exchanged and swept.
    const overtaken = meddledWith((batch) => (batch === 3 ? drive(portsOf({ actors }), rebuild) : undefined));
    const outcomes = await project(money === null ? [] : [money], { db: overtaken, actors });
    expect([...outcomes.values()]).toEqual([{ state: "current", seq: 3, head: 3 }]);
    expect((await entries())[0]).toBe(2);
    expect(Object.values(await tables("_next")).flat()).toEqual([]);
    expect((await run("SELECT stream FROM checkpoints_next")).results).toEqual([]);
  });

  it("of a batch that a rebuild overtook in its beginning reach the next tables all the same", async () => {
    const actors = new Actors([2, 2, 1, 0, 0]);
    const money = actors.write(2, 2);
    // The second batch is the write to the tables that serve: by then the next ones are filled, as far as the log had been read.
    const behind = new Actors([2, 2, 1, 0, 0]);
    const overtaken = meddledWith((batch) =>
      batch === 2 ? begin().then((begun) => upTo("comparing", behind, begun)) : undefined,
    );
    await project(money === null ? [] : [money], { db: overtaken, actors });
    expect(await entries()).toEqual([2, 2]);
  });

  it("are projected to the tables that serve even when the next ones cannot take them", async () => {
    const actors = new Actors([2, 2, 1, 0, 0]);
    await drive(portsOf({ actors }), await begin(), ({ phase }) => phase === "comparing");
    await run("UPDATE checkpoints_next SET hash = 'another'");
    const money = actors.write(2, 2);
    const outcomes = await project(money === null ? [] : [money], { actors });
    expect([...outcomes.values()]).toEqual([{ state: "current", seq: 3, head: 3 }]);
    expect((await entries())[0]).toBe(2);
  });
});

type Scheduler = fc.Scheduler;

/** The database as one of several sees it: before each of its batches any of the others may have their turn. */
const gated = (turns: Scheduler, who: string, budget = { batches: Number.POSITIVE_INFINITY }): D1Database => {
  return meddledWith(async (batch) => {
    await turns.schedule(Promise.resolve(), who);
    if (batch > budget.batches) throw new Error("killed");
  });
};

type Action = { at: number; events: number; lost: boolean };
const action: fc.Arbitrary<Action> = fc.record({
  at: fc.nat({ max: LOGS.length - 1 }),
  events: fc.integer({ min: 1, max: 3 }),
  lost: fc.boolean(),
});
const lane = fc.array(action, { maxLength: 8 });
/** Where the others join in: most of a rebuild is filling, and most of what could go wrong is at its end. */
const joinedAt = fc.constantFrom(...REBUILD_PHASES.slice(0, 4));
const start = fc.tuple(...LOGS.map((log) => fc.nat({ max: log.length })));

/** Writes and projects, as one consumer of several would; a lost message is only written. */
const live = async (turns: Scheduler, who: string, actors: Actors, actions: readonly Action[]) => {
  for (const { at, events, lost } of actions) {
    const message = actors.write(at, events);
    if (message !== null && !lost) await project([message], { db: gated(turns, who), actors });
  }
};

const LOOKS = 30;

/** Looks at the lists again and again; throws when one shows less than before. */
const reader = async (turns: Scheduler) => {
  let before = { entries: 0, charges: 0, pods: 0 };
  for (let look = 0; look < LOOKS; look++) {
    await turns.schedule(Promise.resolve(), "reader");
    const lists = await db
      .prepare(
        `SELECT (SELECT count(*) FROM charges) AS charges,
           (SELECT count(*) FROM checkpoints WHERE stream LIKE 'pod/%') AS pods`,
      )
      .first<Omit<typeof before, "entries">>();
    if (lists === null) throw new Error("a list could not be read");
    const now = { ...lists, entries: await entriesIn(db) };
    for (const list of ["entries", "charges", "pods"] as const) expect(now[list]).toBeGreaterThanOrEqual(before[list]);
    before = now;
  }
};

const projectWritten = (actors: Actors) =>
  project(
    LOGS.map((log, at) => ({ stream: streamIn(log), from: 1, head: 0, events: log.slice(0, actors.written[at]) })),
    { actors },
  );

const finish = async (actors: Actors) => {
  for (const [at, log] of LOGS.entries()) actors.write(at, log.length);
  await projectAll();
  expect(await tables()).toEqual(reference);
};

describe("whatever the order of a rebuild and of live projection", () => {
  it("no row is lost or doubled, none differs, and no list ever shrinks", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), joinedAt, start, lane, lane, async (turns, phase, written, left, right) => {
        await empty();
        const actors = new Actors(written);
        await projectWritten(actors);
        const first = await upTo(phase, actors, await begin());
        const everybody = Promise.all([
          drive(portsOf({ actors, db: gated(turns, "rebuild") }), first),
          live(turns, "left", actors, left),
          live(turns, "right", actors, right),
          reader(turns),
        ]);
        const [done] = await turns.waitFor(everybody);
        expect(done).toMatchObject({ phase: "done", differ: 0 });
        expect(Object.values(await tables("_next")).flat()).toEqual([]);
        await finish(actors);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  }, 120_000);

  it("two drivers of one rebuild come to what one comes to", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), joinedAt, lane, async (turns, phase, actions) => {
        await empty();
        const actors = new Actors(LOGS.map(() => 1));
        const first = await upTo(phase, actors, await begin());
        const driver = (who: string) =>
          drive(portsOf({ actors, db: gated(turns, who) }), first).catch(async (error) => {
            if (!(error instanceof Superseded)) throw error;
            return null;
          });
        const drivers = [driver("one"), driver("other"), live(turns, "live", actors, actions)] as const;
        await turns.waitFor(Promise.all(drivers));
        expect(await loadRebuild(db, first.id)).toMatchObject({ phase: "done", differ: 0 });
        await finish(actors);
      }),
      { numRuns: 15, endOnFailure: true },
    );
  }, 120_000);

  it("one that is killed anywhere leaves lists as they were, and the next one does it all", async () => {
    await fc.assert(
      fc.asyncProperty(fc.scheduler(), fc.nat({ max: 80 }), start, lane, async (turns, batches, written, actions) => {
        await empty();
        const actors = new Actors(written);
        await projectWritten(actors);
        const killed = drive(portsOf({ actors, db: gated(turns, "rebuild", { batches }) }), await begin()).catch(
          (error: Error) => expect(error.message).toBe("killed"),
        );
        await turns.waitFor(Promise.all([killed, live(turns, "live", actors, actions)]));
        await finish(actors);
        const next = await beginRebuild(db, ids.next("rbd", Date.now()), "olga", Date.now() + STALE_MS + 1);
        if (!("begun" in next)) throw new Error("the killed one still stands in the way");
        expect(await drive(portsOf({ actors }), next.begun)).toMatchObject({ phase: "done", rows: ROWS, differ: 0 });
        expect(await tables()).toEqual(reference);
      }),
      { numRuns: 20, endOnFailure: true },
    );
  }, 120_000);
});

describe("streams that the read model alone knows of", () => {
  it("are named in a directory once", async () => {
    await projectAll();
    const directory = directoryOf([]);
    await nameKnownStreams({ db, ...directory });
    expect(directory.named.toSorted()).toEqual(STREAMS.toSorted());
    await nameKnownStreams({ db, ...directory });
    expect(directory.named).toHaveLength(STREAMS.length);
  });

  it("are named again after the read model was dropped, for it cannot remember", async () => {
    await nameKnownStreams({ db, ...directoryOf([]) });
    await empty();
    await projectAll();
    const directory = directoryOf([]);
    await nameKnownStreams({ db, ...directory });
    expect(directory.named).toHaveLength(STREAMS.length);
  });
});
