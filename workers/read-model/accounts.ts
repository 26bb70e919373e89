import { and, asc, eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import type { AccountKind } from "../../schema/accounts.ts";
import { type AccountTermsDoc, accounts } from "../../schema/read-model.ts";
import type { Counters } from "../../schema/rpc/account.ts";
import type { Listing } from "./page.ts";

/** What an account's balance is rendered from. */
export type AccountBalance = {
  account: string;
  currency: string;
  counters: Counters;
  /** Null while they are as the account's kind opens. */
  terms: AccountTermsDoc | null;
  seq: number;
  head_hash: string;
};

export const toBalance = (row: typeof accounts.$inferSelect): AccountBalance => ({
  account: row.id,
  currency: row.currency,
  counters: row.counters,
  terms: row.terms,
  seq: row.seq,
  head_hash: row.hash,
});

/** The accounts of one pod or person (one a currency), or the stripes of one connector's. All of them: they are few. */
export const accountsOf = async (
  db: D1Database,
  kind: AccountKind,
  owner: string,
): Promise<Listing<AccountBalance>> => {
  const rows = await drizzle(db)
    .select()
    .from(accounts)
    .where(and(eq(accounts.kind, kind), eq(accounts.owner, owner)))
    .orderBy(asc(accounts.id));
  return { data: rows.map(toBalance), next: null };
};
