import type { Clock } from "../../schema/ids.ts";
import { beacon, countOf, MAX_RUN_CHARS, MAX_RUN_EVENTS, type RunMessage } from "../../schema/run-message.ts";
import type { Archive } from "./archive.ts";
import type { EventLog } from "./event-log.ts";
import { inGroups, linesOf, type StoredEvent } from "./log-rows.ts";
import type { Timers } from "./timers.ts";

export const RELAY_TIMER = "relay";
/**
 * The consumers' checkpoints are looked at this long after a commit: by then nearly every actor is found to be done and is looked
 * at no more, and none has been put to sleep yet, which the platform does after ten seconds without a call: waking costs far more than
 * the look. One that is not done gets a beacon and is looked at again soon, then at doubling gaps up to an hour: 8, 23, 53, 113 …
 * seconds after the event. So a lost last message heals within a minute even if the first beacon is lost as well.
 */
const FIRST_CHECK_MS = 8_000;
/** The look waits for an event younger than this: it is too soon to ask for. Longer than the commits of one payment lie apart. */
const YOUNG_MS = 4_000;
const RETRY_MS = 15_000;
const LAST_CHECK_MS = 3_600_000;
/** Runs sent in one call: the platform takes 256 kB a batch, and a run is at most 120 kB. */
const RUNS_PER_SEND = 2;
const MOST_SENT = MAX_RUN_EVENTS * RUNS_PER_SEND;

/**
 * The relay sends once there has been no commit for so long, so that what belongs together leaves in one message. Every message costs a
 * queue operation and, at the consumer, a share of a transaction, and a saga that is seen on its way is written twice there. Milliseconds.
 */
export const GATHER_MS = 100;
/** While there is always more it sends this often all the same: lists may be that much later, and are for the eye. Milliseconds. */
export const MOST_GATHERED_MS = 800;
/** What is begun here and not over will be followed by its end: it waits for that, but no longer. Milliseconds. */
export const MOST_WHILE_OPEN_MS = 2_000;

/** What the relay needs of the outside: a queue to send runs to, and how far the consumers have come with a stream. */
export type RelayPort = {
  send(runs: RunMessage[]): Promise<void>;
  /** The lowest consumer checkpoint of the stream; 0 when a consumer has not met it. */
  consumed(stream: string): Promise<number>;
  /** How long without a commit before it sends, milliseconds; {@link GATHER_MS} when left out. */
  gatherMs?: number;
};

/** All that a log needs of the outside. Without an archive nothing is ever sealed. */
export type LogPort = RelayPort & { archive?: Archive };

/** Cuts events into runs of at most 64 and 40,000 characters; a run holds at least one event, however large. */
export const cutRuns = (stream: string, head: number, before: string, events: readonly StoredEvent[]): RunMessage[] => {
  let prevHash = before;
  return inGroups(events, { count: MAX_RUN_EVENTS, size: MAX_RUN_CHARS }).map((run) => {
    const [from, hash] = [run[0]?.seq ?? 0, run.at(-1)?.hash ?? ""];
    const message = { stream, from, head, prev_hash: prevHash, hash, events: linesOf(run) };
    prevHash = hash;
    return message;
  });
};

/** How often the consumers have been looked at since an event was recorded, going by its age alone: an idle actor keeps no count. */
export const looksSince = (now: number, recordedAt: number): number => {
  const sinceFirst = now - recordedAt - FIRST_CHECK_MS;
  return 1 + Math.floor(Math.log2(1 + Math.max(0, sinceFirst) / RETRY_MS));
};

/** When to look again after the nth look (from 1) found a consumer behind: doubling from the first gap, at most an hour. */
export const nextCheck = (now: number, look: number): number =>
  now + Math.min(LAST_CHECK_MS, RETRY_MS * 2 ** Math.min(look - 1, 10));

/**
 * Sends the log to the queue by a cursor over the log itself: no outbox table. Sending again is harmless, not sending is not, so
 * the cursor lags: it is stored with the next look (`relayed.ts`). An actor is quiet only when it has seen the consumers reach its head;
 * until then a timer resends a beacon that names the head, so that a lost last message is noticed too.
 */
export class Relay {
  readonly #log: EventLog;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #port: RelayPort;
  readonly #gather: (ms: number) => Promise<unknown>;
  readonly #isOpen: () => boolean;
  #sentUpto: number;
  #sending = false;
  /** There was a commit since this was last unset. */
  #grew = false;
  /** The head that a look left alone because its event was young. */
  #leftAt = 0;

  /** `gather`: waits so many milliseconds for more to send; at once when left out. `isOpen`: more is sure to come soon. */
  constructor(
    log: EventLog,
    timers: Timers,
    clock: Clock,
    port: RelayPort,
    sentUpto: number,
    gather: (ms: number) => Promise<unknown> = async () => undefined,
    isOpen: () => boolean = () => false,
  ) {
    this.#gather = gather;
    this.#isOpen = isOpen;
    this.#log = log;
    this.#timers = timers;
    this.#clock = clock;
    this.#port = port;
    this.#sentUpto = sentUpto;
  }

  get sentUpto(): number {
    return this.#sentUpto;
  }

  /** Inside the commit that appends: the timer that will not let this actor forget to send. */
  arm(): void {
    const soon = this.#clock.now() + FIRST_CHECK_MS;
    const due = this.#timers.dueAt(RELAY_TIMER, "");
    if (due === null || due > soon) this.#timers.set(RELAY_TIMER, "", soon);
  }

  /** After the commit: sends whatever is unsent. One drain at a time, which also sends what is appended meanwhile. */
  async drain(): Promise<void> {
    this.#grew = true;
    if (this.#sending) return;
    this.#sending = true;
    try {
      for (;;) {
        await this.#gathered();
        for (let full = true; full; ) {
          const { prevHash, events } = this.#log.chained(this.#sentUpto, MOST_SENT);
          // From a read that finds nothing to the end of this drain nothing is awaited: an event appended there would be left.
          const [first] = events;
          if (first === undefined) return;
          const runs = cutRuns(this.#log.stream, this.#log.head().seq, prevHash, events).slice(0, RUNS_PER_SEND);
          await this.#port.send(runs);
          const count = runs.reduce((sum, run) => sum + countOf(run), 0);
          this.#sentUpto = Math.max(this.#sentUpto, first.seq + count - 1);
          full = events.length === MOST_SENT || count < events.length;
        }
      }
    } finally {
      this.#sending = false;
    }
  }

  /** Resolves when there has been no commit for a while and nothing is open, or it has been long enough. */
  async #gathered(): Promise<void> {
    const { gatherMs = GATHER_MS } = this.#port;
    for (let waited = gatherMs; ; waited += gatherMs) {
      this.#grew = false;
      await this.#gather(gatherMs);
      const whileOpen = gatherMs > 0 && this.#isOpen() ? MOST_WHILE_OPEN_MS : 0;
      if (waited >= (this.#grew ? MOST_GATHERED_MS : whileOpen)) return;
    }
  }

  /**
   * The relay's timer: quiet when the consumers have reached the head, else what is unsent, a beacon and a later look. An actor in
   * steady use asks nobody, as long as it sends: its next message tells the consumers of any that was lost, as a beacon would.
   */
  async check(): Promise<void> {
    const now = this.#clock.now();
    const before = this.#log.head();
    const age = now - Date.parse(before.recordedAt);
    if (age >= 0 && age < YOUNG_MS && this.#sentUpto >= this.#leftAt) {
      this.#leftAt = before.seq;
      this.#timers.set(RELAY_TIMER, "", now - age + FIRST_CHECK_MS);
      return;
    }
    // The timer stands as it was until the answer is there: what ends this here has it looked at again.
    const consumed = await this.#port.consumed(this.#log.stream);
    // What was recorded meanwhile found the timer standing: when to look again goes by its age, not by that of the event before it.
    const head = this.#log.head();
    if (consumed >= head.seq) {
      this.#sentUpto = head.seq;
      this.#timers.clear(RELAY_TIMER, "");
      return;
    }
    this.#timers.set(RELAY_TIMER, "", nextCheck(now, looksSince(now, Date.parse(head.recordedAt))));
    // An actor that slept has forgotten what it sent and sends it again. That may be lost too, so the beacon goes out all the same.
    if (this.#sentUpto < head.seq) await this.drain();
    await this.#port.send([beacon(this.#log.stream, head.seq + 1, head.seq)]);
  }
}
