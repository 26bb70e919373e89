import { formatMinor, fromMinor } from "../../schema/money.ts";
import type { MonitorRecord } from "../../schema/monitors.ts";
import type { AccountRecord, Blocker, Hold } from "../../schema/rpc/account.ts";
import type { Head } from "../kit/event-log.ts";
import { type AccountState, availableOf, type Monitor, type OpenHold } from "./account.ts";
import { balanceOf, opposite, pendingOn, toWire } from "./counters.ts";

/** The account as readers see it; null when it was never opened. */
export const describeAccount = (state: AccountState, head: Head): AccountRecord | null => {
  const { account, counters } = state;
  if (account === null) return null;
  const { name, type, currency, normalSide } = account;
  const figure = (minor: bigint): string => formatMinor(minor, currency);
  return {
    id: name,
    type,
    currency,
    normal_side: normalSide,
    status: state.status,
    floor: state.floor === null ? null : figure(state.floor),
    cap: state.cap === null ? null : figure(state.cap),
    ...toWire(counters, currency),
    posted: figure(balanceOf(counters, normalSide)),
    pending: figure(pendingOn(counters, opposite(normalSide))),
    pending_in: figure(pendingOn(counters, normalSide)),
    available: figure(availableOf(state, normalSide)),
    holds: [...state.holds].map(([transfer, open]) => holdOf(transfer, open, currency)),
    seq: head.seq,
    head_hash: head.hash,
  };
};

/** A hold is a transfer's claim on the account, so its id is the transfer's under another prefix. */
export const holdOf = (transfer: string, { saga, since, direction, amount }: OpenHold, currency: string): Hold => ({
  id: `hld_${transfer.slice(transfer.indexOf("_") + 1)}`,
  direction,
  amount: fromMinor(amount, currency),
  transfer,
  saga,
  since,
});

/** What keeps a closing account open; nothing for any other. */
export const blockersOf = ({ account, status, counters, holds }: AccountState): Blocker[] => {
  if (account === null || status !== "closing") return [];
  const balance = balanceOf(counters, account.normalSide);
  return [
    ...(balance === 0n ? [] : [{ reason: "balance" as const, amount: fromMinor(balance, account.currency) }]),
    ...(holds.size === 0 ? [] : [{ reason: "holds" as const, count: holds.size }]),
  ];
};

export const monitorRecord = (
  id: string,
  { bound, threshold, triggered }: Monitor,
  { name, currency }: { name: string; currency: string },
): MonitorRecord => {
  const money = fromMinor(threshold, currency);
  const state = triggered ? "triggered" : "resolved";
  return bound === "above" ? { id, account: name, above: money, state } : { id, account: name, below: money, state };
};
