import { canonicalJson, chainHash, GENESIS_HASH, type LogRow, type Run } from "../../schema/events.ts";

/** Where a consumer stands in a stream: the last event it has applied and the chain's hash there. */
export type Checkpoint = { seq: number; hash: string };

export const NEW_STREAM: Checkpoint = { seq: 0, hash: GENESIS_HASH };

export type RunPlan = {
  /** What follows the checkpoint without a gap, each event chained to the one before. */
  apply: LogRow[];
  /** The first event that is known to exist and is missing; null when there is none. */
  gapFrom: number | null;
  /** The first event at hand that does not chain to the one before it; null when there is none. */
  brokenAt: number | null;
  /** The newest seq any of the runs tells of. */
  head: number;
};

/**
 * Whether an event is as its actor hashed it. Actors store and answer an event with its fields in canonical order, so its plain text is
 * what was hashed, as a rule; what came in another order is put into it.
 */
const isAsHashed = ({ event, prev_hash, hash }: LogRow): boolean => {
  try {
    return chainHash(prev_hash, JSON.stringify(event)) === hash || chainHash(prev_hash, canonicalJson(event)) === hash;
  } catch {
    return false;
  }
};

const misplaced = ({ stream, from, events }: Run): string | null => {
  for (const [offset, { seq, event }] of events.entries()) {
    if (seq !== from + offset || event.seq !== String(seq)) return `seq ${from + offset} is out of order`;
    if (event.stream !== stream) return `seq ${seq} belongs to another stream`;
  }
  return null;
};

/** Why no actor can have sent this message: its events are not its own, not in order, or not as hashed. Null when it is sound. */
export const openedFault = ({ run, asHashed }: { run: Run; asHashed: boolean }): string | null =>
  misplaced(run) ??
  (asHashed || run.events.length === 0 ? null : `seq ${run.from} to ${lastOf(run)} are not as hashed`);

/** The same of events that an actor itself answered, each with its hash. */
export const runFault = (run: Run): string | null => {
  const fault = misplaced(run);
  if (fault !== null) return fault;
  let prevHash: string | null = null;
  for (const row of run.events) {
    const { seq, prev_hash, hash } = row;
    if (prevHash !== null && prev_hash !== prevHash) return `seq ${seq} does not follow`;
    if (!isAsHashed(row)) return `seq ${seq} is not as hashed`;
    prevHash = hash;
  }
  return null;
};

/** The last event a run carries; 0 for a beacon. */
export const lastOf = (run: Run): number => (run.events.length === 0 ? 0 : run.from + run.events.length - 1);

/**
 * Joins the runs of one stream behind a checkpoint, whatever came twice, late or not at all. Where two runs tell of the same
 * event the earlier in the list is believed. The runs are sound by themselves (see `openedFault` and `runFault`).
 */
export const planRun = (checkpoint: Checkpoint, runs: readonly Run[]): RunPlan => {
  const rows = new Map<number, LogRow>();
  let head = 0;
  for (const run of runs) {
    head = Math.max(head, run.head, lastOf(run));
    for (const row of run.events) if (row.seq > checkpoint.seq && !rows.has(row.seq)) rows.set(row.seq, row);
  }
  const apply: LogRow[] = [];
  let { seq, hash } = checkpoint;
  for (let row = rows.get(seq + 1); row !== undefined; row = rows.get(seq + 1)) {
    if (row.prev_hash !== hash) return { apply, gapFrom: null, brokenAt: row.seq, head };
    apply.push(row);
    ({ seq, hash } = row);
  }
  return { apply, gapFrom: seq < head ? seq + 1 : null, brokenAt: null, head };
};
