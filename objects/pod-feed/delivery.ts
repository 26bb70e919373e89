import type { LogRow } from "../../schema/events.ts";
import type { PodNews } from "../../schema/rpc/feed.ts";
import { gatherMs, nextPage, type Served, serve, willLeave } from "./decide.ts";
import { expelledBy, type Frame, frameOf } from "./frames.ts";
import type { Seat } from "./state.ts";

/** A socket that is open, and its seat as it was when it was looked up. */
export type Place = { readonly seat: Seat; put(served: Served): void };

export type DeliveryPort = {
  /** Every open socket, in one synchronous look. */
  places(): Place[];
  /** The pod's events with seq > after, oldest first. */
  pull(after: number, limit: number): Promise<LogRow[]>;
  /** The newest seq of the pod's log. */
  head(): Promise<number>;
  /** Real time, milliseconds. */
  now(): number;
  /** Resolves after so many milliseconds; after 0, once what was sent has left. */
  wait(ms: number): Promise<unknown>;
};

/**
 * Brings the pod's log to its listeners. What the pod tells goes straight to everybody who has all before it; whoever lacks
 * something gets it from pages of the log, read one at a time and shared by all who are at that place. It keeps nothing that
 * matters: how far each socket is, its seat says, and how far the log goes, the pod.
 */
export class Delivery {
  readonly #port: DeliveryPort;
  /** The highest seq heard of; null after waking. */
  #head: number | null = null;
  #lastPage = -1;
  #running = false;

  constructor(port: DeliveryPort) {
    this.#port = port;
  }

  /** The log goes at least this far. */
  learn(head: number): void {
    this.#head = Math.max(this.#head ?? 0, head);
  }

  /** What the pod has just told. Whoever it leaves a gap for waits for `catchUp`. */
  take({ head, rows }: PodNews): void {
    this.learn(head);
    this.#hand(rows);
  }

  /**
   * Resolves when the pod may tell again. With a crowd every send costs more than the frame it sends, and a frame sent along with
   * another next to nothing: so what is committed while frames are leaving, and a moment longer, comes together. Nobody waits
   * for an event that comes alone.
   */
  async rest(): Promise<void> {
    const ms = gatherMs(this.#port.places().length);
    if (ms === 0) return;
    await this.#port.wait(0);
    await this.#port.wait(ms);
  }

  /** Asks the pod how far its log goes, whatever was told before, and brings everybody there. */
  async look(): Promise<void> {
    this.learn(await this.#port.head());
    await this.catchUp();
  }

  /** Reads pages until nobody is behind. One reader at a time, which also serves whoever comes meanwhile. */
  async catchUp(): Promise<void> {
    if (this.#running) return;
    this.#running = true;
    try {
      if (this.#head === null) this.learn(await this.#port.head());
      for (;;) {
        // From a look that finds nobody behind to the end nothing is awaited: whoever came in between would be left.
        const seats = this.#port.places().map(({ seat }) => seat);
        const page = nextPage(seats, this.#head ?? 0, this.#lastPage);
        if (page === null) return;
        const { after, limit } = page;
        const rows = await this.#port.pull(after, limit);
        const last = rows.at(-1);
        if (last === undefined)
          throw new Error(`the log has nothing after seq ${after} and should go to ${this.#head}`);
        this.#lastPage = after;
        this.learn(last.seq);
        this.#hand(rows);
      }
    } finally {
      this.#running = false;
    }
  }

  #hand(rows: readonly LogRow[]): void {
    const [first] = rows;
    const last = rows.at(-1);
    if (first === undefined || last === undefined) return;
    let frames: Frame[] | null = null;
    const now = this.#port.now();
    for (const place of this.#port.places()) {
      const { sent, stalled_at } = place.seat;
      if (sent < first.seq - 1 || sent >= last.seq || stalled_at !== null) continue;
      // An event is put into words once, and only when somebody listens.
      frames ??= rows.map(frameOf);
      place.put(serve(place.seat, frames, now));
    }
    this.#warn(rows);
  }

  /** Whoever is still on the way to the end of their right to read is marked: what is not the log is no longer for them. */
  #warn(rows: readonly LogRow[]): void {
    const ends = rows.filter(({ event }) => expelledBy(event) !== null).map(frameOf);
    if (ends.length === 0) return;
    for (const place of this.#port.places()) {
      if (place.seat.leaving || !willLeave(place.seat, ends)) continue;
      place.put({ seat: { ...place.seat, leaving: true }, texts: [], closing: null });
    }
  }
}
