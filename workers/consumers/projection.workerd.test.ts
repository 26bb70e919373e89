import { env } from "cloudflare:workers";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { LogRow, Run } from "../../schema/events.ts";
import { type AccountDoc, ENTRIES_A_PAGE, type PodDoc } from "../../schema/read-model.ts";
import type { Pull } from "./actors.ts";
import { guard, isLostRace } from "./checkpoints.ts";
import { MAX_PACK_EVENTS } from "./packs.ts";
import { MAX_PULL, type ProjectionPorts, projectRuns } from "./projection.ts";
import { entriesIn } from "./testing/entries.ts";
import { beaconOf, logOf, runOf } from "./testing/logs.ts";
import { chargeBegan, creditsTo, joined, podMade, promoted, removed, renamed, stepped } from "./testing/stories.ts";

const { READ_MODEL: db } = env as unknown as { READ_MODEL: D1Database };

/** Actors that answer from these logs, and remember who asked for what. */
const actorsOf = (...logs: LogRow[][]) => {
  const byStream = new Map(logs.map((log) => [log[0]?.event.stream ?? "", log]));
  const pulls: string[] = [];
  const pull: Pull = async (stream, after, limit) => {
    pulls.push(`${stream} ${after}`);
    return (byStream.get(stream) ?? []).slice(after, after + limit);
  };
  return { pull, pulls };
};
const unreachable: Pull = async () => {
  throw new Error("unreachable");
};
const ports = (pull: Pull = unreachable, database = db): ProjectionPorts => ({ db: database, pull, now: () => 0 });
const project = (runs: Run[], on = ports()) =>
  projectRuns(
    on,
    Map.groupBy(runs, ({ stream }) => stream),
  );

let made = 0;
/** Names that no other test of this file uses: storage is shared within a file. */
const fresh = (kind: "pod" | "chg" | "sag" | "trf") =>
  `${kind}_${String(++made).padStart(26, "0")}${kind === "sag" || kind === "chg" ? "03" : ""}`;
const podLog = (...more: ((pod: string) => Parameters<typeof logOf>[1][number])[]) => {
  const pod = fresh("pod");
  return { pod, log: logOf(`pod/${pod}`, [...podMade(pod), ...more.map((say) => say(pod))]) };
};
const accountLog = (...amounts: bigint[]) => {
  const account = `pod:${fresh("pod")}:EUR`;
  return { account, log: logOf(`account/${account}`, creditsTo(account, amounts)) };
};

const one = async <T>(sql: string, ...values: unknown[]) =>
  db
    .prepare(sql)
    .bind(...values)
    .first<T>();
const checkpoint = async (log: readonly LogRow[]) =>
  (await one<{ seq: number }>("SELECT seq FROM checkpoints WHERE stream = ?", log[0]?.event.stream))?.seq ?? null;
const recordOf = async <T>(stream: string) =>
  JSON.parse(
    (await one<{ doc: string }>("SELECT doc FROM checkpoints WHERE stream = ?", stream))?.doc || "null",
  ) as T | null;
const entriesOf = (account: string) => entriesIn(db, account);
const countersOf = async (account: string) => (await recordOf<AccountDoc>(`account/${account}`))?.counters;
const nameOf = async (pod: string) => (await recordOf<PodDoc>(`pod/${pod}`))?.name ?? null;

/** The database with something done before each batch of a projection that writes. */
const meddledWith = (before: (time: number) => Promise<unknown>): D1Database => {
  let batches = 0;
  const batch = async (statements: D1PreparedStatement[]) => {
    // Each round's first batch reads, its second writes.
    if (++batches % 2 === 0) await before(batches / 2);
    return db.batch(statements);
  };
  return { prepare: (sql: string) => db.prepare(sql), batch } as unknown as D1Database;
};
const once = (task: () => Promise<unknown>) => async (time: number) => (time === 1 ? task() : undefined);

describe("the guard", () => {
  const HERE = { generation: "serving", epoch: 0 } as const;
  const stream = () => `risk/${fresh("pod")}`;
  const step = (name: string, expected: number, seq: number) => ({ stream: name, expected, seq, hash: "h", doc: null });
  const tryBatch = async (statements: D1PreparedStatement[]) => {
    try {
      await db.batch(statements);
      return null;
    } catch (error) {
      return error;
    }
  };
  const witness = (id: string) => db.prepare("INSERT INTO charges (pod, id, doc) VALUES (?, '', '{}')").bind(id);

  it("takes a stream from its beginning and on from where it stands", async () => {
    const name = stream();
    expect(await tryBatch(guard(db, HERE, [step(name, 0, 3)]))).toBeNull();
    expect(await tryBatch(guard(db, HERE, [step(name, 3, 5)]))).toBeNull();
    expect(await one("SELECT seq FROM checkpoints WHERE stream = ?", name)).toEqual({ seq: 5 });
  });

  it("rolls the whole batch back when the race is lost", async () => {
    const name = stream();
    const id = fresh("pod");
    await db.batch(guard(db, HERE, [step(name, 0, 3)]));
    for (const expected of [0, 2, 4]) {
      const error = await tryBatch([...guard(db, HERE, [step(name, expected, 5)]), witness(id)]);
      expect(isLostRace(error)).toBe(true);
    }
    expect(await one("SELECT seq FROM checkpoints WHERE stream = ?", name)).toEqual({ seq: 3 });
    expect(await one("SELECT pod FROM charges WHERE pod = ?", id)).toBeNull();
  });

  it("loses the race when the checkpoint was dropped meanwhile", async () => {
    const name = stream();
    expect(isLostRace(await tryBatch(guard(db, HERE, [step(name, 3, 5)])))).toBe(true);
    expect(await one("SELECT seq FROM checkpoints WHERE stream = ?", name)).toBeNull();
  });

  it("loses the race when a rebuild has made other tables of these meanwhile, in either generation", async () => {
    for (const generation of ["serving", "next"] as const) {
      const name = stream();
      const error = await tryBatch(guard(db, { generation, epoch: 7 }, [step(name, 0, 3)]));
      expect(isLostRace(error)).toBe(true);
      expect(await tryBatch(guard(db, { generation, epoch: 0 }, [step(name, 0, 3)]))).toBeNull();
    }
  });

  it("guards all streams of a batch: one lost race undoes every one", async () => {
    const [left, right] = [stream(), stream()];
    await db.batch(guard(db, HERE, [step(right, 0, 1)]));
    expect(isLostRace(await tryBatch(guard(db, HERE, [step(left, 0, 2), step(right, 0, 2)])))).toBe(true);
    expect(await one("SELECT seq FROM checkpoints WHERE stream = ?", left)).toBeNull();
  });

  it("does not take another error for a lost race", async () => {
    const id = fresh("pod");
    const error = await tryBatch([witness(id), witness(id)]);
    expect(error).toBeInstanceOf(Error);
    expect(isLostRace(error)).toBe(false);
  });
});

describe("a projection", () => {
  it("shows a pod, its money and its charge from one batch of several streams", async () => {
    const { pod, log } = podLog();
    const account = `pod:${pod}:EUR`;
    const [saga, charge] = [fresh("sag"), fresh("chg")];
    const money = logOf(`account/${account}`, creditsTo(account, [985n], charge));
    const journal = logOf(`saga/shard-${1_000 + made}`, [chargeBegan(saga, charge, pod), stepped(saga, "completed")]);
    const outcomes = await project([runOf(log, 1, 2), runOf(money, 1, 2), runOf(journal, 1, 2)]);
    expect([...outcomes.values()].map(({ state }) => state)).toEqual(["current", "current", "current"]);
    expect(await nameOf(pod)).toBe("Trip");
    expect(await countersOf(account)).toMatchObject({ credits_posted: "985" });
    expect(
      await one(
        "SELECT doc->>'payer' AS payer, doc->>'status' AS status FROM charges WHERE pod = ? AND id = ?",
        pod,
        charge,
      ),
    ).toEqual({ payer: "ann", status: "succeeded" });
    expect(await one("SELECT status FROM sagas WHERE id = ?", saga)).toEqual({ status: "completed" });
  });

  it("counts a credit once that is delivered twice, in one batch and in the next", async () => {
    const { account, log } = accountLog(500n, 300n);
    await project([runOf(log, 1, 3), runOf(log, 1, 3), runOf(log, 2, 3)]);
    await project([runOf(log, 1, 3)]);
    expect(await entriesOf(account)).toBe(2);
    expect(await countersOf(account)).toMatchObject({ credits_posted: "800" });
    expect(await checkpoint(log)).toBe(3);
  });

  it("counts a credit once when two consumers project it at the same moment", async () => {
    const { account, log } = accountLog(500n);
    const rival = () => project([runOf(log, 1, 2)]);
    const outcomes = await project([runOf(log, 1, 2)], ports(unreachable, meddledWith(once(rival))));
    expect([...outcomes.values()]).toEqual([{ state: "current", seq: 2, head: 2 }]);
    expect(await entriesOf(account)).toBe(1);
  });

  it("goes on from where a rival stopped", async () => {
    const { account, log } = accountLog(500n, 300n, 200n);
    const rival = () => project([runOf(log, 1, 2, 2)]);
    await project([runOf(log, 1, 4)], ports(unreachable, meddledWith(once(rival))));
    expect(await entriesOf(account)).toBe(3);
    expect(await countersOf(account)).toMatchObject({ credits_posted: "1000" });
  });

  it("never takes a pod back to where a slower consumer saw it", async () => {
    const { pod, log } = podLog((id) => renamed(id, "Ski"));
    const rival = () => project([runOf(log, 1, 3)]);
    const outcomes = await project([runOf(log, 1, 2, 2)], ports(unreachable, meddledWith(once(rival))));
    expect([...outcomes.values()]).toEqual([{ state: "current", seq: 3, head: 2 }]);
    expect(await nameOf(pod)).toBe("Ski");
    expect(await checkpoint(log)).toBe(3);
  });

  it("gives up after four lost races and leaves the rest to the next delivery", async () => {
    const { account, log } = accountLog(1n, 2n, 3n, 4n, 5n);
    const rival = (time: number) => project([runOf(log, time, time, time)]);
    const outcomes = await project([runOf(log, 1, 6)], ports(unreachable, meddledWith(rival)));
    expect([...outcomes.values()]).toMatchObject([{ state: "failed", head: 6 }]);
    expect(await checkpoint(log)).toBe(4);
    expect(await entriesOf(account)).toBe(3);
    await project([runOf(log, 1, 6)]);
    expect(await entriesOf(account)).toBe(5);
  });

  it("keeps the others of its batch going when one stream meets a rival", async () => {
    const [hot, calm] = [accountLog(500n), accountLog(700n)];
    const rival = () => project([runOf(hot.log, 1, 2)]);
    const outcomes = await project(
      [runOf(hot.log, 1, 2), runOf(calm.log, 1, 2)],
      ports(unreachable, meddledWith(once(rival))),
    );
    expect([...outcomes.values()].map(({ state }) => state)).toEqual(["current", "current"]);
    expect([await entriesOf(hot.account), await entriesOf(calm.account)]).toEqual([1, 1]);
  });

  it("keeps the others of its batch going when one stream cannot be folded", async () => {
    const { account, log } = accountLog(500n);
    const bad = logOf(`pod/${fresh("pod")}`, [renamed("pod_x", "Ski")]);
    const outcomes = await project([runOf(bad, 1, 1), runOf(log, 1, 2)]);
    expect([...outcomes.values()]).toEqual([
      { state: "failed", seq: 0, head: 1 },
      { state: "current", seq: 2, head: 2 },
    ]);
    expect(await entriesOf(account)).toBe(1);
    expect(await checkpoint(bad)).toBeNull();
  });

  it("keeps the others of its batch going when the database refuses one stream's rows", async () => {
    const { account, log } = accountLog(500n);
    const pod = fresh("pod");
    const [created, owner] = podMade(pod);
    const unnamed = { type: "pod.created", data: { ...created?.data, owner: null } };
    const bad = logOf(`pod/${pod}`, owner === undefined ? [] : [unnamed, owner]);
    const outcomes = await project([runOf(bad, 1, 2), runOf(log, 1, 2)]);
    expect([...outcomes.values()].map(({ state }) => state)).toEqual(["failed", "current"]);
    expect(await entriesOf(account)).toBe(1);
    expect(await nameOf(pod)).toBeNull();
  });

  it("pulls a lost run from the actor, once however many messages miss it", async () => {
    const { account, log } = accountLog(1n, 2n, 3n, 4n, 5n);
    const actors = actorsOf(log);
    await project([runOf(log, 4, 4), runOf(log, 6, 6), runOf(log, 1, 1)], ports(actors.pull));
    expect(await entriesOf(account)).toBe(5);
    expect(actors.pulls).toEqual([`account/${account} 0`]);
  });

  it("notices a lost last message by the beacon", async () => {
    const { account, log } = accountLog(1n, 2n);
    const actors = actorsOf(log);
    await project([runOf(log, 1, 2, 2)], ports(actors.pull));
    expect(await entriesOf(account)).toBe(1);
    await project([beaconOf(log)], ports(actors.pull));
    expect(await entriesOf(account)).toBe(2);
    expect(actors.pulls).toEqual([`account/${account} 2`]);
  });

  it("asks nobody when nothing is missing", async () => {
    const { log } = accountLog(1n, 2n);
    const actors = actorsOf(log);
    await project([runOf(log, 1, 3), beaconOf(log)], ports(actors.pull));
    await project([beaconOf(log)], ports(actors.pull));
    expect(actors.pulls).toEqual([]);
  });

  it("takes what it has when the actor cannot be reached, and says that more is missing", async () => {
    const { account, log } = accountLog(1n, 2n, 3n);
    const outcomes = await project([runOf(log, 1, 2)]);
    expect([...outcomes.values()]).toEqual([{ state: "failed", seq: 2, head: 4 }]);
    expect(await entriesOf(account)).toBe(1);
  });

  it("takes a long backlog in pulls of 500, the maximum and one past it", async () => {
    const amounts = Array.from({ length: MAX_PULL }, () => 1n);
    const { account, log } = accountLog(...amounts);
    const actors = actorsOf(log);
    const first = await project([beaconOf(log)], ports(actors.pull));
    expect([...first.values()]).toEqual([{ state: "behind", seq: 500, head: 501 }]);
    const second = await project([beaconOf(log)], ports(actors.pull));
    expect([...second.values()]).toEqual([{ state: "current", seq: 501, head: 501 }]);
    expect(await entriesOf(account)).toBe(500);
    expect(actors.pulls).toEqual([`account/${account} 0`, `account/${account} 500`]);
  });

  it("believes the actor over a message that does not chain to what was applied", async () => {
    const { pod, log } = podLog((id) => renamed(id, "Ski"));
    const forged = logOf(`pod/${pod}`, [...podMade(pod, "Forged"), renamed(pod, "Stolen")]);
    await project([runOf(log, 1, 2, 2)]);
    await project([runOf(forged, 3, 3)], ports(actorsOf(log).pull));
    expect(await nameOf(pod)).toBe("Ski");
  });

  it("applies nothing of a log that was replaced under it", async () => {
    const { pod, log } = podLog();
    const other = logOf(`pod/${pod}`, [...podMade(pod, "Other"), renamed(pod, "Stolen")]);
    await project([runOf(log, 1, 2)]);
    const outcomes = await project([runOf(other, 3, 3)], ports(actorsOf(other).pull));
    expect([...outcomes.values()]).toEqual([{ state: "broken", seq: 2, head: 3 }]);
    expect(await nameOf(pod)).toBe("Trip");
  });

  it.each(["risk", "psp", "fx"])("moves only the checkpoint of a stream of kind %s", async (kind) => {
    const log = logOf(`${kind}/${fresh("pod")}`, [{ type: "something.happened", data: {} }]);
    await project([runOf(log, 1, 1)]);
    expect(await checkpoint(log)).toBe(1);
  });

  it("forgets a charge that was refused after it was shown", async () => {
    const [pod, saga, charge] = [fresh("pod"), fresh("sag"), fresh("chg")];
    const failure = { cause: "refused", rejection: { code: "limit_exceeded", detail: "" } } as const;
    const log = logOf(`saga/shard-${1_000 + made}`, [
      chargeBegan(saga, charge, pod),
      stepped(saga, "compensated", { failure }),
    ]);
    const shown = () => one("SELECT doc->>'status' AS status FROM charges WHERE pod = ? AND id = ?", pod, charge);
    await project([runOf(log, 1, 1, 1)]);
    expect(await shown()).toEqual({ status: "processing" });
    await project([runOf(log, 2, 2)]);
    expect(await shown()).toBeNull();
  });
});

describe("what a projection writes", () => {
  /** The database, counting the calls made of it and the rows that are billed as written. */
  const counted = () => {
    const counts = { calls: 0, written: 0 };
    const batch = async (statements: D1PreparedStatement[]) => {
      const results = await db.batch(statements);
      counts.calls++;
      counts.written += results.reduce((sum, { meta }) => sum + meta.rows_written, 0);
      return results;
    };
    return { database: { prepare: (sql: string) => db.prepare(sql), batch } as unknown as D1Database, counts };
  };
  const written = async (runs: Run[]) => {
    const { database, counts } = counted();
    await project(runs, ports(unreachable, database));
    return counts;
  };
  const sagaLog = (pod: string, saga: string, charge: string, ...more: Parameters<typeof logOf>[1]) =>
    logOf(`saga/shard-${1_000 + ++made}`, [chargeBegan(saga, charge, pod), ...more]);

  it("of a charge on accounts that exist are nine rows, in one call that reads and one that writes", async () => {
    const { pod, log } = podLog((id) => renamed(id, "Ski"));
    const accounts = Array.from({ length: 3 }, () => accountLog(500n, 300n).log);
    const profile = logOf(`risk/${fresh("pod")}`, Array(2).fill({ type: "something.happened", data: {} }));
    const [saga, charge] = [fresh("sag"), fresh("chg")];
    const journal = sagaLog(pod, saga, charge, stepped(saga, "running"), stepped(saga, "completed"));
    await project([log, ...accounts, profile].map((rows) => runOf(rows, 1, rows.length - 1, rows.length - 1)));
    const last = [log, ...accounts, profile].map((rows) => runOf(rows, rows.length, rows.length));
    // A row of each of the six streams, the charge, and the saga with the index it is found in by its subject.
    expect(await written([...last, runOf(journal, 1, 3)])).toEqual({ calls: 2, written: 9 });
  });

  it("of a charge whose saga goes on unseen is the saga's row alone, beside the checkpoint", async () => {
    const [pod, saga, charge] = [fresh("pod"), fresh("sag"), fresh("chg")];
    const log = sagaLog(pod, saga, charge, stepped(saga, "running"), stepped(saga, "completed"));
    await project([runOf(log, 1, 1, 1)]);
    expect((await written([runOf(log, 2, 2, 2)])).written).toBe(2);
    // The saga, the charge, the checkpoint; that it is no longer found among those under way costs nothing.
    expect((await written([runOf(log, 3, 3)])).written).toBe(3);
  });

  it("of an account's entries is a row a page", async () => {
    const { log } = accountLog(...Array<bigint>(ENTRIES_A_PAGE).fill(1n));
    expect((await written([runOf(log, 1, ENTRIES_A_PAGE, ENTRIES_A_PAGE)])).written).toBe(1);
    expect((await written([runOf(log, ENTRIES_A_PAGE + 1, ENTRIES_A_PAGE + 1)])).written).toBe(2);
  });

  it("of what is known already is nothing", async () => {
    const { log } = accountLog(500n);
    await project([runOf(log, 1, 2)]);
    expect(await written([runOf(log, 1, 2), beaconOf(log)])).toEqual({ calls: 1, written: 0 });
  });
});

describe("a saga that began long ago", () => {
  it("goes on from its row when its events had to be pulled", async () => {
    const [pod, saga, charge] = [fresh("pod"), fresh("sag"), fresh("chg")];
    const log = logOf(`saga/shard-${1_000 + ++made}`, [
      chargeBegan(saga, charge, pod),
      { type: "cut.moved", data: { epoch: "2" } },
      stepped(saga, "completed"),
    ]);
    await project([runOf(log, 1, 2, 2)]);
    await project([beaconOf(log)], ports(actorsOf(log).pull));
    expect(await one("SELECT status FROM sagas WHERE id = ?", saga)).toEqual({ status: "completed" });
  });

  it("goes on from what a batch before it made of it, when its events are too many for one", async () => {
    const [pod, saga, charge] = [fresh("pod"), fresh("sag"), fresh("chg")];
    const steps = Array.from({ length: MAX_PACK_EVENTS }, () => stepped(saga, "running"));
    const log = logOf(`saga/shard-${1_000 + ++made}`, [
      chargeBegan(saga, charge, pod),
      ...steps,
      stepped(saga, "completed"),
    ]);
    const outcomes = await project([beaconOf(log)], ports(actorsOf(log).pull));
    expect([...outcomes.values()]).toEqual([{ state: "current", seq: log.length, head: log.length }]);
    expect(await one("SELECT status FROM sagas WHERE id = ?", saga)).toEqual({ status: "completed" });
  });
});

describe("the read model", () => {
  const tables = async (pod: string, account: string) => {
    const rows = async (sql: string, value: string) => (await db.prepare(sql).bind(value).all()).results;
    return {
      pods: await rows("SELECT * FROM checkpoints WHERE stream = ?", `pod/${pod}`),
      members: await rows("SELECT * FROM members WHERE pod = ? ORDER BY user", pod),
      accounts: await rows("SELECT * FROM checkpoints WHERE stream = ?", `account/${account}`),
      entries: await rows("SELECT * FROM entries WHERE account = ? ORDER BY page", account),
    };
  };
  const drop = async (pod: string, account: string) => {
    const gone: [string, string][] = [
      ["DELETE FROM members WHERE pod = ?", pod],
      ["DELETE FROM entries WHERE account = ?", account],
      ["DELETE FROM checkpoints WHERE stream = ?", `pod/${pod}`],
      ["DELETE FROM checkpoints WHERE stream = ?", `account/${account}`],
    ];
    await db.batch(gone.map(([sql, value]) => db.prepare(sql).bind(value)));
  };

  it("is the same however messages are doubled, reordered, lost and cut, and the same when rebuilt", async () => {
    const { pod, log } = podLog(
      (id) => joined(id, "bob"),
      (id) => promoted(id, "bob"),
      (id) => joined(id, "cleo"),
      (id) => removed(id, "bob"),
      (id) => renamed(id, "Ski"),
      (id) => joined(id, "bob"),
    );
    const account = `pod:${pod}:EUR`;
    const money = logOf(`account/${account}`, creditsTo(account, Array(ENTRIES_A_PAGE + 4).fill(100n)));
    const actors = actorsOf(log, money);
    const finish = () => project([beaconOf(log), beaconOf(money)], ports(actors.pull));
    await finish();
    const rebuilt = await tables(pod, account);
    expect(rebuilt.entries).toHaveLength(1);
    expect(await entriesOf(account)).toBe(ENTRIES_A_PAGE + 4);
    expect(rebuilt.members).toHaveLength(3);

    const message = fc.tuple(fc.boolean(), fc.nat(), fc.nat({ max: 4 })).map(([ofPod, start, more]) => {
      const rows = ofPod ? log : money;
      const from = 1 + (start % rows.length);
      const to = Math.min(rows.length, from + more);
      return runOf(rows, from, to, to);
    });
    await fc.assert(
      fc.asyncProperty(fc.array(fc.array(message, { maxLength: 4 }), { maxLength: 4 }), async (batches) => {
        await drop(pod, account);
        for (const batch of batches) await project(batch, ports(actors.pull));
        await finish();
        expect(await tables(pod, account)).toEqual(rebuilt);
      }),
      { numRuns: 25 },
    );
  });
});
