import type { Clock } from "../../schema/ids.ts";
import { type Archive, segmentKey } from "./archive.ts";
import type { EventLog } from "./event-log.ts";
import type { Growth, GrowthRules } from "./growth.ts";
import type { StoredEvent } from "./log-rows.ts";
import { type Fault, openSegment, parseBody, type Segment, sealSegment } from "./segments.ts";
import type { Snapshots } from "./snapshots.ts";
import type { Timers } from "./timers.ts";

export const SEAL_TIMER = "seal";
/** Segments sealed in one alarm; the next alarm goes on. */
const SEGMENTS_PER_RUN = 8;
const GO_ON_MS = 1_000;
/** After a consumer that is behind, or an archive that failed, it is tried again this much later. */
const RETRY_MS = 3_600_000;

const utf8 = new TextEncoder();

/** What a sealer needs of its actor. */
export type SealerParts = {
  log: EventLog;
  snapshots: Snapshots;
  timers: Timers;
  clock: Clock;
  growth: Growth;
  rules: GrowthRules;
  archive: Archive;
  /** The seq that every consumer has passed, and the relay too. */
  consumed: () => Promise<number>;
  /** Runs writes as one commit, or not at all. */
  commit: (write: () => void) => void;
  /** The log does not add up: nothing of it is sealed. */
  onFault: (fault: Fault) => void;
};

/**
 * Moves the oldest events to the archive, a whole segment at a time: written, read back and verified before the one commit that
 * notes the segment and drops its rows. Until that commit nothing has changed, and after it nothing is left to do; where a segment
 * ends follows from the log alone, so that whoever is interrupted writes the same text under the same name again.
 */
export class Sealer {
  readonly #parts: SealerParts;

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  /** Inside the commit that took a snapshot, for only that makes a segment ripe: the timer for when it is old enough. */
  arm(): void {
    const next = this.#next();
    if (next === null) return;
    const { timers } = this.#parts;
    const due = timers.dueAt(SEAL_TIMER, "");
    if (due === null || next.dueAt < due) timers.set(SEAL_TIMER, "", next.dueAt);
  }

  /** The sealer's timer. Rejects when the archive fails, or holds something else under a segment's name; it is tried again. */
  async run(): Promise<void> {
    const { timers, clock } = this.#parts;
    timers.set(SEAL_TIMER, "", clock.now() + RETRY_MS);
    for (let sealed = 0; sealed < SEGMENTS_PER_RUN; sealed++) {
      const next = this.#next();
      if (next === null) return timers.clear(SEAL_TIMER, "");
      if (next.dueAt > clock.now()) return timers.set(SEAL_TIMER, "", next.dueAt);
      if ((await this.#parts.consumed()) < next.to) return;
      if (!(await this.#seal(next))) return;
    }
    timers.set(SEAL_TIMER, "", clock.now() + GO_ON_MS);
  }

  /** The next whole segment that both snapshots have passed, and when it is old enough; null: there is none yet. */
  #next(): { from: number; to: number; dueAt: number } | null {
    const { log, snapshots, rules, growth } = this.#parts;
    const after = log.sealedUpto;
    const passed = snapshots.older();
    if (passed === null || passed <= after) return null;
    const sizes = log
      .stored(after, rules.segmentEvents)
      .map(({ seq, body }) => ({ seq, bytes: utf8.encode(body).length }));
    const to = wholeSegment(sizes, rules);
    if (to === null || to > passed) return null;
    const [last] = log.stored(to - 1, 1);
    const recordedAt = Date.parse(parseBody(last?.body ?? "")?.recorded_at ?? "");
    // A body that cannot be read is ripe at once: what is wrong with it is found before anything is sealed.
    return { from: after + 1, to, dueAt: Number.isNaN(recordedAt) ? 0 : recordedAt + growth.ageMs };
  }

  async #seal({ from, to }: { from: number; to: number }): Promise<boolean> {
    const { log, archive, commit, growth } = this.#parts;
    const hashBefore = log.hashAt(from - 1);
    const events = log.stored(from - 1, to - from + 1);
    if (hashBefore === null || !this.#holdsGood(from, to, hashBefore)) return false;
    const { segment, text } = sealSegment(hashBefore, events);
    const key = segmentKey(log.stream, from, to);
    await archive.put(key, text);
    const kept = await archive.get(key);
    const { failure } = openSegment(segment, log.stream, kept);
    if (failure !== null)
      throw new Error(`integrity: ${key} holds something else at seq ${failure.seq}: ${failure.reason}`);
    if (!isUnchanged(log, segment, events)) throw new Error(`${log.stream} changed while ${key} was written`);
    commit(() => log.segments.commit(segment));
    growth.measure();
    return true;
  }

  #holdsGood(from: number, to: number, hashBefore: string): boolean {
    const { failure } = this.#parts.log.verify(from - 1, hashBefore, to - from + 1);
    if (failure !== null) this.#parts.onFault(failure);
    return failure === null;
  }
}

/** Where the segment ends that begins with these events; null: they do not fill one. */
export const wholeSegment = (
  sizes: readonly { seq: number; bytes: number }[],
  { segmentEvents, segmentBytes }: Pick<GrowthRules, "segmentEvents" | "segmentBytes">,
): number | null => {
  let bytes = 0;
  for (const [index, size] of sizes.entries()) {
    bytes += size.bytes;
    if (bytes >= segmentBytes || index + 1 === segmentEvents) return size.seq;
  }
  return null;
};

/** Still the next to be sealed, and still the same events: a wait lies between the reading and the commit. */
const isUnchanged = (log: EventLog, { from, to }: Segment, events: readonly StoredEvent[]): boolean => {
  const now = log.stored(from - 1, to - from + 1);
  return (
    now.length === events.length && now.every(({ seq, hash }, at) => seq === from + at && hash === events[at]?.hash)
  );
};
