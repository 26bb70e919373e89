import { type AccountKind, parseAccount } from "../../schema/accounts.ts";
import { type AccountDoc, type AccountTermsDoc, PROJECTOR } from "../../schema/read-model.ts";
import type { Counters } from "../../schema/rpc/account.ts";
import { parseStream, streamOf } from "../../schema/streams.ts";
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

type Row = { owner: string; stream: string; seq: number; hash: string; counters: string; terms: string };

/**
 * The accounts of these pods, people or connectors, for a batch. An account's name begins with its kind and owner, so those of one
 * owner are one stretch of the checkpoints' own order.
 */
export const balancesStatement = (
  db: D1Database,
  kind: AccountKind,
  owners: readonly string[],
): D1PreparedStatement => {
  const prefix = streamOf.account(`${kind}:`);
  return db
    .prepare(
      `SELECT asked.value AS owner, stream, seq, hash, doc->'$.counters' AS counters, doc->'$.terms' AS terms
       FROM json_each(?1) AS asked CROSS JOIN checkpoints
       WHERE stream > ?2 || asked.value || ':' AND stream < ?2 || asked.value || ';' AND consumer = ?3 AND doc <> ''
       ORDER BY stream`,
    )
    .bind(JSON.stringify(owners), prefix, PROJECTOR);
};

/** What that statement found, each with its owner; in order of the accounts' names. */
export const balancesOf = ({ results }: D1Result<unknown>): { owner: string; balance: AccountBalance }[] =>
  (results as Row[]).map(({ owner, stream, seq, hash, counters, terms }) => {
    const account = parseStream(stream)?.name ?? "";
    const { currency = "" } = parseAccount(account) ?? {};
    const changed: Pick<AccountDoc, "counters" | "terms"> = {
      counters: JSON.parse(counters),
      terms: JSON.parse(terms),
    };
    return { owner, balance: { account, currency, ...changed, seq, head_hash: hash } };
  });

/** The accounts of one pod or person (one a currency), or the stripes of one connector's. All of them: they are few. */
export const accountsOf = async (
  db: D1Database,
  kind: AccountKind,
  owner: string,
): Promise<Listing<AccountBalance>> => {
  const found = await balancesStatement(db, kind, [owner]).all();
  return { data: balancesOf(found).map(({ balance }) => balance), next: null };
};
