import { upcast } from "../../schema/events.ts";
import { EMPTY_HEAD, type EventLog, type Head } from "./event-log.ts";
import type { History } from "./history.ts";
import type { Relayed } from "./relayed.ts";
import type { Fault } from "./segments.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Fold } from "./turn.ts";

/** `behind`: nothing that could be read leads past what is sealed, so the sealed events are to be folded first. */
export type Recovered<S> = { state: S; head: Head; fault: Fault | null; behind: boolean };

/** Events verified and folded at a time. */
const PAGE = 500;

/**
 * The state an actor wakes with: the newest snapshot that can be read and the events after it, each verified before it is folded.
 * They must arrive at what the last commit said of them, and hold what was sent. Where they do not, the state is the fold as far as the
 * log holds good, so that reads go on, and the fault says where it ends.
 */
export const recover = <S>(
  log: EventLog,
  snapshots: Snapshots,
  fold: Fold<S>,
  relayed: Relayed | null,
): Recovered<S> => {
  const { head, summary } = log.end();
  const start = startingPoint(snapshots, fold);
  if (start.seq < log.sealedUpto) {
    const fault = { seq: start.seq + 1, reason: "sealed events are not folded yet" };
    return { state: start.state, head, fault, behind: true };
  }
  const replay = replayLog(log, start, fold);
  const fault = replay.fault ?? lost(log, head, relayed) ?? disagreement(head, summary, replay.state, fold);
  return { state: replay.state, head, fault, behind: false };
};

/**
 * Folds what is sealed, where every snapshot was lost, and leaves a snapshot at its end; `recover` goes on from there. Leaves one
 * and rejects when `hasTime` says no, so that the next try begins where this one stopped. Answers where the sealed log breaks off.
 */
export const foldSealed = async <S>(
  log: EventLog,
  history: History,
  snapshots: Snapshots,
  fold: Fold<S>,
  hasTime: () => boolean,
): Promise<{ state: S; fault: Fault | null }> => {
  let { seq, hash, state } = startingPoint(snapshots, fold);
  const upto = log.sealedUpto;
  // Those could not be read; and only the newest two are kept, which the ones written here would not be among.
  snapshots.drop(seq);
  if (log.hashAt(seq) !== hash) return { state, fault: { seq, reason: "snapshot does not meet the log" } };
  while (seq < upto) {
    if (!hasTime()) {
      snapshots.write(seq, hash, fold.encode(state));
      throw new Error(`${log.stream} is replayed up to ${seq} of ${upto} sealed events: call again`);
    }
    const verdict = await history.verify(seq, hash, PAGE);
    const replay = foldRows(await history.read(seq, verdict.upto - seq), verdict.upto, state, fold);
    state = replay.state;
    const fault = replay.fault ?? verdict.failure;
    if (fault !== null) return { state, fault };
    if (verdict.upto === seq) return { state, fault: { seq: seq + 1, reason: "missing event" } };
    seq = verdict.upto;
    hash = verdict.hash;
  }
  snapshots.write(seq, hash, fold.encode(state));
  return { state, fault: null };
};

type Start<S> = { seq: number; hash: string; state: S };

/** A snapshot that cannot be read is as good as none: the log is the truth. One that can be read must meet it. */
const startingPoint = <S>(snapshots: Snapshots, fold: Fold<S>): Start<S> => {
  for (const seq of snapshots.seqs()) {
    try {
      const snapshot = snapshots.at(seq);
      if (snapshot !== null) return { seq, hash: snapshot.hash, state: fold.decode(snapshot.state) };
    } catch (error) {
      console.error(`the snapshot at ${seq} could not be read, replaying from before it: ${String(error)}`);
    }
  }
  return { seq: 0, hash: EMPTY_HEAD.hash, state: fold.initial };
};

const replayLog = <S>(log: EventLog, start: Start<S>, fold: Fold<S>): { state: S; fault: Fault | null } => {
  let { seq, hash, state } = start;
  if (log.hashAt(seq) !== hash) return { state, fault: { seq, reason: "snapshot does not meet the log" } };
  for (;;) {
    const verdict = log.verify(seq, hash, PAGE);
    if (verdict.upto > seq) {
      const replay = foldRows(log.read(seq, verdict.upto - seq), verdict.upto, state, fold);
      state = replay.state;
      if (replay.fault !== null) return replay;
    }
    if (verdict.failure !== null || verdict.upto === seq || verdict.upto === verdict.head)
      return { state, fault: verdict.failure };
    seq = verdict.upto;
    hash = verdict.hash;
  }
};

const foldRows = <S>(
  rows: Awaited<ReturnType<History["read"]>>,
  upto: number,
  from: S,
  fold: Fold<S>,
): { state: S; fault: Fault | null } => {
  let state = from;
  for (const row of rows) {
    if (row.seq > upto) break;
    try {
      state = fold.evolve(state, upcast(row.event));
    } catch (error) {
      // No actor of this kind can have written it: a fault like any other.
      return { state, fault: { seq: row.seq, reason: `cannot be folded: ${String(error)}` } };
    }
  }
  return { state, fault: null };
};

/** What was sent is there still. What is sealed was verified before. */
const lost = (log: EventLog, head: Head, relayed: Relayed | null): Fault | null => {
  if (relayed === null || relayed.seq <= log.sealedUpto) return null;
  if (head.seq < relayed.seq) return { seq: head.seq + 1, reason: "log was cut short" };
  return log.hashAt(relayed.seq) === relayed.hash
    ? null
    : { seq: relayed.seq, reason: "log differs from what was sent" };
};

const disagreement = <S>(head: Head, summary: string | null, state: S, fold: Fold<S>): Fault | null => {
  if (head.seq === 0) return null;
  if (summary === null) return { seq: head.seq, reason: "event of no commit" };
  return summary === fold.summary(state) ? null : { seq: head.seq, reason: "replay differs from state" };
};
