import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { readIfPresent } from "../tools/files.ts";

/** What a server takes of the machine it runs on, seen from outside. */

/** Bytes by what they are kept for: the folder a file lies in. */
export type Stored = ReadonlyMap<string, number>;

export const totalOf = (stored: Stored): number => [...stored.values()].reduce((sum, bytes) => sum + bytes, 0);

/** What the files under a folder hold. One that goes while it is looked at counts nothing. */
export const storedIn = (folder: string): Stored => {
  const stored = new Map<string, number>();
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const size = statSync(join(entry.parentPath, entry.name), { throwIfNoEntry: false })?.size ?? 0;
    const kept = basename(entry.parentPath);
    stored.set(kept, (stored.get(kept) ?? 0) + size);
  }
  return stored;
};

/** The same once it has stood still for a second, or as it is after `deadlineMs`: what was done may still be written down elsewhere. */
export const settledIn = async (folder: string, deadlineMs: number): Promise<Stored> => {
  const deadline = performance.now() + deadlineMs;
  for (let last = storedIn(folder); ; ) {
    await delay(1_000);
    const now = storedIn(folder);
    if (totalOf(now) === totalOf(last) || performance.now() > deadline) return now;
    last = now;
  }
};

/** The process that serves from this state: tools/workerd.ts writes it down. */
export const runtimePid = (stateDir: string): number => {
  const { pid } = JSON.parse(readIfPresent(join(stateDir, "workerd.json")) ?? "{}") as { pid?: number };
  if (pid === undefined) throw new Error(`nothing serves from ${stateDir}`);
  return pid;
};

/** The memory a process has resident, bytes; from /proc where there is one, since a slim machine may have no `ps`. */
export const residentBytes = (pid: number): number => {
  const kilobytes =
    /^VmRSS:\s+(\d+) kB$/m.exec(readIfPresent(`/proc/${pid}/status`) ?? "")?.[1] ??
    execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).trim();
  return Number(kilobytes) * 1_024;
};

/** What /proc counts in, on every Linux there is: hundredths of a second. */
const TICK_MS = 10;

/** The processor time in a line of /proc/PID/stat, its own and the system's for it, ms. The name before may hold blanks and brackets. */
export const processorIn = (line: string): number => {
  const [user, system] = line
    .slice(line.lastIndexOf(")") + 2)
    .split(" ")
    .slice(11, 13)
    .map(Number);
  return ((user ?? Number.NaN) + (system ?? Number.NaN)) * TICK_MS;
};

/** What a process has taken of the processors so far, ms; not a number where there is no /proc. */
export const processorMs = (pid: number): number => processorIn(readIfPresent(`/proc/${pid}/stat`) ?? "");
