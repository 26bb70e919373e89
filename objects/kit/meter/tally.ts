/** What the platform bills for, and commits, which it does not bill but which bound how fast an actor is. */
export const COUNTS = [
  /** RPC calls into a Durable Object, alarms among them: a request each. */
  "calls",
  /** Messages and ends of hibernating sockets. */
  "frames",
  /** Transactions that wrote: the outermost `transactionSync`, or a statement outside one. The platform may join several; never the reverse. */
  "commits",
  "rows_read",
  "rows_written",
  /** `setAlarm` and `deleteAlarm`: each is billed as a row written. */
  "alarms_set",
  /** Statements, each of a batch by itself. */
  "d1_queries",
  "d1_rows_read",
  "d1_rows_written",
  /** In operations of 64 KB, as they are billed. */
  "queue_writes",
  "queue_reads",
  "queue_deletes",
  "r2_class_a",
  "r2_class_b",
  /** Requests and batches that started the Worker. */
  "worker_requests",
] as const;

export type Count = (typeof COUNTS)[number];
export type Tally = Record<Count, number>;

/**
 * Why something was counted. `asked`: a caller, or what follows from one. `timed`: alarms, and the sweeps that run them. `woken`:
 * an object's constructor, which is as often as the platform chooses.
 */
export const CAUSES = ["asked", "timed", "woken"] as const;
export type Cause = (typeof CAUSES)[number];

/** By cause, then by actor class, `Worker` being one. `methods`: calls that were asked for, by `<class>.<method>`. */
export type MeterReport = Record<Cause, Record<string, Tally>> & { methods: Record<string, number> };

export const noReport = (): MeterReport => ({ asked: {}, timed: {}, woken: {}, methods: {} });

export const noTally = (): Tally => Object.fromEntries(COUNTS.map((count) => [count, 0])) as Tally;

export const addTally = (into: Tally, part: Readonly<Partial<Tally>>): Tally => {
  for (const count of COUNTS) into[count] += part[count] ?? 0;
  return into;
};

/** What was counted between two reports. */
export const since = (before: MeterReport, after: MeterReport): MeterReport => {
  const report = noReport();
  for (const cause of CAUSES) {
    for (const [actor, tally] of Object.entries(after[cause])) {
      const was = before[cause][actor];
      report[cause][actor] = Object.fromEntries(
        COUNTS.map((count) => [count, tally[count] - (was?.[count] ?? 0)]),
      ) as Tally;
    }
  }
  for (const [method, calls] of Object.entries(after.methods)) {
    report.methods[method] = calls - (before.methods[method] ?? 0);
  }
  return report;
};

/** All actors of these causes together. */
export const totalOf = (report: MeterReport, causes: readonly Cause[] = CAUSES): Tally =>
  causes.flatMap((cause) => Object.values(report[cause])).reduce(addTally, noTally());

/** A message is billed by every 64 KB begun. */
const OPERATION_BYTES = 64_000;
export const operationsOf = (bytes: number): number => Math.max(1, Math.ceil(bytes / OPERATION_BYTES));
