import { type ParsedAccount, parseAccount, stripesOf } from "../../schema/accounts.ts";
import { isConnector } from "../../schema/connectors.ts";
import { GENESIS_HASH } from "../../schema/events.ts";
import { isLiquidityProvider } from "../../schema/liquidity-providers.ts";
import { figureOf, formatMinor } from "../../schema/money.ts";
import type { AccountRecord, Counters } from "../../schema/rpc/account.ts";
import type { Actors } from "./actors.ts";

const COUNTERS = ["debits_posted", "credits_posted", "debits_pending", "credits_pending"] as const;

/** One physical account as operators read it. */
export const physical = (record: AccountRecord) => {
  const { id, type, currency, normal_side, status, floor, cap, available, holds, seq, head_hash } = record;
  const { debits_posted, credits_posted, debits_pending, credits_pending } = record;
  return {
    id,
    type,
    currency,
    normal_side,
    status,
    floor,
    cap,
    debits_posted,
    credits_posted,
    debits_pending,
    credits_pending,
    available,
    holds,
    seq,
    head_hash,
  };
};

const sum = (figures: readonly string[], currency: string): string => {
  const total = figures.reduce((left, figure) => left + figureOf(figure, currency), 0n);
  return formatMinor(total, currency);
};

/** A logical account over its stripes: the sums, and each stripe's own counters and chain. */
const striped = (id: string, first: AccountRecord, stripes: readonly AccountRecord[]) => {
  const { currency } = first;
  const total = (figure: (stripe: AccountRecord) => string) => sum(stripes.map(figure), currency);
  const counters = Object.fromEntries(COUNTERS.map((name) => [name, total((stripe) => stripe[name])]));
  return {
    ...physical(first),
    id,
    ...(counters as Counters),
    available: total((stripe) => stripe.available),
    holds: stripes.flatMap((stripe) => stripe.holds),
    seq: stripes.reduce((seqs, { seq }) => seqs + seq, 0),
    head_hash: null,
    stripes: stripes.map(({ id: stripe, seq, head_hash, ...record }) => {
      const own = Object.fromEntries(COUNTERS.map((name) => [name, record[name]])) as Counters;
      // Flat too, as they were before they had a name.
      return { id: stripe, seq, hash: head_hash, counters: own, ...own };
    }),
  };
};

/** An account that may be named in a transfer, before any money has met it. */
const unopened = (id: string, { currency, rules }: ParsedAccount): AccountRecord => {
  const zero = formatMinor(0n, currency);
  return {
    id,
    type: rules.type,
    currency,
    normal_side: rules.normalSide,
    status: "open",
    floor: rules.floor === null ? null : formatMinor(rules.floor, currency),
    cap: null,
    debits_posted: zero,
    credits_posted: zero,
    debits_pending: zero,
    credits_pending: zero,
    posted: zero,
    pending: zero,
    pending_in: zero,
    available: zero,
    holds: [],
    seq: 0,
    head_hash: GENESIS_HASH,
  };
};

/** Whether a transfer may name a logical account: its pod keeps the currency, its connector is ours. A wallet opens by itself. */
export const mayBeNamed = async ({ kind, currency, owner }: ParsedAccount, actors: Actors): Promise<boolean> => {
  if (kind === "pod") {
    const seen = await actors.pod(owner ?? "")((pod) => pod.see({ user: "", operator: true }));
    return seen?.pod.currencies.includes(currency) ?? false;
  }
  if (kind === "lp") return isLiquidityProvider(owner ?? "");
  return kind === "wallet" || owner === null || isConnector(owner);
};

/**
 * An account by its name, physical or logical, from its actors. Null when there is none: no account's name, a pod or connector we
 * do not have, a wallet that no money has met.
 */
export const readAccount = async (name: string, actors: Actors) => {
  const account = parseAccount(name);
  if (account === null) return null;
  const single = account.stripe !== null || account.rules.stripes === 1;
  const ids = single ? [name] : stripesOf(name);
  const found = await Promise.all(ids.map((id) => actors.account(id)((ledger) => ledger.describe())));
  const exists =
    found.some((record) => record !== null) || (account.kind !== "wallet" && (await mayBeNamed(account, actors)));
  if (!exists) return null;
  const records = found.map((record, index) => record ?? unopened(ids[index] ?? name, account));
  const [first] = records;
  if (first === undefined) throw new Error(`an account without a stripe: ${name}`);
  return single ? physical(first) : striped(name, first, records);
};
