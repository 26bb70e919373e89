import { cpSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { PROJECTED } from "../schema/read-model.ts";
import { type MigratedDatabase, migrateD1 } from "./d1-migrations.ts";
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

describe("the read model", () => {
  const migrations = join(ROOT, "schema/migrations");
  const kept = ["checkpoints", ...PROJECTED.map(({ name }) => name), "dead_letters"];
  type Column = { name: string; type: string };
  const columnsOf = (table: string) => sqlite.prepare(`PRAGMA table_info(${table})`).all() as unknown as Column[];
  const rowsOf = (table: string) => sqlite.prepare(`SELECT * FROM ${table}`).all();

  test("of a deployment that had one generation of tables keeps every row", async () => {
    const old = join(folder, "old");
    cpSync(join(migrations, "0000_read_model.sql"), join(old, "0000_read_model.sql"));
    expect(await migrateD1(database(sqlite), old)).toBe(1);
    for (const table of kept) {
      const columns = columnsOf(table);
      const insert = sqlite.prepare(`INSERT INTO ${table} VALUES (${columns.map(() => "?").join(", ")})`);
      for (const row of [1, 2]) {
        insert.run(...columns.map(({ name, type }) => (type === "integer" ? row : `"${name} ${row}"`)));
      }
    }
    const before = kept.map(rowsOf);
    expect(before.map((rows) => rows.length)).toEqual(kept.map(() => 2));

    const files = readdirSync(migrations).filter((name) => name.endsWith(".sql"));
    expect(await migrateD1(database(sqlite), migrations)).toBe(files.length - 1);
    // Columns may have come to it.
    expect(kept.map(rowsOf)).toMatchObject(before);
    expect(PROJECTED.flatMap(({ name }) => rowsOf(`${name}_next`))).toEqual([]);
  });

  test("has two generations of each table, alike in every column and key", async () => {
    await migrateD1(database(sqlite), migrations);
    for (const { name, key, columns } of PROJECTED) {
      expect([name, columnsOf(`${name}_next`)]).toEqual([name, columnsOf(name)]);
      expect(new Set(columnsOf(name).map((column) => column.name))).toEqual(new Set([...key, ...columns]));
    }
    expect(columnsOf("checkpoints_next")).toEqual(columnsOf("checkpoints"));
  });
});
