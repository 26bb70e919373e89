import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { readIfPresent, replaceFile } from "./files.ts";

/** How long a start waits for the process before it to be gone: after a SIGKILL its locks linger for a moment. */
const PATIENCE_MS = 3_000;

/**
 * Takes the state directory for this process, until it ends however it ends: the lock is the kernel's, held on an SQLite
 * file, so there is no stale lock to recognise and no pid to mistake for another's. Throws a one-line error when a
 * living server holds it.
 */
export function lockState(stateDir: string): void {
  mkdirSync(stateDir, { recursive: true, mode: 0o700 });
  const holder = join(stateDir, "server.pid");
  const lock = new DatabaseSync(join(stateDir, "lock"), { timeout: PATIENCE_MS });
  try {
    lock.exec("PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE");
  } catch (error) {
    lock.close();
    if ((error as { errcode?: number }).errcode !== 5) throw error;
    const pid = readIfPresent(holder)?.trim() ?? "unknown";
    throw new Error(`the state directory ${stateDir} is in use by another server (pid ${pid})`);
  }
  held.push(lock);
  replaceFile(holder, `${process.pid}\n`);
}

/** Kept reachable: collecting the handle would close the file and give the lock away. */
const held: DatabaseSync[] = [];
