import { setTimeout as delay } from "node:timers/promises";
import type { Verdict } from "../support/checker.ts";
import { api } from "../support/client.ts";
import type { Server } from "../support/server.ts";
import { fundWallet, openPod, operator } from "../support/story.ts";
import { awaitEnds, type Ground, type Pool, runLoad } from "./load.ts";
import { Records } from "./records.ts";
import { scheduleOf } from "./schedule.ts";
import { type Finding, judge, OPENING } from "./verdict.ts";
import { type Environments, type Peak, type Struck, usage, Victim } from "./victim.ts";

export type Chaos = {
  seed: number;
  lengthMs: number;
  /** The checkout whose server is harmed; this one when absent. */
  root?: string;
  /** Told what happens as it happens. */
  say?: (line: string) => void;
};

export type Outcome = {
  records: Records;
  struck: Struck;
  finding: Finding;
  verdicts: Verdict[];
  /** What the server took at most, and this process. */
  server: Peak;
  own: Peak;
};

const CLIENTS = 32;
/** Nothing is done to the server in the last of the load. Milliseconds. */
const QUIET_END_MS = 3_000;
/** Until everything left under way has ended, once nothing goes wrong any more. */
const ENDED_MS = 120_000;
/** Bounds on what a run may take, whatever its length. */
const MOST: { server: Peak; own: Peak } = {
  server: { memory: 3 * 2 ** 30, files: 8_192 },
  own: { memory: 1.5 * 2 ** 30, files: 512 },
};

/** The clock can be stepped, and while things go wrong the events queue loses, doubles and reorders what it is given. */
const environments = (seed: number): Environments => {
  // As long as a busy machine takes: providers that are late are one of the things that go wrong, not the only one.
  const clock = { CROWDPAY_CLOCK: "manual", CROWDPAY_FX: JSON.stringify({ deadline_ms: 2_500 }) };
  const queue = { CROWDPAY_FAULTS: "none", CROWDPAY_FAULT_POINTS: "off", CROWDPAY_QUEUE_FAULTS: String(seed) };
  return { harmed: { ...clock, ...queue }, healed: clock };
};

/** One pool in each of these: two decimals, none, three. */
const CURRENCIES = ["EUR", "JPY", "BHD"] as const;

const openGround = async (server: Server): Promise<Ground> => {
  const users = Array.from({ length: CLIENTS }, (_, index) => `user-${index}`);
  const admin = await operator(server);
  const open = async (currency: string): Promise<Pool> => ({
    ...(await openPod(server, { owner: "owner", members: users, currencies: [currency] })),
    currency,
  });
  const [first, ...others] = CURRENCIES;
  const pools: [Pool, ...Pool[]] = [await open(first)];
  for (const currency of others) pools.push(await open(currency));
  for (const user of users) await fundWallet(admin, user, OPENING);
  return { pools, users, operator: admin };
};

type Say = (line: string) => void;

/** Blow after blow until the load is about to end: what was begun last should meet a living server once. */
const strikeAll = async (
  seed: number,
  lengthMs: number,
  victim: Victim,
  say: Say,
  over: AbortSignal,
): Promise<void> => {
  const began = Date.now();
  for (const blow of scheduleOf(seed)) {
    await delay(blow.after, undefined, { signal: over }).catch(() => undefined);
    const elapsed = Date.now() - began;
    if (over.aborted || elapsed > lengthMs - QUIET_END_MS) return;
    const { after: _, kind, ...detail } = blow;
    say(`${(elapsed / 1_000).toFixed(1)} s ${[kind, ...Object.values(detail)].join(" ")}`);
    await victim.strike(blow);
  }
};

/** Load and blows side by side, for as long as is asked for. */
const harm = async (
  seed: number,
  lengthMs: number,
  ground: Ground,
  victim: Victim,
  records: Records,
  say: Say,
): Promise<void> => {
  const over = new AbortController();
  const stop = setTimeout(() => over.abort(), lengthMs);
  try {
    const stopping = (error: unknown) => {
      over.abort();
      throw error;
    };
    // Both are waited for, whatever becomes of either: nobody may start a server behind the back of the one that clears up.
    const ended = await Promise.allSettled([
      runLoad(seed, ground, victim, records, over.signal).catch(stopping),
      strikeAll(seed, lengthMs, victim, say, over.signal).catch(stopping),
    ]);
    for (const one of ended) if (one.status === "rejected") throw one.reason;
  } finally {
    clearTimeout(stop);
    over.abort();
  }
};

const boundsVerdict = (server: Peak, own: Peak): Verdict => {
  const faults = [
    ...(["memory", "files"] as const)
      .filter((what) => server[what] > MOST.server[what])
      .map((what) => `server ${what}`),
    ...(["memory", "files"] as const).filter((what) => own[what] > MOST.own[what]).map((what) => `own ${what}`),
  ];
  const mib = (bytes: number) => `${Math.round(bytes / 2 ** 20)} MiB`;
  const detail = `the server took ${mib(server.memory)} and ${server.files} files at most, the clients ${mib(own.memory)} and ${own.files}`;
  return {
    name: "bounds",
    ok: faults.length === 0,
    detail: `${detail}${faults.map((fault) => ` – ${fault}`).join("")}`,
  };
};

/** A run: load and blows side by side, then healing, then judgement. Throws only when the server cannot be started again. */
export const runChaos = async ({ seed, lengthMs, root, say = () => undefined }: Chaos): Promise<Outcome> => {
  await using victim = await Victim.open(environments(seed), root);
  const records = new Records();
  const ground = await openGround(victim.server);
  say(`${ground.users.length} people, ${ground.pools.length} pools`);
  await harm(seed, lengthMs, ground, victim, records, say);
  say(`${records.charges.size} charges acknowledged, ${records.open.length} under way; healing`);
  await victim.heal();
  await awaitEnds(ground, victim, records, ENDED_MS);
  await victim.lookAgain();
  say("everything has ended; judging");
  const finding = await judge(ground, api(victim.server.sandboxUrl), records);
  const own = usage(process.pid);
  const verdicts = [...finding.verdicts, boundsVerdict(victim.peak, own)];
  return { records, struck: victim.struck, finding, verdicts, server: victim.peak, own };
};
