import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { endWithParent } from "../tools/parent.ts";

/** A measurement that was broken off must leave nothing behind that slows the next one. */

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
const BROKEN_OFF = 2;

const folders = new Set<string>();

/** A killed process may still be writing: what it adds meanwhile is removed as well. */
const remove = (folder: string): void =>
  rmSync(folder, { recursive: true, force: true, maxRetries: 20, retryDelay: 50 });

/** A temporary folder that goes with this process, unless `remove` takes it away before. */
export const scratchFolder = (prefix: string): { path: string; remove(): void } => {
  const path = mkdtempSync(join(tmpdir(), prefix));
  folders.add(path);
  return {
    path,
    remove: () => {
      remove(path);
      folders.delete(path);
    },
  };
};

/** For what this process starts: see `PARENT_PID` in tools/parent.ts. */
export const BOUND: Readonly<Record<string, string>> = { PARENT_PID: String(process.pid) };

/** Ends with code 2 on a signal, and with npm where npm started it. An exit ends what was started; a signal alone would not. */
export const endWhenTold = (): void => {
  const end = (): never => {
    // Last of all: after the exit's other listeners have killed whoever writes there.
    process.once("exit", () => {
      for (const folder of folders) remove(folder);
    });
    return process.exit(BROKEN_OFF);
  };
  for (const signal of SIGNALS) process.once(signal, end);
  endWithParent(end);
};
