import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import type pg from "pg";
import { fromMinor, toMinor } from "../../schema/money.ts";
import type { Order } from "../../tests/support/ledger.ts";

/** Stripes of an account that everybody pays through: one row would have every payment wait for the one before. */
const STRIPES = 16;

export const hashOf = (value: unknown): string =>
  createHash("sha256")
    .update(canonicalize(value) ?? "")
    .digest("hex");

export const stripeOf = (id: string): number => createHash("sha256").update(id).digest().readUInt32BE() % STRIPES;

const isStriped = (account: string): boolean => !/^(?:wallet|pod):/.test(account);

/** Posts an order through the ledger's one function; null: it is posted, else why not. */
export const postOrder = async (pool: pg.Pool, { id, legs, metadata }: Order): Promise<string | null> => {
  const accounts = legs.map(({ account }) => (isStriped(account) ? `${account}#${stripeOf(id)}` : account));
  const amounts = legs.map(({ direction, amount }) => (direction === "debit" ? -toMinor(amount) : toMinor(amount)));
  const { rows } = await pool.query<{ refusal: string | null }>({
    name: "post",
    text: "SELECT ledger_post($1, $2, $3, $4) AS refusal",
    values: [id, hashOf({ legs, metadata }), accounts, amounts.map(String)],
  });
  return rows[0]?.refusal ?? null;
};

export type Balance = { debits: bigint; credits: bigint };

/** An account, the sum of its stripes where it has any; null when nothing was ever booked to it. */
export const balanceOf = async (pool: pg.Pool, account: string): Promise<Balance | null> => {
  const { rows } = await pool.query<{ debits: string | null; credits: string | null }>({
    name: "balance",
    text: "SELECT sum(debits)::text AS debits, sum(credits)::text AS credits FROM accounts WHERE id = $1 OR id LIKE $1 || '#%'",
    values: [account],
  });
  const [row] = rows;
  return row?.debits == null || row.credits == null
    ? null
    : { debits: BigInt(row.debits), credits: BigInt(row.credits) };
};

/** By currency, what was debited and credited in all: the same, or the books do not balance. Entries are held against the rows. */
export const trialBalance = async (pool: pg.Pool) => {
  const { rows } = await pool.query<{ currency: string; debits: string; credits: string; entries: string }>(
    `SELECT split_part(split_part(a.id, '#', 1), ':', -1) AS currency, sum(a.debits)::text AS debits, sum(a.credits)::text AS credits,
            sum(coalesce(e.amount, 0))::text AS entries
       FROM accounts a LEFT JOIN (SELECT account, sum(amount) AS amount FROM entries GROUP BY account) e ON e.account = a.id
       GROUP BY 1`,
  );
  const currencies = rows.map(({ currency, debits, credits, entries }) => ({
    currency,
    debits: fromMinor(BigInt(debits), currency).amount,
    credits: fromMinor(BigInt(credits), currency).amount,
    in_transit: fromMinor(0n, currency).amount,
    difference: fromMinor(BigInt(debits) - BigInt(credits) + BigInt(entries), currency).amount,
  }));
  return { balanced: rows.every(({ debits, credits, entries }) => debits === credits && entries === "0"), currencies };
};
