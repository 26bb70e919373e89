import type { Clock } from "../../schema/ids.ts";
import type { PodNews } from "../../schema/rpc/feed.ts";
import type { EventLog } from "../kit/event-log.ts";
import type { Timers } from "../kit/timers.ts";

export const FEED_TIMER = "feed";
/** Events told in one call. */
const MAX_TOLD = 64;
/** A watched pod asks its feed this often whether anybody still listens, milliseconds. */
const LOOK_MS = 3_600_000;
/** After a call that failed it tells again this much later, milliseconds. */
const RETRY_MS = 5_000;

type Log = Pick<EventLog, "stream" | "head" | "read">;
type Alarms = Pick<Timers, "set" | "clear" | "dueAt">;

/**
 * Tells the pod's feed what was committed, while somebody listens there. That somebody does is one row, the timer: the feed asks
 * for it before it seats a listener, and it goes when the feed says that nobody is left. So a pod that nobody watches makes no
 * call. How far it has told is kept in memory only: the feed pulls what it lacks, so that a beacon makes good whatever was lost.
 */
export class FeedTeller {
  readonly #log: Log;
  readonly #timers: Alarms;
  readonly #clock: Clock;
  readonly #tell: (news: PodNews) => Promise<{ watched: boolean }>;
  #watched: boolean;
  /** Counts who came: a feed's "nobody" that was said before the last of them came means nothing. */
  #arrivals = 0;
  #toldUpto: number;
  #telling = false;

  constructor(log: Log, timers: Alarms, clock: Clock, tell: (news: PodNews) => Promise<{ watched: boolean }>) {
    this.#log = log;
    this.#timers = timers;
    this.#clock = clock;
    this.#tell = tell;
    this.#watched = timers.dueAt(FEED_TIMER, "") !== null;
    this.#toldUpto = log.head().seq;
  }

  get watched(): boolean {
    return this.#watched;
  }

  /** Before the feed seats a listener: from now on it is told. It knows the log up to here. */
  watch(): void {
    this.#arrivals++;
    if (this.#watched) return;
    this.#timers.set(FEED_TIMER, "", this.#clock.now() + LOOK_MS);
    this.#toldUpto = this.#log.head().seq;
    this.#watched = true;
  }

  /** After a commit: tells what is untold, one call at a time. */
  async drain(): Promise<void> {
    if (this.#watched && !this.#telling) await this.#run(false);
  }

  /** The timer's, and a waking pod's: tells even where there is nothing new, for what was told may have been lost. */
  async look(): Promise<void> {
    if (!this.#watched || this.#telling) return;
    this.#timers.set(FEED_TIMER, "", this.#clock.now() + LOOK_MS);
    await this.#run(true);
  }

  /** Never rejects: what cannot be told now is told by the timer. */
  async #run(beacon: boolean): Promise<void> {
    this.#telling = true;
    try {
      for (let first = beacon; ; first = false) {
        const rows = this.#log.read(this.#toldUpto, MAX_TOLD);
        if (rows.length === 0 && !first) return;
        const arrivals = this.#arrivals;
        const { watched } = await this.#tell({ head: this.#log.head().seq, rows });
        this.#toldUpto = rows.at(-1)?.seq ?? this.#toldUpto;
        if (watched || arrivals !== this.#arrivals) continue;
        this.#timers.clear(FEED_TIMER, "");
        this.#watched = false;
        return;
      }
    } catch (error) {
      console.error(
        `${this.#log.stream} could not tell its feed: ${error instanceof Error ? error.message : "not an error"}`,
      );
      this.#timers.set(FEED_TIMER, "", this.#clock.now() + RETRY_MS);
    } finally {
      this.#telling = false;
    }
  }
}
