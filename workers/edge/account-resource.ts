import { parseAccount, stripesOf } from "../../schema/accounts.ts";
import { formatMinor, parseMinor } from "../../schema/money.ts";
import type { AccountRecord, Counters } from "../../schema/rpc/account.ts";
import type { Actors } from "./actors.ts";

const COUNTERS = ["debits_posted", "credits_posted", "debits_pending", "credits_pending"] as const;

/** One physical account as operators read it. */
const physical = (record: AccountRecord) => {
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
  const total = figures.reduce((left, figure) => {
    const minor = parseMinor(figure, currency, { signed: true });
    if (minor === null) throw new Error(`an account answered a malformed ${currency} figure`);
    return left + minor;
  }, 0n);
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
    stripes: stripes.map(({ id: stripe, seq, head_hash, ...record }) => ({
      id: stripe,
      seq,
      hash: head_hash,
      ...Object.fromEntries(COUNTERS.map((name) => [name, record[name]])),
    })),
  };
};

/** An account by its name, physical or logical, from its actors; null when no money has ever met it. */
export const readAccount = async (name: string, actors: Actors) => {
  const account = parseAccount(name);
  if (account === null) return null;
  const describe = (id: string) => actors.account(id)((ledger) => ledger.describe());
  if (account.stripe !== null || account.rules.stripes === 1) {
    const record = await describe(name);
    return record && physical(record);
  }
  const stripes = await Promise.all(stripesOf(name).map(describe));
  const opened = stripes.filter((stripe) => stripe !== null);
  const [first] = opened;
  return first === undefined ? null : striped(name, first, opened);
};
