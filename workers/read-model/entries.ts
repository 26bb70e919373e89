import { and, asc, eq, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { accountNames } from "../../schema/accounts.ts";
import { entries } from "../../schema/read-model.ts";
import type { EntryRecord } from "../../schema/rpc/account.ts";
import { accountsOf } from "./accounts.ts";
import { type Cursor, clipLimit, encodeCursor, type Listing, type Page } from "./page.ts";

/** The entries of a pod's accounts, in one of its currencies or all, or those of the physical accounts named. */
export type EntryScope = { pod: string; currency?: string | undefined } | { accounts: readonly string[] };

/** Accounts read side by side: a pod has at most 16 currencies, a logical account far fewer stripes. */
export const MAX_ACCOUNTS = 16;

type Row = typeof entries.$inferSelect;
type Position = { seq: number; leg: number };
const START: Position = { seq: 0, leg: -1 };

/** A cursor holds the place in each account by itself: `account, seq, leg, account, seq, leg, …`. */
const readPositions = (cursor: Cursor | null): Map<string, Position> => {
  const positions = new Map<string, Position>();
  const parts = cursor ?? [];
  for (let at = 0; at + 2 < parts.length; at += 3) {
    const position = { seq: Number(parts[at + 1]), leg: Number(parts[at + 2]) };
    if (Number.isSafeInteger(position.seq) && Number.isSafeInteger(position.leg)) {
      positions.set(parts[at] ?? "", position);
    }
  }
  return positions;
};

const inOrder = (left: Row, right: Row): number =>
  compare(left.recordedAt, right.recordedAt) ||
  compare(left.account, right.account) ||
  left.seq - right.seq ||
  left.leg - right.leg;

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

const accountsIn = async (db: D1Database, scope: EntryScope): Promise<readonly string[]> => {
  if ("accounts" in scope) return scope.accounts;
  if (scope.currency !== undefined) return [accountNames.pod(scope.pod, scope.currency)];
  return (await accountsOf(db, "pod", scope.pod)).data.map(({ account }) => account);
};

/**
 * Entries, oldest first. Each account is followed by its own seq and the accounts are merged by time, so that no page skips
 * an entry that was projected late. At most 16 accounts; throws above, which no pod and no logical account reaches.
 */
export const listEntries = async (db: D1Database, scope: EntryScope, page: Page): Promise<Listing<EntryRecord>> => {
  const limit = clipLimit(page.limit);
  const names = await accountsIn(db, scope);
  if (names.length > MAX_ACCOUNTS) throw new RangeError(`entries of ${names.length} accounts at once`);
  const positions = readPositions(page.after);
  const orm = drizzle(db);
  const found = await Promise.all(
    names.map((account) => {
      const { seq, leg } = positions.get(account) ?? START;
      return orm
        .select()
        .from(entries)
        .where(and(eq(entries.account, account), sql`(${entries.seq}, ${entries.leg}) > (${seq}, ${leg})`))
        .orderBy(asc(entries.seq), asc(entries.leg))
        .limit(limit + 1);
    }),
  );
  const merged = found.flat().sort(inOrder);
  const shown = merged.slice(0, limit);
  for (const { account, seq, leg } of shown) positions.set(account, { seq, leg });
  const key = [...positions].flatMap(([account, { seq, leg }]) => [account, String(seq), String(leg)]);
  return { data: shown.map(({ doc }) => doc), next: merged.length > limit ? encodeCursor(key) : null };
};
