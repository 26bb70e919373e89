import { randomBytes } from "node:crypto";
import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";

function writeDurably(path: string, contents: string): void {
  const file = openSync(path, "w", 0o600);
  try {
    writeSync(file, contents);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
}

function syncDirectory(path: string): void {
  const directory = openSync(path, "r");
  try {
    fsyncSync(directory);
  } finally {
    closeSync(directory);
  }
}

function makeFolderOf(path: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
}

/** The file's text, or undefined when there is no such file. */
export function readIfPresent(path: string): string | undefined {
  try {
    return readFileSync(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
}

/**
 * The file's text, written first (mode 0600, whole or not at all) when there is none. Of several creators at once one
 * wins and all return the winner's text: `link` refuses an existing name, where `rename` would replace it.
 */
export function readOrCreate(path: string, create: () => string): string {
  const existing = readIfPresent(path);
  if (existing !== undefined) return existing;
  makeFolderOf(path);
  const temporary = `${path}.${process.pid}.${randomBytes(6).toString("hex")}`;
  writeDurably(temporary, create());
  try {
    linkSync(temporary, path);
    syncDirectory(dirname(path));
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  } finally {
    rmSync(temporary, { force: true });
  }
  return readFileSync(path, "utf8");
}

/**
 * Replaces the file whole (mode 0600): a reader, or a crash, meets the old text or the new one. For the one process that
 * holds the state's lock: two writers would share the draft, whose fixed name keeps crashes from leaving many.
 */
export function replaceFile(path: string, contents: string): void {
  makeFolderOf(path);
  const draft = `${path}.draft`;
  writeDurably(draft, contents);
  renameSync(draft, path);
  syncDirectory(dirname(path));
}
