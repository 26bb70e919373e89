import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";

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

/**
 * Applies the folder's `.sql` files that the database has not had yet, in order of name, each with its mark in one
 * batch, so that a start killed half way leaves a file applied whole or not at all. Returns how many it applied.
 */
export async function migrateD1(database: MigratedDatabase, folder: string): Promise<number> {
  const files = readdirSync(folder)
    .filter((name) => name.endsWith(".sql"))
    .sort();
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
