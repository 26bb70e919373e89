import { fromMinor, inRange, MAX_MINOR, toMinor } from "../../schema/money.ts";
import { accept, type Refused, type Result, reject } from "../../schema/rejections.ts";
import type { AccountCommand } from "../../schema/rpc/account.ts";
import {
  type AccountState,
  availableOf,
  headroomOf,
  MAX_MONITORS,
  openedState,
  type PhysicalAccount,
} from "./account.ts";
import { isBeyond } from "./consequences.ts";
import { balanceOf } from "./counters.ts";
import type { NewEvent } from "./decide.ts";

type Limits = Extract<AccountCommand, { type: "change_limits" }>;
type AddMonitor = Extract<AccountCommand, { type: "add_monitor" }>;

/**
 * Decides an operator's command. Guards in this order, the first that fails answers:
 *  1. the account was opened, or this command may open it → `not_found`
 *  2. a monitor that is removed is there → `not_found`
 *  3. freeze, unfreeze, close and limits: the kind of account is governed → `conflict`
 *  4. closed is final → `account_closed`
 *  5. the status it changes is the status it has → `conflict`
 *  6. a limit is in range → `amount_out_of_range`, the present state keeps it → `conflict`
 *  7. a monitor is in the account's currency → `currency_mismatch`, in range → `amount_out_of_range`, one of at most 16 →
 *     `limit_exceeded`
 * A limit that is as it was comes to no event.
 */
export const decideCommand = (
  account: PhysicalAccount,
  state: AccountState,
  command: AccountCommand,
  open: boolean,
): Result<NewEvent[]> => {
  const opening = state.account === null;
  if (opening && !open) return reject("not_found", `no account ${account.name}`);
  const before = opening ? openedState(account) : state;
  const decided = decideOpened(account, before, command);
  if (!decided.ok || !opening) return decided;
  const opened: NewEvent = { type: "account.opened", data: { account: account.name, currency: account.currency } };
  return accept([opened, ...decided.value]);
};

const decideOpened = (account: PhysicalAccount, state: AccountState, command: AccountCommand): Result<NewEvent[]> => {
  if (command.type === "remove_monitor") {
    if (!state.monitors.has(command.monitor)) return reject("not_found", "no such monitor");
    return accept([{ type: "monitor.removed", data: { account: account.name, monitor: command.monitor } }]);
  }
  if (command.type !== "add_monitor" && !account.governed) {
    return reject("conflict", `a ${account.kind} account is the house's own: it is neither frozen, closed nor limited`);
  }
  if (state.status === "closed") return reject("account_closed", "the account is closed, for good");
  switch (command.type) {
    case "add_monitor":
      return addMonitor(account, state, command);
    case "change_limits":
      return changeLimits(account, state, command);
    default:
      return changeStatus(account, state, command);
  }
};

const changeStatus = (
  { name }: PhysicalAccount,
  { status, wasFrozen }: AccountState,
  { type, reason }: Extract<AccountCommand, { type: "freeze" | "unfreeze" | "close" }>,
): Result<NewEvent[]> => {
  const data = { account: name, reason };
  const not = (): Refused => reject("conflict", `the account is ${status}`);
  switch (type) {
    case "freeze":
      return status === "open" ? accept([{ type: "account.frozen", data }]) : not();
    case "unfreeze":
      if (status === "frozen") return accept([{ type: "account.unfrozen", data }]);
      if (status !== "closing") return not();
      return accept([{ type: "account.reopened", data: { ...data, status: wasFrozen ? "frozen" : "open" } }]);
    case "close":
      return status === "closing" ? not() : accept([{ type: "account.closing", data }]);
  }
};

const bound = (given: string | null | undefined, standing: bigint | null): bigint | null => {
  if (given === undefined) return standing;
  return given === null ? null : BigInt(given);
};

const isBound = (minor: bigint | null): boolean => minor === null || (minor <= MAX_MINOR && minor >= -MAX_MINOR);

const changeLimits = (account: PhysicalAccount, state: AccountState, command: Limits): Result<NewEvent[]> => {
  const { name, currency, normalSide } = account;
  const after = { ...state, floor: bound(command.floor, state.floor), cap: bound(command.cap, state.cap) };
  if (!isBound(after.floor) || !isBound(after.cap)) {
    return reject("amount_out_of_range", "a limit lies within 2^63-1 minor units either way");
  }
  // Together with what is pending, because the post of a hold may not be refused any more.
  if (after.floor !== null && availableOf(after, normalSide) < 0n) {
    return reject("conflict", "the balance, less what open holds take, lies below that floor");
  }
  const headroom = headroomOf(after, normalSide);
  if (headroom !== null && headroom < 0n) {
    return reject("conflict", "the balance, with what open holds bring, lies above that cap");
  }
  if (after.floor === state.floor && after.cap === state.cap) return accept([]);
  const money = (minor: bigint | null) => (minor === null ? null : fromMinor(minor, currency));
  const data = { account: name, floor: money(after.floor), cap: money(after.cap), reason: command.reason };
  return accept([{ type: "account.limits_changed", data }]);
};

const addMonitor = (account: PhysicalAccount, state: AccountState, command: AddMonitor): Result<NewEvent[]> => {
  const { name, currency, normalSide } = account;
  if (command.threshold.currency !== currency) {
    return reject("currency_mismatch", `${name} does not keep ${command.threshold.currency}`);
  }
  const threshold = toMinor(command.threshold);
  if (!inRange(threshold)) {
    return reject("amount_out_of_range", "a threshold is above zero and at most 2^63-1 minor units");
  }
  if (state.monitors.size >= MAX_MONITORS) {
    return reject("limit_exceeded", `the account has ${MAX_MONITORS} monitors`);
  }
  const beyond = isBeyond({ bound: command.bound, threshold }, balanceOf(state.counters, normalSide));
  const { monitor, reason } = command;
  const data = {
    account: name,
    monitor,
    bound: command.bound,
    threshold: fromMinor(threshold, currency),
    state: beyond ? ("triggered" as const) : ("resolved" as const),
    reason,
  };
  return accept([{ type: "monitor.added", data }]);
};
