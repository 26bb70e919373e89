import { lt, type SQL, sql } from "drizzle-orm";
import type { AnySQLiteColumn } from "drizzle-orm/sqlite-core";

/** Bounds of a page, the same for every list. */
export const DEFAULT_PAGE = 50;
export const MAX_PAGE = 200;

declare const read: unique symbol;
/** The sort key of the last row a page showed, already read from the caller's text. */
export type Cursor = readonly string[] & { [read]: true };

/** `limit` is clipped to 1–200. `after`: see `parseCursor`; null begins at the beginning. */
export type Page = { limit: number; after: Cursor | null };

/** One page of a list; `next` is the cursor of the page after it, null when this is the last. */
export type Listing<T> = { data: T[]; next: string | null };

const MAX_CURSOR_CHARS = 4_096;

export const encodeCursor = (key: readonly string[]): string =>
  Buffer.from(JSON.stringify(key), "utf8").toString("base64url");

/** Reads a cursor that a list gave out; null when the text is none. One of another list is harmless: it names some other place. */
export const parseCursor = (text: string): Cursor | null => {
  if (text.length > MAX_CURSOR_CHARS || !/^[A-Za-z0-9_-]+$/.test(text)) return null;
  try {
    const key: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    return Array.isArray(key) && key.every((part) => typeof part === "string") ? (key as unknown as Cursor) : null;
  } catch {
    return null;
  }
};

export const clipLimit = (limit: number, max = MAX_PAGE): number =>
  Number.isFinite(limit) ? Math.max(1, Math.min(max, Math.trunc(limit))) : DEFAULT_PAGE;

/** The part of the sort key at `index`; "" sorts before everything. */
export const keyPart = (cursor: Cursor | null, index = 0): string => cursor?.[index] ?? "";

/** Cuts `limit` rows off a result that was asked for one more, and names where they end. */
export const toListing = <R, T>(
  rows: readonly R[],
  limit: number,
  keyOf: (row: R) => readonly string[],
  toItem: (row: R) => T,
): Listing<T> => {
  const shown = rows.slice(0, limit);
  const last = shown.at(-1);
  const more = rows.length > limit && last !== undefined;
  return { data: shown.map(toItem), next: more ? encodeCursor(keyOf(last)) : null };
};

/** One parameter however many values: a statement takes no more than 100. */
export const oneOf = (column: AnySQLiteColumn, values: readonly string[]): SQL =>
  sql`${column} IN (SELECT value FROM json_each(${JSON.stringify(values)}))`;

/** Ids sort by time, so the newest first is the highest id first. */
export const olderThan = (column: AnySQLiteColumn, page: Page): SQL | undefined =>
  page.after === null ? undefined : lt(column, keyPart(page.after));
