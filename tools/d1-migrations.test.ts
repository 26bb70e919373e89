import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { ENTRIES_A_PAGE, PROJECTED } from "../schema/read-model.ts";
import { foldAccount } from "../workers/consumers/folds/accounts.ts";
import { foldPod } from "../workers/consumers/folds/pods.ts";
import { logOf } from "../workers/consumers/testing/logs.ts";
import { creditsTo, podMade } from "../workers/consumers/testing/stories.ts";
import { type MigratedDatabase, migrateD1, migrateOnce } from "./d1-migrations.ts";
import { ROOT } from "./settings.ts";

interface Statement {
  readonly sql: string;
  readonly values: readonly SQLInputValue[];
}

/** D1's promise, kept by SQLite itself: a batch is one transaction. `crashAfter` fails a batch at its n-th statement. */
function database(sqlite: DatabaseSync, crashAfter = Number.POSITIVE_INFINITY): MigratedDatabase {
  const statement = (sql: string, values: readonly SQLInputValue[] = []) => ({
    sql,
    values,
    bind: (...bound: unknown[]) => statement(sql, bound as SQLInputValue[]),
    all: async <T>() => ({ results: sqlite.prepare(sql).all(...values) as T[] }),
  });
  return {
    prepare: (sql) => statement(sql),
    batch: async (batch) => {
      sqlite.exec("BEGIN");
      try {
        for (const [index, { sql, values }] of (batch as Statement[]).entries()) {
          if (index >= crashAfter) throw new Error("crash");
          sqlite.prepare(sql).run(...values);
        }
        sqlite.exec("COMMIT");
      } catch (error) {
        sqlite.exec("ROLLBACK");
        throw error;
      }
    },
  };
}

let folder: string;
let sqlite: DatabaseSync;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "crowdpay-migrations-"));
  sqlite = new DatabaseSync(":memory:");
  writeFileSync(
    join(folder, "0000_a.sql"),
    "CREATE TABLE a (n);\n--> statement-breakpoint\nCREATE INDEX a_n ON a (n);",
  );
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const tables = () =>
  sqlite
    .prepare(
      "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_%' ESCAPE '\\' AND name NOT LIKE 'sqlite%' ORDER BY name",
    )
    .all()
    .map(({ name }) => name);

test("every file is applied once, in order of name, also when it comes later", async () => {
  expect(await migrateD1(database(sqlite), folder)).toBe(1);
  writeFileSync(join(folder, "0001_b.sql"), "ALTER TABLE a RENAME TO b;");
  expect(await migrateD1(database(sqlite), folder)).toBe(1);
  expect(await migrateD1(database(sqlite), folder)).toBe(0);
  expect(tables()).toEqual(["a_n", "b"]);
});

test("a start that dies inside a file leaves it wholly to the next one", async () => {
  await expect(migrateD1(database(sqlite, 1), folder)).rejects.toThrow("crash");
  expect(tables()).toEqual([]);
  expect(await migrateD1(database(sqlite), folder)).toBe(1);
  expect(tables()).toEqual(["a", "a_n"]);
});

test("a database that has every file is opened again only for another file, or when it is gone", async () => {
  const noted = join(folder, "had.txt");
  let opened = 0;
  const start = () =>
    migrateOnce(noted, folder, async () => {
      opened++;
      return database(sqlite);
    });
  await start();
  await start();
  expect(opened).toBe(1);
  writeFileSync(join(folder, "0001_b.sql"), "ALTER TABLE a RENAME TO b;");
  await start();
  await start();
  expect([opened, tables()]).toEqual([2, ["a_n", "b"]]);
  sqlite = new DatabaseSync(":memory:");
  rmSync(noted);
  await start();
  expect([opened, tables()]).toEqual([3, ["a_n", "b"]]);
});

test("a start that dies inside a file has noted nothing", async () => {
  const noted = join(folder, "had.txt");
  await expect(migrateOnce(noted, folder, async () => database(sqlite, 1))).rejects.toThrow("crash");
  await migrateOnce(noted, folder, async () => database(sqlite));
  expect(tables()).toEqual(["a", "a_n"]);
});

describe("the read model", () => {
  const migrations = join(ROOT, "schema/migrations");
  type Column = { name: string; type: string };
  const columnsOf = (table: string) => sqlite.prepare(`PRAGMA table_info(${table})`).all() as unknown as Column[];
  const rowsOf = (table: string) => sqlite.prepare(`SELECT * FROM ${table}`).all();
  const read = (sql: string) =>
    sqlite
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }));

  /** A deployment with the first files of the folder alone. */
  const deployUpTo = async (last: string) => {
    const old = join(folder, "old");
    const files = readdirSync(migrations).filter((name) => name.endsWith(".sql") && name <= last);
    for (const name of files) cpSync(join(migrations, name), join(old, name));
    expect(await migrateD1(database(sqlite), old)).toBe(files.length);
  };
  const insert = (table: string, row: Record<string, SQLInputValue>) =>
    sqlite
      .prepare(`INSERT INTO ${table} (${Object.keys(row)}) VALUES (${Object.keys(row).map(() => "?")})`)
      .run(...Object.values(row));

  const POD = "pod_01JGFJJZ00000000000000000A";
  const ACCOUNT = `pod:${POD}:EUR`;
  const log = logOf(`account/${ACCOUNT}`, creditsTo(ACCOUNT, Array(ENTRIES_A_PAGE + 3).fill(10n)));
  const podLog = logOf(`pod/${POD}`, podMade(POD, 'Täglich "Brot"\n'));
  const pod = JSON.stringify(foldPod(null, podLog).doc);

  /** As the projector of those days left it. */
  const projectAsBefore = () => {
    const { doc, entries } = foldAccount(ACCOUNT, null, log);
    const all = [...entries.flatMap((page) => page.doc), ...doc.open];
    const at = { consumer: "projector", hash: "h", updated_at: "" };
    for (const stream of [`pod/${POD}`, `account/${ACCOUNT}`, "risk/ann"])
      insert("checkpoints", { ...at, stream, seq: 2 });
    insert("pods", { id: POD, status: "active", created_at: "", seq: 2, log_head: "h", doc: pod });
    insert("members", { pod: POD, user: "ann", role: "owner", joined_seq: 1 });
    insert("accounts", {
      ...{ id: ACCOUNT, kind: "pod", owner: POD, currency: "EUR", seq: 2, hash: "h" },
      counters: JSON.stringify(doc.counters),
    });
    // In no order of their own.
    for (const entry of all.toReversed()) {
      const fixed = { account: ACCOUNT, leg: 0, currency: "EUR", recorded_at: entry.recorded_at };
      insert("entries", { ...fixed, seq: entry.seq, doc: JSON.stringify(entry) });
    }
    insert("sagas", { id: "sag_1", kind: "charge", subject: "ann", status: "parked", created_at: "", doc: "{}" });
    const told = { id: "chg_1", pod: POD, payer: "ann", status: "succeeded", created_at: "" };
    insert("charges", { ...told, doc: JSON.stringify(told) });
    insert("dead_letters", { id: "m", queue: "events", body: "1", reason: "chain", attempts: 1, parked_at: "" });
  };

  test.each(["0000_read_model.sql", "0002_account_terms.sql"])(
    "of a deployment as %s left it becomes, byte by byte, what the projector makes of the same logs",
    async (last) => {
      await deployUpTo(last);
      projectAsBefore();
      await migrateD1(database(sqlite), migrations);
      const { doc, entries } = foldAccount(ACCOUNT, null, log);
      expect(read("SELECT stream, consumer, seq, hash, doc FROM checkpoints ORDER BY stream")).toEqual(
        [
          { stream: `account/${ACCOUNT}`, doc: JSON.stringify(doc) },
          { stream: `pod/${POD}`, doc: pod },
          { stream: "risk/ann", doc: "" },
        ].map((row) => ({ ...row, consumer: "projector", seq: 2, hash: "h" })),
      );
      expect(read("SELECT * FROM entries")).toEqual(
        entries.map((page) => ({ ...page, doc: JSON.stringify(page.doc) })),
      );
      expect(entries).toHaveLength(1);
      expect(read("SELECT * FROM members")).toEqual([{ pod: POD, user: "ann", role: "owner", joined_seq: 1 }]);
      expect(read("SELECT pod, id, doc->>'status' AS status FROM charges")).toEqual([
        { pod: POD, id: "chg_1", status: "succeeded" },
      ]);
      expect(read("SELECT id, kind, subject, status FROM sagas")).toEqual([
        { id: "sag_1", kind: "charge", subject: "ann", status: "parked" },
      ]);
      expect(rowsOf("dead_letters")).toHaveLength(1);
      expect(PROJECTED.flatMap(({ name }) => rowsOf(`${name}_next`))).toEqual([]);
    },
  );

  test("that was being rebuilt is rebuilt no more, and nothing that read its tables before may write", async () => {
    await deployUpTo("0002_account_terms.sql");
    insert("read_model", { id: 1, epoch: 4, rebuild: "rbd_1", shadowed: 1, named: 1 });
    const zeros = { step: 1, position: "null", streams: 0, rows: 0, differ: 0, differences: "[]", principal: "olga" };
    for (const [id, phase] of [
      ["rbd_0", "done"],
      ["rbd_1", "building"],
    ] as const) {
      insert("rebuilds", { ...zeros, id, phase, started_at: "", updated_at: "" });
    }
    await migrateD1(database(sqlite), migrations);
    expect(read("SELECT * FROM read_model")).toEqual([{ id: 1, epoch: 5, rebuild: null, shadowed: 0, named: 1 }]);
    expect(read("SELECT id, phase FROM rebuilds ORDER BY id").map(({ phase }) => phase)).toEqual([
      "done",
      "superseded",
    ]);
  });

  test("has two generations of each table, alike in every column and key", async () => {
    await migrateD1(database(sqlite), migrations);
    for (const { name, key, columns } of PROJECTED) {
      expect([name, columnsOf(`${name}_next`)]).toEqual([name, columnsOf(name)]);
      expect(new Set(columnsOf(name).map((column) => column.name))).toEqual(new Set([...key, ...columns]));
    }
  });

  test("keeps every projected table in the order of its key, which else would be an index to pay for", async () => {
    await migrateD1(database(sqlite), migrations);
    const keyed = read("SELECT name FROM pragma_table_list WHERE schema = 'main' AND wr = 1").map(({ name }) => name);
    const names = PROJECTED.flatMap(({ name }) => [name, `${name}_next`]);
    expect(names.filter((name) => !keyed.includes(name))).toEqual([]);
  });
});
