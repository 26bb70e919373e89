import type { Meter } from "./meter.ts";

/**
 * Counts an object's statements, commits and alarms from here on. The methods are replaced on the storage the object was given,
 * so that whatever code uses it is counted, and nothing else is told.
 */
export const meterStorage = (meter: Meter, actor: string, storage: DurableObjectStorage): void => {
  const { sql } = storage;
  let depth = 0;
  let wrote = false;
  const written = (): void => {
    if (depth > 0) wrote = true;
    else meter.count(actor, { commits: 1 });
  };

  const exec = sql.exec.bind(sql) as SqlStorage["exec"];
  const counted: SqlStorage["exec"] = (query, ...bindings) => {
    const cursor = exec(query, ...bindings);
    // What writes has written by now: only rows that are read are still to come.
    if (cursor.rowsWritten > 0) written();
    meter.cursor(actor, cursor);
    return cursor as never;
  };
  Object.defineProperty(sql, "exec", { value: counted });

  const transactionSync = storage.transactionSync.bind(storage);
  const outermost = <T>(run: () => T): T => {
    depth++;
    try {
      return transactionSync(run);
    } finally {
      depth--;
      if (depth === 0 && wrote) {
        wrote = false;
        meter.count(actor, { commits: 1 });
      }
    }
  };
  Object.defineProperty(storage, "transactionSync", { value: outermost });

  for (const name of ["setAlarm", "deleteAlarm"] as const) {
    const original = storage[name].bind(storage) as (...given: unknown[]) => Promise<void>;
    const alarm = (...given: unknown[]): Promise<void> => {
      written();
      meter.count(actor, { alarms_set: 1 });
      return original(...given);
    };
    Object.defineProperty(storage, name, { value: alarm });
  }
};
