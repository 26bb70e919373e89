import { DatabaseSync, type StatementSync } from "node:sqlite";
import { migrate } from "../../kit/migrations.ts";
import { migrations } from "../migrations.ts";

type Value = string | number | null;

/**
 * A shard's storage as the platform offers it, over SQLite in memory: the same statements run, and a savepoint undoes what a
 * command wrote. Opened once and cleared for each world, since making the schema costs more than a world does.
 */
export class TestStorage {
  readonly #db = new DatabaseSync(":memory:");
  readonly #statements = new Map<string, StatementSync>();
  readonly #tables: string[];
  #depth = 0;
  alarm: number | null = null;
  /** Told whenever the alarm is moved. */
  onAlarm: () => void = () => undefined;

  constructor() {
    migrate(this as unknown as DurableObjectStorage, migrations);
    this.#tables = this.sql
      .exec("SELECT name FROM sqlite_master WHERE type = 'table' AND name <> '_migrations'")
      .toArray()
      .map((row) => String((row as { name: string }).name));
  }

  readonly sql = {
    exec: (query: string, ...values: Value[]) => {
      let statement = this.#statements.get(query);
      if (statement === undefined) {
        statement = this.#db.prepare(query);
        this.#statements.set(query, statement);
      }
      const reads = /^\s*(?:SELECT|WITH)/i.test(query);
      const rows = reads ? statement.all(...values) : [];
      const rowsWritten = reads ? 0 : Number(statement.run(...values).changes);
      return { toArray: () => rows, rowsWritten, [Symbol.iterator]: () => rows[Symbol.iterator]() };
    },
  };

  transactionSync<T>(run: () => T): T {
    const name = `s${this.#depth++}`;
    this.#db.exec(`SAVEPOINT ${name}`);
    try {
      const value = run();
      this.#db.exec(`RELEASE ${name}`);
      return value;
    } catch (error) {
      this.#db.exec(`ROLLBACK TO ${name}`);
      this.#db.exec(`RELEASE ${name}`);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  async getAlarm(): Promise<number | null> {
    return this.alarm;
  }

  async setAlarm(at: number): Promise<void> {
    this.alarm = at;
    this.onAlarm();
  }

  async deleteAlarm(): Promise<void> {
    this.alarm = null;
    this.onAlarm();
  }

  clear(): void {
    for (const table of this.#tables) this.#db.exec(`DELETE FROM ${table}`);
    this.alarm = null;
    this.onAlarm = () => undefined;
  }
}
