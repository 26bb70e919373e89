import { formatMinor, MAX_MINOR } from "../../schema/money.ts";
import type { Counters as WireCounters } from "../../schema/rpc/account.ts";

export type Side = "debit" | "credit";

/** The four counters of an account, minor units. Everything else about its money is computed from them. */
export type Counters = {
  readonly debitsPosted: bigint;
  readonly creditsPosted: bigint;
  readonly debitsPending: bigint;
  readonly creditsPending: bigint;
};

/** A leg at this account, minor units. */
export type Leg = { readonly index: string; readonly direction: Side; readonly amount: bigint };

/** What legs come to on each side. */
export type Totals = { readonly debit: bigint; readonly credit: bigint };

export const ZERO: Counters = { debitsPosted: 0n, creditsPosted: 0n, debitsPending: 0n, creditsPending: 0n };

export const opposite = (side: Side): Side => (side === "debit" ? "credit" : "debit");

export const totalsOf = (legs: readonly Pick<Leg, "direction" | "amount">[]): Totals => {
  let debit = 0n;
  let credit = 0n;
  for (const leg of legs) {
    if (leg.direction === "debit") debit += leg.amount;
    else credit += leg.amount;
  }
  return { debit, credit };
};

/** Posted balance on the normal side; negative where the other side is larger. */
export const balanceOf = (counters: Counters, normalSide: Side): bigint => {
  const debits = counters.debitsPosted - counters.creditsPosted;
  return normalSide === "debit" ? debits : -debits;
};

/** What open holds on one side will post, if they are posted. */
export const pendingOn = (counters: Counters, side: Side): bigint =>
  side === "debit" ? counters.debitsPending : counters.creditsPending;

export const post = (counters: Counters, { debit, credit }: Totals): Counters => ({
  ...counters,
  debitsPosted: counters.debitsPosted + debit,
  creditsPosted: counters.creditsPosted + credit,
});

export const hold = (counters: Counters, { debit, credit }: Totals): Counters => ({
  ...counters,
  debitsPending: counters.debitsPending + debit,
  creditsPending: counters.creditsPending + credit,
});

export const release = (counters: Counters, { debit, credit }: Totals): Counters =>
  hold(counters, { debit: -debit, credit: -credit });

/**
 * Whether posted and pending together stay within 2^63−1 on each side, as a governed account's do. Pending counts, so that the post
 * of a hold, which may not be refused, never overflows.
 */
export const withinRange = (counters: Counters): boolean =>
  counters.debitsPosted + counters.debitsPending <= MAX_MINOR &&
  counters.creditsPosted + counters.creditsPending <= MAX_MINOR;

/** The posted balance after each leg in turn. */
export const runningBalances = (counters: Counters, legs: readonly Leg[], normalSide: Side): bigint[] => {
  let balance = balanceOf(counters, normalSide);
  return legs.map((leg) => {
    balance += leg.direction === normalSide ? leg.amount : -leg.amount;
    return balance;
  });
};

/** Counters as decimal strings of the currency. */
export const toWire = (counters: Counters, currency: string): WireCounters => ({
  debits_posted: formatMinor(counters.debitsPosted, currency),
  credits_posted: formatMinor(counters.creditsPosted, currency),
  debits_pending: formatMinor(counters.debitsPending, currency),
  credits_pending: formatMinor(counters.creditsPending, currency),
});
