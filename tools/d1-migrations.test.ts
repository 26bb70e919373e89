import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync, type SQLInputValue } from "node:sqlite";
import { afterEach, beforeEach, expect, test } from "vitest";
import { type MigratedDatabase, migrateD1 } from "./d1-migrations.ts";

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
