import { upcast } from "../../schema/events.ts";
import type { Fold } from "./actor.ts";
import { EMPTY_HEAD, type EventLog, type Head } from "./event-log.ts";
import type { Snapshots } from "./snapshots.ts";

/** Where a log does not add up: the first seq that does not fit, and why. */
export type Fault = { seq: number; reason: string };

/** What the last commit said the fold must arrive at. */
export type StoredState = { seq: number; hash: string; summary: string };

export type Recovered<S> = { state: S; head: Head; fault: Fault | null };

/** Events verified and folded at a time. */
const PAGE = 500;

/**
 * The state an actor wakes with: the newest snapshot that can be read and the events after it, each verified before it is folded.
 * They must arrive at the stored seq, hash and summary. Where they do not, the state is the fold as far as the log holds good, so
 * that reads go on, and the fault says where it ends.
 */
export const recover = <S>(
  log: EventLog,
  snapshots: Snapshots,
  fold: Fold<S>,
  stored: StoredState | null,
): Recovered<S> => {
  const head = log.head();
  const replay = replayLog(log, startingPoint(snapshots, fold), fold);
  return { state: replay.state, head, fault: replay.fault ?? disagreement(head, replay.state, fold, stored) };
};

type Start<S> = { seq: number; hash: string; state: S };

/** A snapshot that cannot be read is as good as none: the log is the truth. One that can be read must meet it. */
const startingPoint = <S>(snapshots: Snapshots, fold: Fold<S>): Start<S> => {
  try {
    const snapshot = snapshots.newest();
    if (snapshot !== null) return { seq: snapshot.seq, hash: snapshot.hash, state: fold.decode(snapshot.state) };
  } catch (error) {
    console.error(`a snapshot could not be read, replaying from genesis: ${String(error)}`);
  }
  return { seq: 0, hash: EMPTY_HEAD.hash, state: fold.initial };
};

const replayLog = <S>(log: EventLog, start: Start<S>, fold: Fold<S>): { state: S; fault: Fault | null } => {
  let { seq, hash, state } = start;
  if (log.hashAt(seq) !== hash) return { state, fault: { seq, reason: "snapshot does not meet the log" } };
  for (;;) {
    const verdict = log.verify(seq, hash, PAGE);
    if (verdict.upto > seq) {
      for (const row of log.read(seq, verdict.upto - seq)) {
        try {
          state = fold.evolve(state, upcast(row.event));
        } catch (error) {
          // No actor of this kind can have written it: a fault like any other.
          return { state, fault: { seq: row.seq, reason: `cannot be folded: ${String(error)}` } };
        }
      }
    }
    if (verdict.failure !== null || verdict.upto === seq) return { state, fault: verdict.failure };
    seq = verdict.upto;
    hash = verdict.hash;
  }
};

const disagreement = <S>(head: Head, state: S, fold: Fold<S>, stored: StoredState | null): Fault | null => {
  if (stored === null) return head.seq === 0 ? null : { seq: head.seq, reason: "the stored state is missing" };
  if (head.seq < stored.seq) return { seq: head.seq + 1, reason: "log was cut short" };
  if (head.seq > stored.seq) return { seq: stored.seq + 1, reason: "event of no commit" };
  if (head.hash !== stored.hash) return { seq: head.seq, reason: "head differs from state" };
  if (stored.summary !== fold.summary(state)) return { seq: head.seq, reason: "replay differs from state" };
  return null;
};
