import { accountNames } from "../../schema/accounts.ts";
import { convertIndicative, figureOf, formatMinor } from "../../schema/money.ts";
import type { PodRecord } from "../../schema/pods.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import type { AccountRecord, Counters } from "../../schema/rpc/account.ts";
import type { PodListing } from "../read-model/queries.ts";
import type { Actors } from "./actors.ts";

/** A balance as clients read it; figures are decimal strings of the row's currency. */
export type BalanceRow = {
  currency: string;
  posted: string;
  pending: string;
  pending_in: string;
  available: string;
};

/** The row of an account; zeros for one that no money has met yet. */
export const balanceRow = (currency: string, account: AccountRecord | null): BalanceRow => {
  const zero = formatMinor(0n, currency);
  const { posted, pending, pending_in, available } = account ?? {
    posted: zero,
    pending: zero,
    pending_in: zero,
    available: zero,
  };
  return { currency, posted, pending, pending_in, available };
};

/** What the balances come to in one currency, at reference rates: an indication, never money. */
export const aggregateBalance = (rows: readonly BalanceRow[], home: string) => {
  const total = rows.reduce((sum, { currency, posted }) => {
    return sum + convertIndicative(figureOf(posted, currency), currency, home, REFERENCE_RATES);
  }, 0n);
  return { amount: formatMinor(total, home), currency: home, indicative: true as const };
};

/** A pod as clients read it, with the balances given. */
export const podResource = (pod: PodRecord, balances: readonly BalanceRow[]) => ({
  id: pod.id,
  name: pod.name,
  type: pod.type,
  status: pod.status,
  currencies: pod.currencies,
  home_currency: pod.home_currency,
  timezone: pod.timezone,
  members: pod.members,
  balances,
  aggregate_balance: aggregateBalance(balances, pod.home_currency),
  seq: pod.seq,
  log_head: pod.log_head,
  created_at: pod.created_at,
});

/** A pod with its balances as its accounts know them at this moment. */
export const podWithBalances = async (pod: PodRecord, actors: Actors) => {
  const balances = await Promise.all(
    pod.currencies.map(async (currency) => {
      const account = await actors.account(accountNames.pod(pod.id, currency))((ledger) => ledger.describe());
      return balanceRow(currency, account);
    }),
  );
  return podResource(pod, balances);
};

/** A balance row from the counters the read model keeps, and a floor other than its kind's; a pod's account is a credit's. */
export const rowFromCounters = (currency: string, counters: Counters, floor: string | null = null): BalanceRow => {
  const posted = figureOf(counters.credits_posted, currency) - figureOf(counters.debits_posted, currency);
  const pending = figureOf(counters.debits_pending, currency);
  return {
    currency,
    posted: formatMinor(posted, currency),
    pending: formatMinor(pending, currency),
    pending_in: counters.credits_pending,
    available: formatMinor(posted - pending - (floor === null ? 0n : figureOf(floor, currency)), currency),
  };
};

/** A pod as a list shows it: the same object, from the read model alone. */
export const podListed = ({ pod, balances }: PodListing) => {
  const rows = pod.currencies.map((currency) => {
    const account = balances.find((balance) => balance.currency === currency);
    return account === undefined
      ? balanceRow(currency, null)
      : rowFromCounters(currency, account.counters, account.terms?.floor);
  });
  return podResource(pod, rows);
};
