import { canonicalJson, type EventBody } from "../../schema/events.ts";
import { formatMinor, toMinor, toSignedMinor } from "../../schema/money.ts";
import type { AccountEventData, AccountStatus, TransferEvent } from "../../schema/rpc/account.ts";
import type { Fold } from "../kit/actor.ts";
import {
  type AccountState,
  availableOf,
  headroomOf,
  INITIAL,
  type LateRegister,
  MAX_HOLDS,
  MAX_MONITORS,
  type OpenHold,
  openedState,
  type PhysicalAccount,
  physicalAccount,
} from "./account.ts";
import { HOLD_AGES_MS } from "./aging.ts";
import { consequences, isConsequence } from "./consequences.ts";
import {
  balanceOf,
  hold,
  type Leg,
  post,
  release,
  runningBalances,
  type Side,
  type Totals,
  totalsOf,
  toWire,
  withinRange,
} from "./counters.ts";
import { decode, encode, summary } from "./encoding.ts";

type AccountEvent = {
  [T in keyof AccountEventData]: { type: T; recorded_at: string; data: AccountEventData[T] };
}[keyof AccountEventData];

const assert = (condition: boolean, message: string): void => {
  if (!condition) throw new Error(message);
};

const opened = (state: AccountState): PhysicalAccount => {
  if (state.account === null) throw new Error("an event of an account that was never opened");
  return state.account;
};

const legsOf = (data: TransferEvent): Leg[] =>
  data.legs.map(({ index, direction, amount }) => ({ index, direction, amount: toMinor(amount) }));

const holdTotals = ({ direction, amount }: Pick<OpenHold, "direction" | "amount">): Totals =>
  direction === "debit" ? { debit: amount, credit: 0n } : { debit: 0n, credit: amount };

/** The hold of a transfer, taken out. Its legs must be those it was made for. */
const takeHold = (state: AccountState, transfer: string, totals: Totals): AccountState => {
  const found = state.holds.get(transfer);
  if (found === undefined) return state;
  const held = holdTotals(found);
  assert(
    held.debit === totals.debit && held.credit === totals.credit,
    `${transfer} ends with other legs than it holds`,
  );
  const holds = new Map(state.holds);
  holds.delete(transfer);
  return { ...state, holds, counters: release(state.counters, held) };
};

const addLate = (late: LateRegister, tag: number, { debit, credit }: Totals): LateRegister => {
  if (tag < late.epoch) return late;
  if (tag > late.epoch) return { epoch: tag, debits: debit, credits: credit };
  return { epoch: tag, debits: late.debits + debit, credits: late.credits + credit };
};

const reserved = (state: AccountState, data: TransferEvent, since: string): AccountState => {
  const totals = totalsOf(legsOf(data));
  assert(!state.holds.has(data.transfer), `${data.transfer} is held twice`);
  assert(state.status === "open", `${data.transfer} is held by an account that is ${state.status}`);
  assert(totals.debit === 0n || totals.credit === 0n, `${data.transfer} holds on both sides`);
  const direction: Side = totals.debit > 0n ? "debit" : "credit";
  const holds = new Map(state.holds);
  holds.set(data.transfer, { saga: data.saga, since, direction, amount: totals[direction] });
  return { ...state, holds, counters: hold(state.counters, totals) };
};

/** What a post ends: what it posts, and on the hold's side what it gives back. */
const endedBy = (state: AccountState, { transfer, released }: TransferEvent, { debit, credit }: Totals): Totals => {
  if (released === undefined) return { debit, credit };
  const found = state.holds.get(transfer);
  const rest = toMinor(released);
  if (found === undefined || rest < 1n || released.currency !== opened(state).currency) {
    throw new Error(`${transfer} gives back what it did not hold`);
  }
  return found.direction === "debit" ? { debit: debit + rest, credit } : { debit, credit: credit + rest };
};

const posted = (state: AccountState, data: TransferEvent): AccountState => {
  const totals = totalsOf(legsOf(data));
  assert(state.status !== "closed", `${data.transfer} is posted to a closed account`);
  const freed = takeHold(state, data.transfer, endedBy(state, data, totals));
  const tag = Number(data.tag ?? Number.NaN);
  assert(Number.isSafeInteger(tag) && tag >= 0, `${data.transfer} is posted without a cut epoch`);
  return { ...freed, counters: post(freed.counters, totals), late: addLate(freed.late, tag, totals) };
};

const voided = (state: AccountState, data: TransferEvent): AccountState => {
  assert(state.holds.has(data.transfer), `${data.transfer} is voided and was not held`);
  return takeHold(state, data.transfer, totalsOf(legsOf(data)));
};

/** What holds after every event. Where `decide` has a guard for it, this is the other half of the pair. */
const assertSound = (before: AccountState, after: AccountState): void => {
  const { counters, holds, late } = after;
  assert(counters.debitsPending >= 0n && counters.creditsPending >= 0n, "a pending counter is negative");
  assert(counters.debitsPosted >= before.counters.debitsPosted, "posted debits decreased");
  assert(counters.creditsPosted >= before.counters.creditsPosted, "posted credits decreased");
  assert(!opened(after).governed || withinRange(counters), "a counter is out of range");
  assert(late.debits <= counters.debitsPosted && late.credits <= counters.creditsPosted, "more is late than posted");
  assert(holds.size <= MAX_HOLDS, "too many holds");
  // The whole sum is checked where a snapshot is read; here the case that costs nothing.
  assert(holds.size > 0 || counters.debitsPending + counters.creditsPending === 0n, "pending without a hold");
  const { normalSide } = opened(after);
  assert(after.floor === null || availableOf(after, normalSide) >= 0n, "the balance is below its floor");
  assert((headroomOf(after, normalSide) ?? 0n) >= 0n, "the balance is above its cap");
};

/** The event carries the counters and balances its writer arrived at; the fold must arrive at the same. */
const assertRecorded = (before: AccountState, after: AccountState, data: TransferEvent, moves: boolean): void => {
  const { currency, normalSide } = opened(after);
  const counters = toWire(after.counters, currency);
  for (const key of Object.keys(counters) as (keyof typeof counters)[]) {
    assert(counters[key] === data.counters[key], `${data.transfer}: ${key} is ${counters[key]}, not as recorded`);
  }
  const legs = legsOf(data);
  const still = balanceOf(before.counters, normalSide);
  const balances = moves ? runningBalances(before.counters, legs, normalSide) : legs.map(() => still);
  balances.forEach((balance, at) => {
    assert(
      formatMinor(balance, currency) === data.legs[at]?.balance.amount,
      `${data.transfer}: a balance is not as recorded`,
    );
  });
};

const transferred = (before: AccountState, after: AccountState, data: TransferEvent, moves = false): AccountState => {
  assertSound(before, after);
  assertRecorded(before, after, data, moves);
  return after;
};

const become = (state: AccountState, to: AccountStatus, from: readonly AccountStatus[]): AccountState => {
  opened(state);
  assert(from.includes(state.status), `${to} while ${state.status}`);
  const { wasFrozen: _, ...rest } = state;
  return { ...rest, status: to, ...(to === "closing" && state.status === "frozen" ? { wasFrozen: true } : {}) };
};

const reopened = (state: AccountState, to: "open" | "frozen"): AccountState => {
  assert((to === "frozen") === (state.wasFrozen === true), `reopened as ${to}, which it was not`);
  return become(state, to, ["closing"]);
};

const limited = (state: AccountState, { floor, cap }: AccountEventData["account.limits_changed"]): AccountState => {
  const { name, governed, currency } = opened(state);
  assert(governed && state.status !== "closed", `${name} takes no limits`);
  const minor = (money: typeof floor): bigint | null => {
    if (money === null) return null;
    assert(money.currency === currency, `a limit of ${name} in ${money.currency}`);
    return toSignedMinor(money);
  };
  const after = { ...state, floor: minor(floor), cap: minor(cap) };
  assertSound(state, after);
  return after;
};

const watched = (state: AccountState, data: AccountEventData["monitor.added"]): AccountState => {
  const { currency } = opened(state);
  assert(!state.monitors.has(data.monitor) && state.monitors.size < MAX_MONITORS, `${data.monitor} is one too many`);
  assert(data.threshold.currency === currency, `${data.monitor} watches ${data.threshold.currency}`);
  const monitor = { bound: data.bound, threshold: toMinor(data.threshold), triggered: data.state === "triggered" };
  return { ...state, monitors: new Map(state.monitors).set(data.monitor, monitor) };
};

const unwatched = (state: AccountState, id: string): AccountState => {
  const monitors = new Map(state.monitors);
  assert(monitors.delete(id), `no monitor ${id}`);
  return { ...state, monitors };
};

const crossed = (state: AccountState, id: string, triggered: boolean): AccountState => {
  const monitor = state.monitors.get(id);
  if (monitor === undefined) throw new Error(`no monitor ${id}`);
  return { ...state, monitors: new Map(state.monitors).set(id, { ...monitor, triggered }) };
};

const agedHold = (state: AccountState, transfer: string, recordedAt: string): AccountState => {
  const hold = state.holds.get(transfer);
  if (hold === undefined || hold.aged) throw new Error(`${transfer} is not held, or was old before`);
  assert(Date.parse(recordedAt) - Date.parse(hold.since) >= HOLD_AGES_MS, `${transfer} is not old`);
  return { ...state, holds: new Map(state.holds).set(transfer, { ...hold, aged: true }) };
};

/** What an event sets going stands next to it in the log, word for word, and nowhere else. */
const assertDue = (state: AccountState, event: AccountEvent): void => {
  const [due] = consequences(state);
  if (due === undefined) {
    assert(!isConsequence(event.type), `${event.type} follows from nothing`);
    return;
  }
  const [expected, found] = [due, event].map(({ type, data }) => canonicalJson({ type, data }));
  assert(expected === found, `${due.type} is due, not ${event.type}`);
};

/** The state after one event. Throws on an event that no account can have written: the log is then not to be trusted. */
const evolve = (state: AccountState, body: EventBody): AccountState => {
  const event = body as unknown as AccountEvent;
  assertDue(state, event);
  switch (event.type) {
    case "account.opened": {
      const account = physicalAccount(event.data.account);
      if (account === null || state.account !== null) throw new Error(`cannot open ${event.data.account}`);
      return openedState(account);
    }
    case "account.frozen":
      return become(state, "frozen", ["open"]);
    case "account.unfrozen":
      return become(state, "open", ["frozen"]);
    case "account.closing":
      return become(state, "closing", ["open", "frozen"]);
    case "account.reopened":
      return reopened(state, event.data.status);
    case "account.closed":
      return become(state, "closed", ["closing"]);
    case "account.limits_changed":
      return limited(state, event.data);
    case "monitor.added":
      return watched(state, event.data);
    case "monitor.removed":
      return unwatched(state, event.data.monitor);
    case "monitor.triggered":
      return crossed(state, event.data.monitor, true);
    case "monitor.resolved":
      return crossed(state, event.data.monitor, false);
    case "hold.aged":
      return agedHold(state, event.data.transfer, event.recorded_at);
    case "transfer.reserved":
      return transferred(state, reserved(state, event.data, event.recorded_at), event.data);
    case "transfer.posted":
      return transferred(state, posted(state, event.data), event.data, true);
    case "transfer.voided":
      return transferred(state, voided(state, event.data), event.data);
    default:
      throw new Error(`unknown event ${body.type}`);
  }
};

export const fold: Fold<AccountState> = { initial: INITIAL, evolve, encode, decode, summary };
