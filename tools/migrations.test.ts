import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { type DrizzleSQLiteSnapshotJSON, generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { describe, expect, test } from "vitest";
import { statements } from "./d1-migrations.ts";
import { tableOwners } from "./migrations.ts";
import { ROOT } from "./settings.ts";

interface Journal {
  readonly entries: readonly { readonly idx: number; readonly when: number; readonly tag: string }[];
}

function read(path: string): string {
  return readFileSync(join(ROOT, path), "utf8");
}

describe.each(tableOwners())("the tables of $name", ({ tables, migrations, carrier }) => {
  const journal = () => JSON.parse(read(`${migrations}/meta/_journal.json`)) as Journal;

  test("are what its committed migrations lead to", async () => {
    const last = journal().entries.at(-1);
    const number = String(last?.idx ?? 0).padStart(4, "0");
    const committed = JSON.parse(read(`${migrations}/meta/${number}_snapshot.json`)) as DrizzleSQLiteSnapshotJSON;
    const current = await generateSQLiteDrizzleJson(await import(join(ROOT, tables)), committed.id);
    expect(await generateSQLiteMigration(committed, current), "run: npm run migrations").toEqual([]);
  });

  test("come from a journal that only grows, one file an entry", () => {
    const { entries } = journal();
    expect(entries.map(({ idx }) => idx)).toEqual(entries.map((_, index) => index));
    expect(entries.map(({ when }) => when)).toEqual(entries.map(({ when }) => when).sort((a, b) => a - b));
    const files = readdirSync(join(ROOT, migrations)).filter((file) => file.endsWith(".sql"));
    expect(files.sort()).toEqual(entries.map(({ tag }) => `${tag}.sql`));
  });

  test("exist after SQLite has run every file in order", () => {
    const database = new DatabaseSync(":memory:");
    for (const { tag } of journal().entries) {
      for (const statement of statements(read(`${migrations}/${tag}.sql`))) database.exec(statement);
    }
    const made = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE type = 'table'").get();
    expect(Number(made?.n)).toBeGreaterThan(0);
  });

  if (carrier !== undefined) {
    test("reach the object, every file imported in order", () => {
      const text = read(carrier);
      const at = journal().entries.map(({ tag }) => text.indexOf(`"./migrations/${tag}.sql"`));
      expect(at.every((position) => position >= 0)).toBe(true);
      expect(at).toEqual([...at].sort((a, b) => a - b));
    });
  }
});
