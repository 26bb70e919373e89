import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { readIfPresent, replaceFile } from "./files.ts";

/** The part of a D1 database the migrator needs. */
export interface MigratedDatabase {
  prepare(sql: string): { bind(...values: unknown[]): unknown; all<T>(): Promise<{ results: T[] }> };
  batch(statements: never[]): Promise<unknown>;
}

/** The statements of a migration file as drizzle-kit writes them. */
export function statements(sql: string): string[] {
  return sql
    .split("--> statement-breakpoint")
    .map((statement) => statement.trim())
    .filter((statement) => statement !== "");
}

const migrationFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();

/**
 * Applies the folder's `.sql` files that the database has not had yet, in order of name, each with its mark in one
 * batch, so that a start killed half way leaves a file applied whole or not at all. Returns how many it applied.
 */
export async function migrateD1(database: MigratedDatabase, folder: string): Promise<number> {
  const files = migrationFiles(folder);
  await database
    .prepare("CREATE TABLE IF NOT EXISTS _migrations (name TEXT PRIMARY KEY NOT NULL, applied_at TEXT NOT NULL)")
    .all();
  const done = new Set(
    (await database.prepare("SELECT name FROM _migrations").all<{ name: string }>()).results.map((row) => row.name),
  );
  const pending = files.filter((name) => !done.has(basename(name)));
  for (const name of pending) {
    const batch = [
      ...statements(readFileSync(join(folder, name), "utf8")).map((sql) => database.prepare(sql)),
      database.prepare("INSERT INTO _migrations (name, applied_at) VALUES (?, ?)").bind(name, new Date().toISOString()),
    ];
    await database.batch(batch as never[]);
  }
  return pending.length;
}

/**
 * As `migrateD1`, and writes down in the file `noted` what the database has: as long as the folder has no other files it is not
 * opened. Opening it takes a server as much work as a sixth of its start. `noted` has to lie where it goes when the database goes.
 */
export async function migrateOnce(noted: string, folder: string, open: () => Promise<MigratedDatabase>): Promise<void> {
  const files = `${migrationFiles(folder).join("\n")}\n`;
  if (readIfPresent(noted) === files) return;
  await migrateD1(await open(), folder);
  replaceFile(noted, files);
}
