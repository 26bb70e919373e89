import { SHARDS_A_POD } from "../../schema/ids.ts";
import { type Random, seeded } from "../../tests/support/seeded.ts";
import { zipf } from "../scenarios/transfers.ts";
import { BATCH, CALL_S, COMMAND_S, COMMIT_S, type Deployment } from "./model.ts";

/** An object under load: one thing at a time, and in group commit whatever has gathered with it. */
type Server = { line: Charge[]; busy: boolean; busyS: number; group: boolean; done: number };

type Charge = { pod: number; shard: number; stripe: number; gateway: number; at: number; step: number };

/** Where a charge goes next, and whether that writes. */
type Step = { kind: string; index(charge: Charge): number; group: boolean; busyS(commands: number): number };

const commits = (commands: number): number => CALL_S + COMMIT_S + (commands - 1) * COMMAND_S;
const calls = (): number => CALL_S;

const step = (kind: string, index: Step["index"], group = true): Step => ({
  kind,
  index,
  group,
  busyS: group ? commits : calls,
});
const shard = step("coordinator", ({ shard }) => shard);
const pod = step("pod", ({ pod }) => pod);
const account = step("pod account", ({ pod }) => pod);
const stripe = step("stripe", ({ stripe }) => stripe);
const gateway = step("gateway", ({ gateway }) => gateway, false);
/** Odd, so that neighbours in rank are no neighbours in shard. */
const SPREAD = 7;
/** Waits for the provider, in a place of the gateway's bulkhead. */
const PROVIDER = "provider";
const provider: Step = { kind: PROVIDER, index: ({ gateway }) => gateway, group: false, busyS: () => 0 };

/**
 * A charge by a known instrument, actor by actor. Calls that run ahead of the journal come back to their shard together, as one command,
 * which rides in its next commit.
 */
const WAY: readonly Step[] = [shard, pod, account, shard, gateway, provider, shard, stripe, account, pod, shard];

export type Simulated = {
  /** Charges that ended, a second. */
  perSecond: number;
  p50S: number;
  p99S: number;
  /** The busiest object of each kind: the share of the time that it was. */
  busiest: Record<string, number>;
};

/** Events in the order of their time: a binary heap. */
class Agenda {
  readonly #heap: { at: number; run: () => void }[] = [];

  push(at: number, run: () => void): void {
    const heap = this.#heap;
    let index = heap.push({ at, run }) - 1;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      if ((heap[parent]?.at ?? 0) <= at) break;
      [heap[index], heap[parent]] = [heap[parent] as (typeof heap)[0], heap[index] as (typeof heap)[0]];
      index = parent;
    }
  }

  pop(): { at: number; run: () => void } | undefined {
    const heap = this.#heap;
    const [top] = heap;
    const last = heap.pop();
    if (top === undefined || last === undefined || heap.length === 0) return top;
    heap[0] = last;
    for (let index = 0; ; ) {
      const [left, right] = [2 * index + 1, 2 * index + 2];
      const at = (place: number) => heap[place]?.at ?? Number.POSITIVE_INFINITY;
      const least = at(left) <= at(right) ? left : right;
      if (at(least) >= at(index)) return top;
      [heap[index], heap[least]] = [heap[least] as (typeof heap)[0], heap[index] as (typeof heap)[0]];
      index = least;
    }
  }
}

const exponential = (random: Random, mean: number): number => -mean * Math.log(1 - random());

/**
 * Charges arrive at random, so many a second for so long, their pods by Zipf 1.0. The same seed gives the same figures. What has not
 * ended by the end is not counted: a deployment that is too small shows fewer a second than arrive.
 */
export const simulate = (
  made: Deployment,
  pods: number,
  perSecond: number,
  seconds: number,
  seed: number,
): Simulated => {
  const random = seeded(seed);
  const drawPod = zipf(pods);
  const agenda = new Agenda();
  const servers = new Map<string, Server>();
  const free = Array.from({ length: made.gateways }, () => made.bulkhead);
  const waiting: Charge[][] = Array.from({ length: made.gateways }, () => []);
  const times: number[] = [];
  let now = 0;

  const serverOf = ({ kind, index, group }: Step, charge: Charge): Server => {
    const name = `${kind} ${index(charge)}`;
    const known = servers.get(name) ?? { line: [], busy: false, busyS: 0, group, done: 0 };
    servers.set(name, known);
    return known;
  };
  const serve = (server: Server, busyS: Step["busyS"]): void => {
    const batch = server.line.splice(0, server.group ? BATCH : 1);
    if (batch.length === 0) {
      server.busy = false;
      return;
    }
    server.busy = true;
    const takes = busyS(batch.length);
    server.busyS += Math.min(takes, Math.max(0, seconds - now));
    agenda.push(now + takes, () => {
      for (const charge of batch) enter(charge, charge.step + 1);
      serve(server, busyS);
    });
  };
  const ask = (charge: Charge): void => {
    free[charge.gateway] = (free[charge.gateway] ?? 0) - 1;
    agenda.push(now + exponential(random, made.providerS), () => {
      free[charge.gateway] = (free[charge.gateway] ?? 0) + 1;
      const next = waiting[charge.gateway]?.shift();
      if (next !== undefined) ask(next);
      enter(charge, charge.step + 1);
    });
  };
  const enter = (charge: Charge, at: number): void => {
    charge.step = at;
    const next = WAY[at];
    if (next === undefined) times.push(now - charge.at);
    else if (next.kind === PROVIDER) {
      if ((free[charge.gateway] ?? 0) > 0) ask(charge);
      else waiting[charge.gateway]?.push(charge);
    } else {
      const server = serverOf(next, charge);
      server.line.push(charge);
      if (!server.busy) serve(server, next.busyS);
    }
  };
  const arrive = (): void => {
    const any = (count: number) => Math.floor(random() * count);
    const pod = drawPod(random);
    // A pod's shards: its own hash, and those at equal distances from it.
    const shard = (pod * SPREAD + any(SHARDS_A_POD) * Math.floor(made.shards / SHARDS_A_POD)) % made.shards;
    enter({ pod, shard, stripe: shard % made.stripes, gateway: any(made.gateways), at: now, step: 0 }, 0);
    agenda.push(now + exponential(random, 1 / perSecond), arrive);
  };

  agenda.push(0, arrive);
  for (let event = agenda.pop(); event !== undefined && event.at <= seconds; event = agenda.pop()) {
    now = event.at;
    event.run();
  }
  times.sort((left, right) => left - right);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  const busiest: Record<string, number> = {};
  for (const [name, { busyS }] of servers) {
    const kind = name.replace(/ \d+$/, "");
    busiest[kind] = Math.max(busiest[kind] ?? 0, busyS / seconds);
  }
  return { perSecond: times.length / seconds, p50S: at(0.5), p99S: at(0.99), busiest };
};
