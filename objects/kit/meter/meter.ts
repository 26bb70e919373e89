import { AsyncLocalStorage } from "node:async_hooks";
import { addTally, type Cause, type MeterReport, noReport, noTally, type Tally } from "./tally.ts";

/** What of an SQL cursor is counted. Its figures are whole once it has been read to its end. */
type Counted = Pick<SqlStorageCursor<Record<string, SqlStorageValue>>, "rowsRead" | "rowsWritten">;

/** Cursors are read where they are made, in the same turn; whichever is older than so many others has been. */
const OPEN_CURSORS = 512;

/**
 * Counts what a deployment is billed for, of every actor in this isolate: on one machine all share one. It exists only where it
 * is asked for (`metering`), and keeps numbers only.
 */
export class Meter {
  readonly #report: MeterReport = noReport();
  readonly #cause = new AsyncLocalStorage<Cause>();
  #open: { cursor: Counted; tally: Tally }[] = [];

  /** Runs something for a reason, which whatever it starts inherits. */
  during<T>(cause: Cause, run: () => T): T {
    return this.#cause.run(cause, run);
  }

  count(actor: string, part: Readonly<Partial<Tally>>): void {
    addTally(this.#of(actor), part);
  }

  /** A call of one of an actor's methods that somebody asked for, which is counted beside. */
  called(actor: string, method: string): void {
    const name = `${actor}.${method}`;
    this.#report.methods[name] = (this.#report.methods[name] ?? 0) + 1;
  }

  /** Takes the cursor's figures once it has been read. */
  cursor(actor: string, cursor: Counted): void {
    this.#open.push({ cursor, tally: this.#of(actor) });
    if (this.#open.length >= 2 * OPEN_CURSORS) this.#settle(this.#open.splice(0, OPEN_CURSORS));
  }

  /** Everything counted so far. */
  report(): MeterReport {
    this.#settle(this.#open);
    this.#open = [];
    return structuredClone(this.#report);
  }

  #settle(open: readonly { cursor: Counted; tally: Tally }[]): void {
    for (const { cursor, tally } of open) {
      tally.rows_read += cursor.rowsRead;
      tally.rows_written += cursor.rowsWritten;
    }
  }

  #of(actor: string): Tally {
    const byActor = this.#report[this.#cause.getStore() ?? "asked"];
    const known = byActor[actor] ?? noTally();
    byActor[actor] = known;
    return known;
  }
}

/**
 * Whether this deployment counts: `CROWDPAY_METER=on`, and only beside the local issuer, which exists under `npm start` alone.
 */
export const metering = (env: object): boolean => {
  const { CROWDPAY_METER, LOCAL_JWKS } = env as { CROWDPAY_METER?: unknown; LOCAL_JWKS?: unknown };
  return CROWDPAY_METER === "on" && LOCAL_JWKS !== undefined;
};
