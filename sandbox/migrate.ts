/** A generated migration: `id` orders and names it, `sql` is the file's text. */
export type Migration = { id: string; sql: string };

/**
 * Applies the migrations this object has not seen yet, in the order given, all in one transaction.
 * drizzle's own migrator is not used: it hides the failing statement behind "Rollback" and skips a migration that
 * was merged with an earlier timestamp than the last one applied.
 */
export function migrate(storage: DurableObjectStorage, migrations: readonly Migration[]): void {
  storage.transactionSync(() => {
    storage.sql.exec("CREATE TABLE IF NOT EXISTS _migrations (id TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)");
    const applied = new Set(
      storage.sql
        .exec<{ id: string }>("SELECT id FROM _migrations")
        .toArray()
        .map((row) => row.id),
    );
    for (const migration of migrations) {
      if (applied.has(migration.id)) continue;
      for (const statement of migration.sql.split("--> statement-breakpoint")) {
        if (statement.trim() !== "") storage.sql.exec(statement);
      }
      storage.sql.exec("INSERT INTO _migrations (id, applied_at) VALUES (?, ?)", migration.id, Date.now());
    }
  });
}
