import { setTimeout as delay } from "node:timers/promises";
import { Histogram, type Latencies } from "./histogram.ts";
import { type Reply, type Request, Wire } from "./wire.ts";

/** What is sent, and what came of it. */
export type Operation = {
  /** The nth request; called once a request, in order of sending. */
  request(index: number): Request;
  /** Null: it was done. A text: what came instead. */
  fault(reply: Reply, index: number): string | null;
  /** Whether it is still under way: then the same is sent again, as a client would, and its latency goes on. */
  pending(reply: Reply): boolean;
};

export type Load = {
  kind: "closed" | "open";
  /** Requests under way at once; in an open loop the most there were. */
  inFlight: number;
  /** What an open loop was to send a second. */
  wanted?: number;
  /** Done a second. */
  perSecond: number;
  seconds: number;
  latency: Latencies;
  failed: number;
  /** Unanswered: nobody can say whether they were done. */
  lost: number;
  /** What came instead, the most frequent first: how often, and the first of its kind. */
  faults: string[];
};

/** An open loop that is behind by so many requests at once has been lost: the server is slower than its own peak. */
const MOST_OPEN = 2_048;
const FAULTS_SHOWN = 3;
/** A repetition may be answered at once that its first is still under way: asking without a pause would be a load of its own. */
const AGAIN_MS = 1_000;
/** What is under way for so long has been forgotten. */
const GIVEN_UP_MS = 600_000;

class Count {
  readonly latencies = new Histogram();
  failed = 0;
  lost = 0;
  readonly #faults = new Map<string, { count: number; first: string }>();

  /** Two are of a kind that begin with the same words. */
  note(fault: string): void {
    const kind = fault.split(":", 1)[0] ?? "";
    const { count, first } = this.#faults.get(kind) ?? { count: 0, first: fault };
    this.#faults.set(kind, { count: count + 1, first });
  }

  /** Sends one and writes down how long it took since `from`. A refusal is no latency. */
  async one(wire: Wire, operation: Operation, index: number, from: number): Promise<void> {
    try {
      const request = operation.request(index);
      let reply = await wire.send(request);
      while (operation.pending(reply) && performance.now() - from < GIVEN_UP_MS) {
        await delay(AGAIN_MS);
        reply = await wire.send(request);
      }
      const fault = operation.fault(reply, index);
      if (fault === null) this.latencies.record(performance.now() - from);
      else {
        this.failed++;
        this.note(fault);
      }
    } catch (error) {
      this.lost++;
      this.note(String(error));
    }
  }

  load(kind: Load["kind"], inFlight: number, seconds: number): Load {
    const { failed, lost } = this;
    const latency = this.latencies.summary();
    const faults = [...this.#faults.values()]
      .sort((left, right) => right.count - left.count)
      .slice(0, FAULTS_SHOWN)
      .map(({ count, first }) => `${count} × ${first}`);
    return { kind, inFlight, perSecond: latency.count / seconds, seconds, latency, failed, lost, faults };
  }
}

/** Numbers requests across the loops of a scenario, so that no key or id is used twice. */
export type Numbering = { next: number };

/** So many requests under way, always: the next one leaves when its connection has an answer. */
export const closedLoop = async (
  url: string,
  operation: Operation,
  inFlight: number,
  seconds: number,
  numbering: Numbering = { next: 0 },
): Promise<Load> => {
  const count = new Count();
  const started = performance.now();
  const deadline = started + seconds * 1_000;
  await Promise.all(
    Array.from({ length: inFlight }, async () => {
      const wire = new Wire(url);
      while (performance.now() < deadline) await count.one(wire, operation, numbering.next++, performance.now());
      wire.close();
    }),
  );
  return count.load("closed", inFlight, (performance.now() - started) / 1_000);
};

/**
 * Requests at a steady rate, whatever the answers do. A latency counts from when its request was to leave, not from when it did: a
 * server that stalls is charged for everybody it kept waiting (no coordinated omission).
 */
export const openLoop = async (
  url: string,
  operation: Operation,
  perSecond: number,
  seconds: number,
  numbering: Numbering = { next: 0 },
): Promise<Load> => {
  const count = new Count();
  const idle: Wire[] = [];
  const underway = new Set<Promise<void>>();
  let most = 0;
  const started = performance.now();
  const total = Math.max(1, Math.floor(perSecond * seconds));
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.floor(((performance.now() - started) / 1_000) * perSecond) + 1);
    for (; sent < due; sent++) {
      const at = started + (sent / perSecond) * 1_000;
      if (underway.size >= MOST_OPEN) {
        count.failed++;
        count.note(`not sent: ${MOST_OPEN} requests were under way`);
        continue;
      }
      const wire = idle.pop() ?? new Wire(url);
      const one = count.one(wire, operation, numbering.next++, at).then(() => {
        underway.delete(one);
        idle.push(wire);
      });
      underway.add(one);
      most = Math.max(most, underway.size);
    }
    await delay(1);
  }
  await Promise.all(underway);
  for (const wire of idle) wire.close();
  const load = count.load("open", most, (performance.now() - started) / 1_000);
  return { ...load, wanted: perSecond };
};
