import { accountNames, parseAccount } from "../../schema/accounts.ts";
import { ENTRIES_A_PAGE, PROJECTOR } from "../../schema/read-model.ts";
import type { EntryRecord } from "../../schema/rpc/account.ts";
import { streamOf } from "../../schema/streams.ts";
import { accountsOf } from "./accounts.ts";
import { type Cursor, clipLimit, encodeCursor, type Listing, type Page } from "./page.ts";

/** The entries of a pod's accounts, in one of its currencies or all, or those of the physical accounts named. */
export type EntryScope = { pod: string; currency?: string | undefined } | { accounts: readonly string[] };

/** Accounts read side by side: a pod has at most 16 currencies, a logical account far fewer stripes. */
export const MAX_ACCOUNTS = 16;

/** An entry and its number in its account, from 0. */
type Placed = { number: number; entry: EntryRecord };

/** A cursor holds in each account by itself how many entries were shown: `account, number, account, number, …`. */
const readPositions = (cursor: Cursor | null): Map<string, number> => {
  const positions = new Map<string, number>();
  const parts = cursor ?? [];
  for (let at = 0; at < parts.length; at += 2) {
    const [account, number] = [parts[at] ?? "", Number(parts[at + 1])];
    // One that this list never gave out begins at the beginning, rather than somewhere behind entries that were not shown.
    if (parseAccount(account) === null || !Number.isSafeInteger(number) || number < 0) return new Map();
    positions.set(account, number);
  }
  return positions;
};

const inOrder = (left: Placed, right: Placed): number =>
  compare(left.entry.recorded_at, right.entry.recorded_at) ||
  compare(left.entry.account, right.entry.account) ||
  left.number - right.number;

const compare = (left: string, right: string): number => (left < right ? -1 : left > right ? 1 : 0);

type PageRow = { page: number; doc: string };

/** Finds the entries numbered `from` to `to`, and others beside them: in full pages, and in the one that is not full yet. */
const placedStatements = (db: D1Database, account: string, from: number, to: number): D1PreparedStatement[] => [
  db
    .prepare("SELECT page, doc FROM entries WHERE account = ? AND page BETWEEN ? AND ? ORDER BY page")
    .bind(account, Math.floor(from / ENTRIES_A_PAGE), Math.floor(to / ENTRIES_A_PAGE)),
  db
    .prepare(
      `SELECT doc->'$.pages' AS page, doc->'$.open' AS doc FROM checkpoints WHERE stream = ? AND consumer = ? AND doc <> ''`,
    )
    .bind(streamOf.account(account), PROJECTOR),
];

const placedIn = (results: readonly D1Result<unknown>[]): Placed[] =>
  results.flatMap(({ results: pages }) =>
    (pages as PageRow[]).flatMap(({ page, doc }) =>
      (JSON.parse(doc) as EntryRecord[]).map((entry, at) => ({ number: Number(page) * ENTRIES_A_PAGE + at, entry })),
    ),
  );

const accountsIn = async (db: D1Database, scope: EntryScope): Promise<readonly string[]> => {
  if ("accounts" in scope) return scope.accounts;
  if (scope.currency !== undefined) return [accountNames.pod(scope.pod, scope.currency)];
  return (await accountsOf(db, "pod", scope.pod)).data.map(({ account }) => account);
};

/**
 * Entries, oldest first. Each account is followed by its own numbers and the accounts are merged by time, so that no page skips
 * an entry that was projected late. At most 16 accounts; throws above, which no pod and no logical account reaches.
 */
export const listEntries = async (db: D1Database, scope: EntryScope, page: Page): Promise<Listing<EntryRecord>> => {
  const limit = clipLimit(page.limit);
  const names = await accountsIn(db, scope);
  if (names.length > MAX_ACCOUNTS) throw new RangeError(`entries of ${names.length} accounts at once`);
  if (names.length === 0) return { data: [], next: null };
  const positions = readPositions(page.after);
  // One transaction: an entry whose page fills meanwhile is in one of the two places, not in both or none.
  const found = await db.batch(
    names.flatMap((account) => {
      const from = positions.get(account) ?? 0;
      return placedStatements(db, account, from, from + limit);
    }),
  );
  const isAsked = ({ number, entry }: Placed): boolean => {
    const from = positions.get(entry.account) ?? 0;
    return number >= from && number <= from + limit;
  };
  const merged = placedIn(found).filter(isAsked).sort(inOrder);
  const shown = merged.slice(0, limit);
  for (const { number, entry } of shown) positions.set(entry.account, number + 1);
  const key = [...positions].flatMap(([account, number]) => [account, String(number)]);
  return { data: shown.map(({ entry }) => entry), next: merged.length > limit ? encodeCursor(key) : null };
};
