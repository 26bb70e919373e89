import { hashParts } from "../../schema/ids.ts";
import { countOf, type RunMessage } from "../../schema/run-message.ts";
import type { ConsumerEnv } from "./env.ts";

/** A number in [0, 1) that follows from the seed and the parts. */
const drawn = (...parts: readonly string[]): number => {
  const digest = hashParts(...parts);
  return new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0) / 2 ** 32;
};

/** Every message of such a stream that carries events is lost, its last one too, and so is its first beacon: half of all streams. */
export const isSevered = (seed: string, stream: string): boolean => drawn(seed, "severed", stream) < 0.5;

/** What happens to a message: `late` comes again behind those sent after it. */
export type Fate = "lost" | "late" | "twice" | "untouched";

type Header = { stream: string; from: number; head: number; events: number; attempts: number };

/** The fate of a message on its way, by the seed alone. `beacons`: those of its stream that came before it. */
export const fateOf = (seed: string, message: Header, beacons: number): Fate => {
  const { stream, from, head, events, attempts } = message;
  if (isSevered(seed, stream)) return events > 0 || beacons === 0 ? "lost" : "untouched";
  const draw = drawn(seed, "fate", stream, String(from), String(head), String(events));
  // Of beacons too the first may be lost and no other: what is promised to heal in time is one lost on top of a lost message.
  if (draw < 0.25) return events > 0 || beacons === 0 ? "lost" : "untouched";
  if (draw < 0.5) return attempts === 1 ? "late" : "untouched";
  return draw < 0.75 ? "twice" : "untouched";
};

/** Beacons seen, by stream, for as long as this isolate lives. */
const beaconsSeen = new Map<string, number>();

const headerOf = ({ body, attempts }: Message<unknown>): Header | null => {
  const { stream, from, head, events } = (body ?? {}) as Partial<RunMessage>;
  if (typeof stream !== "string" || typeof events !== "string") return null;
  return { stream, from: Number(from), head: Number(head), events: countOf({ events }), attempts };
};

/** What the projector needs of a batch. */
export type Delivered = Pick<MessageBatch<unknown>, "queue" | "messages">;

/**
 * Test only: a batch as a bad queue would deliver it, messages lost, late, twice and in another order, by a seed. Needs a variable
 * and the fault binding, which exists on a local server under test and in no deployment; without them the batch as it is.
 */
export const withQueueFaults = (
  batch: Delivered,
  { FAULTS, CROWDPAY_QUEUE_FAULTS: seed }: Pick<ConsumerEnv, "FAULTS" | "CROWDPAY_QUEUE_FAULTS">,
): Delivered => {
  if (FAULTS === undefined || seed === undefined) return batch;
  const delivered: Message<unknown>[] = [];
  for (const message of batch.messages) {
    const header = headerOf(message);
    if (header === null) {
      delivered.push(message);
      continue;
    }
    const seen = beaconsSeen.get(header.stream) ?? 0;
    if (header.events === 0) beaconsSeen.set(header.stream, seen + 1);
    const fate = fateOf(seed, header, seen);
    if (fate === "lost") message.ack();
    else if (fate === "late") message.retry({ delaySeconds: 1 });
    else delivered.push(...(fate === "twice" ? [message, message] : [message]));
  }
  const place = ({ id }: Message<unknown>): number => drawn(seed, "place", id);
  return { queue: batch.queue, messages: delivered.toSorted((left, right) => place(left) - place(right)) };
};
