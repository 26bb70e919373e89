/** One generated migration: its file's name and its SQL. */
export type Migration = { id: string; sql: string };

/**
 * Brings an object's schema up to date, in order, each migration in one transaction. Objects migrate lazily, when they wake, so
 * every migration must be cheap and readable by the code before it. drizzle's own migrator hides the cause of a failure and
 * skips migrations merged late; this one runs its generated SQL and names what failed.
 */
export const migrate = (storage: DurableObjectStorage, migrations: readonly Migration[]): void => {
  const { sql } = storage;
  sql.exec("CREATE TABLE IF NOT EXISTS _migrations (id TEXT PRIMARY KEY, applied_at INTEGER NOT NULL)");
  const applied = new Set(
    sql
      .exec<{ id: string }>("SELECT id FROM _migrations")
      .toArray()
      .map((row) => row.id),
  );
  if (migrations.length > 0 && migrations.every(({ id }) => applied.has(id))) return;
  for (const migration of migrations) {
    if (applied.has(migration.id)) continue;
    try {
      storage.transactionSync(() => {
        for (const statement of migration.sql.split("--> statement-breakpoint")) {
          if (statement.trim() !== "") sql.exec(statement);
        }
        sql.exec("INSERT INTO _migrations (id, applied_at) VALUES (?, ?)", migration.id, Date.now());
      });
    } catch (error) {
      throw new Error(`migration ${migration.id}: ${String(error)}`, { cause: error });
    }
  }
};
