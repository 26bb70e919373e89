import { setTimeout as delay } from "node:timers/promises";
import { type Filler, Filling } from "../load/filling.ts";
import { closedLoop, type Load, type Operation } from "../load/loops.ts";
import { processorMs, residentBytes, type Stored, settledIn, totalOf } from "../machine.ts";
import type { RunOptions } from "../options.ts";
import type { Target, Timed } from "./scenario.ts";

export const IN_FLIGHT = 16;
/** What a filling left to write elsewhere may take longer than a rest: a read model has a million rows to take in. */
const SETTLED_MS = 600_000;
/** Fewer operations than this say little of what one leaves behind: files grow by pages. */
const MANY = 1_000;
const MOST_SHOWN = 4;
const MEGA = 1_000_000;

/** Something there is more and more of, and what is measured at each size of it. */
export type Growing = {
  sizes: readonly number[];
  /** What it is counted in, how one is added, and how many there are now. */
  many: string;
  added: string;
  filler: Filler;
  count(): number;
  /** Fewer fillings than this say little of what one leaves behind. */
  least: number;
  /** What one request is. */
  unit: string;
  operation: Operation;
};

/** What each of so many left behind, in all and where most of it lies, bytes. */
export const storageOf = (before: Stored, after: Stored, count: number, what: string): string => {
  const each = (bytes: number) => Math.round(bytes / count);
  const grown = [...after].map(([kept, bytes]) => ({ kept, bytes: bytes - (before.get(kept) ?? 0) }));
  const most = grown.sort((left, right) => right.bytes - left.bytes).slice(0, MOST_SHOWN);
  const where = most.map(({ kept, bytes }) => `${kept} ${each(bytes)}`).join(", ");
  return `${each(totalOf(after) - totalOf(before))} bytes stored a ${what} of ${count} (${where})`;
};

const faultless = (load: Load, at: string): Load => {
  if (load.faults.length > 0) throw new Error(`at ${at}: ${load.faults.join("; ")}`);
  return load;
};

/** Fills up to each size, lets that settle, and measures there: until a size is not reached in time, which is said. */
export const grow = async (
  { url, machine }: Target,
  growing: Growing,
  { seconds, warmUpSeconds, restSeconds, fillSeconds }: RunOptions,
): Promise<{ timed: Timed[]; notes: string[] }> => {
  if (machine === undefined) throw new Error("nobody can look at the machine this server runs on");
  const { sizes, many, added, filler, count, least, unit, operation } = growing;
  const [timed, notes]: [Timed[], string[]] = [[], []];
  const filling = new Filling(fillSeconds);
  const numbering = { next: 0 };
  // What was filled in has afterthoughts, which are no part of what is measured next.
  const settled = async () => {
    await delay(restSeconds * 1_000);
    return settledIn(machine.stateDir, SETTLED_MS);
  };
  let before = await settled();
  for (const size of sizes) {
    const more = await filling.fill(size - count(), filler);
    const filled = await settled();
    const reached = count();
    const at = `at ${reached} ${many}`;
    const warm = faultless(await closedLoop(url, operation, IN_FLIGHT, warmUpSeconds, numbering), at);
    const pid = machine.runtimePid();
    const spentMs = processorMs(pid);
    const load = faultless(await closedLoop(url, operation, IN_FLIGHT, seconds, numbering), at);
    const processor = (processorMs(pid) - spentMs) / load.latency.count;
    const resident = residentBytes(pid) / MEGA;
    const after = await settled();
    timed.push({ what: at, latency: load.latency, perSecond: load.perSecond });
    const done = warm.latency.count + load.latency.count;
    notes.push(
      [
        `${at}: ${(1_000 / load.perSecond).toFixed(2)} ms a ${unit}`,
        ...(Number.isNaN(processor) ? [] : [`${processor.toFixed(2)} ms of the runtime's processor time`]),
        `runtime ${resident.toFixed(0)} MB resident`,
      ].join(", "),
    );
    if (more.added > 0) notes.push(`  filled by ${more.added} in ${more.seconds.toFixed(0)} s`);
    if (more.added >= least) notes.push(`  ${storageOf(before, filled, more.added, added)}`);
    if (done >= MANY) notes.push(`  ${storageOf(filled, after, done, unit)}`);
    if (reached < size) {
      notes.push(`${size} ${many} were not reached in ${filling.seconds} s of filling`);
      break;
    }
    before = after;
  }
  return { timed, notes };
};
