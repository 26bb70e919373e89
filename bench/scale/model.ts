import { ACCOUNT_KINDS } from "../../schema/accounts.ts";
import { SHARDS, SHARDS_A_POD } from "../../schema/ids.ts";

/**
 * What one charge by instrument asks of each actor (docs/architecture/cost.md, 64 in flight), and how long an actor is busy with it by
 * the platform's published limits. From these alone follows which actor is full first, and how many of it are needed.
 */

/** Seconds an object is busy with a call: a thousand simple requests a second are its published limit. */
export const CALL_S = 1 / 1_000;
/** With a commit of its own: it writes 200 to 500 times a second; the middle. */
export const COMMIT_S = 1 / 350;
/** One command more in the same call and commit: taken at a tenth of a commit, for its JSON, its rows and its hash. */
export const COMMAND_S = COMMIT_S / 10;
/** Commands in one commit at most. */
export const BATCH = 256;

/** How many objects there are of each, and how long the outside takes. */
export type Deployment = {
  shards: number;
  stripes: number;
  gateways: number;
  /** Calls to the provider under way at once, of one gateway. */
  bulkhead: number;
  providerS: number;
  queues: number;
  databases: number;
};

/** As it ships: `SHARDS`, the stripes of an account, one gateway a connector, one queue, one database. */
export const SHIPPED: Deployment = {
  shards: SHARDS,
  stripes: ACCOUNT_KINDS.psp.stripes,
  gateways: 1,
  bulkhead: 128,
  providerS: 0.3,
  queues: 1,
  databases: 1,
};

/**
 * Messages a second that one queue takes; how long one D1 database, which does one thing at a time, is taken for a batch; and the charges
 * that a batch holds under load, each of which sends so many messages.
 */
const QUEUE_PER_S = 5_000;
const D1_BATCH_S = 0.005;
const CHARGES_A_BATCH = 5;
const MESSAGES_A_CHARGE = 1.4;

/** The busiest pod's share of all charges: Zipf 1.0 over so many. */
export const hottestShare = (pods: number): number => {
  let sum = 0;
  for (let rank = 1; rank <= pods; rank++) sum += 1 / rank;
  return 1 / sum;
};

/** Seconds a group-committing actor is busy with one command when it is full: its batches then are as large as they may be. */
const grouped = (commands: number): number => commands * (COMMAND_S + (CALL_S + COMMIT_S) / BATCH);

export type Station = {
  name: string;
  /** Charges a second at which the busiest of these is full. */
  capacity: number;
  /** What is added when it is: null, nothing can be. */
  remedy: keyof Deployment | null;
};

/** Every actor that all charges, or those of one pod, pass: full first comes first. */
export const stations = (made: Deployment, pods: number): Station[] => {
  const hot = hottestShare(pods);
  // Begin, what was reserved, what was captured, the end, and the webhook: five commands, two of them calls from outside.
  const shardS = grouped(5) + 2 * CALL_S;
  const all: Station[] = [
    { name: "coordinator shard", capacity: made.shards / shardS, remedy: "shards" },
    { name: "hottest pod's shards", capacity: SHARDS_A_POD / shardS / hot, remedy: null },
    // The capture, which is not written; an instrument that nobody has paid with lately is looked up besides.
    { name: "gateway, its thread", capacity: made.gateways / CALL_S, remedy: "gateways" },
    { name: "gateway, its bulkhead", capacity: (made.gateways * made.bulkhead) / made.providerS, remedy: "gateways" },
    { name: "psp and fee stripes", capacity: made.stripes / grouped(1), remedy: "stripes" },
    // Admit and conclude; reserve and post.
    { name: "hottest pod", capacity: 1 / grouped(2) / hot, remedy: null },
    { name: "hottest pod's account", capacity: 1 / grouped(2) / hot, remedy: null },
    { name: "events queue", capacity: (made.queues * QUEUE_PER_S) / MESSAGES_A_CHARGE, remedy: "queues" },
    { name: "read model", capacity: (made.databases * CHARGES_A_BATCH) / D1_BATCH_S, remedy: "databases" },
  ];
  return all.sort((left, right) => left.capacity - right.capacity);
};

/** A share of what it can do that nobody should plan beyond: queues grow without bound towards 1. */
export const PLANNED = 0.7;

/** What a deployment needs for so many charges a second; `null` where no number of objects helps, and what that is. */
export const needed = (perSecond: number, pods: number): { made: Deployment; short: string[] } => {
  let made = SHIPPED;
  const short = new Set<string>();
  for (const { name, capacity, remedy } of stations(SHIPPED, pods)) {
    if (capacity * PLANNED >= perSecond) continue;
    if (remedy === null) short.add(name);
    else {
      const times = Math.ceil((perSecond / (capacity * PLANNED)) * SHIPPED[remedy]);
      made = { ...made, [remedy]: Math.max(made[remedy], times) };
    }
  }
  return { made, short: [...short] };
};
