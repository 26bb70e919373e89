import { canonicalJson } from "../../schema/events.ts";
import { fromMinor, inRange, toMinor } from "../../schema/money.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import type { AccountAnswer, AccountEventData, AccountOp, TransferEvent } from "../../schema/rpc/account.ts";
import { type AccountState, availableOf, headroomOf, MAX_HOLDS, openedState, type PhysicalAccount } from "./account.ts";
import {
  balanceOf,
  type Counters,
  hold,
  type Leg,
  opposite,
  post,
  release,
  runningBalances,
  type Totals,
  totalsOf,
  toWire,
  withinRange,
} from "./counters.ts";

/** `tombstone`: voided before anything was held; a reserve or post that comes late finds it. */
export type WordState = "reserved" | "posted" | "voided" | "refused" | "tombstone";

/** What this account has said of a transfer. */
export type Word = {
  state: WordState;
  bodyHash: string;
  answer: AccountAnswer;
  legs: string;
  /** What was posted of them, where that is not all. */
  posts: string | null;
};

export type NewEvent = {
  [T in keyof AccountEventData]: { type: T; data: AccountEventData[T] };
}[keyof AccountEventData];

/**
 * What becomes of an operation. `say`: nothing is written. `refuse`: the no is kept, the state is as it was. `keep`: the yes is
 * kept, after the events.
 */
export type Decision =
  | { kind: "say"; answer: AccountAnswer }
  | { kind: "refuse"; rejection: Rejection }
  | { kind: "keep"; state: "reserved" | "posted" | "voided" | "tombstone"; events: NewEvent[] };

/** Legs of one transfer at one account: as many as a transfer has at all. */
export const MAX_LEGS = 100;

/** The stored text of an operation's legs here, by which a retry is compared. */
export const legsText = (op: AccountOp): string => canonicalJson(op.legs);

/** The same of what an operation posts of its hold; null: all of it. */
export const postsText = ({ posts }: AccountOp): string | null => (posts === undefined ? null : canonicalJson(posts));

/**
 * Decides one operation. Guards in this order, the first that fails answers:
 *  1. what was said of the transfer before, compared by its body first: another body, or other legs here → `idempotency_mismatch`;
 *     so is a post of another part of a hold than was posted
 *  2. the legs are this account's, in its currency; a part is named by a post alone, and is of what is held → else a bug of the
 *     caller: throws, and says nothing of the transfer. It is no stored no: the hold said yes, so that it can always be posted
 *  3. the account was opened, or this operation may open it → `not_found`
 *  4. status: frozen takes no reserve and nothing out → `account_frozen`; closing likewise, closed nothing → `account_closed`
 *  5. each amount is in range, and of a governed account each counter after it with what is pending → `amount_out_of_range`. Nobody asks
 *     a house account first: it takes what was decided elsewhere, without end
 *  6. the floor → `insufficient_funds`   7. the cap → `limit_exceeded`   8. open holds → `overloaded`
 * A hold that is posted or voided passes 3 to 8: it was judged when it was made, and one that said yes can always post.
 */
export const decide = (account: PhysicalAccount, state: AccountState, word: Word | null, op: AccountOp): Decision => {
  if (word !== null) {
    const said = recall(word, op);
    if (said !== null) return said;
  }
  const legs = readLegs(account, op);
  if (word?.state === "reserved") return endHold(account, state, op, legs);
  if (op.posts !== undefined) throw new Error(`a part of ${op.transfer} is posted, of which nothing is held`);
  if (op.op === "void") return { kind: "keep", state: "tombstone", events: [] };

  const opening = state.account === null;
  if (opening && !op.open && (account.kind === "pod" || account.kind === "wallet")) {
    return refuse("not_found", "account was never opened");
  }
  const before = opening ? openedState(account) : state;
  const rejection = judge(account, before, op.op, legs);
  if (rejection !== null) return { kind: "refuse", rejection };

  // From here it must succeed.
  const events: NewEvent[] = [];
  if (opening) events.push({ type: "account.opened", data: { account: account.name, currency: account.currency } });
  events.push(op.op === "reserve" ? reserving(account, before, op, legs) : posting(account, before.counters, op, legs));
  return { kind: "keep", state: op.op === "reserve" ? "reserved" : "posted", events };
};

const refuse = (...rejection: Parameters<typeof reject>): Decision => ({
  kind: "refuse",
  rejection: reject(...rejection).rejection,
});

const say = (...rejection: Parameters<typeof reject>): Decision => ({
  kind: "say",
  answer: { ...reject(...rejection), final: true },
});

/** The answer that follows from the word alone; null where the operation goes on from it. */
const recall = (word: Word, op: AccountOp): Decision | null => {
  if (word.bodyHash !== op.body_hash || word.legs !== legsText(op)) {
    return say("idempotency_mismatch", "this transfer came before with other legs", { field: "/legs" });
  }
  const again: Decision = { kind: "say", answer: word.answer };
  switch (word.state) {
    case "posted":
      return op.op === "post" && word.posts !== postsText(op)
        ? say("idempotency_mismatch", "another part of this transfer was posted", { field: "/posts" })
        : again;
    case "reserved":
      return op.op === "reserve" ? again : null;
    case "refused":
      return op.op === "void" ? null : again;
    case "voided":
    case "tombstone":
      return op.op === "void" ? again : say("conflict", "this transfer was voided");
  }
};

const readLegs = (account: PhysicalAccount, op: AccountOp): Leg[] => {
  if (op.legs.length < 1 || op.legs.length > MAX_LEGS)
    throw new Error(`${op.transfer} has ${op.legs.length} legs here`);
  if (new Set(op.legs.map((leg) => leg.index)).size !== op.legs.length)
    throw new Error(`${op.transfer} has a leg twice`);
  if (op.op === "post" && op.tag === null) throw new Error(`${op.transfer} is posted without a cut epoch`);
  if (op.op !== "post" && op.posts !== undefined) throw new Error(`a ${op.op} of ${op.transfer} names a part to post`);
  return toLegs(account, op, op.legs);
};

const toLegs = (account: PhysicalAccount, op: AccountOp, legs: AccountOp["legs"]): Leg[] =>
  legs.map((leg) => {
    if (leg.account !== account.name || leg.amount.currency !== account.currency) {
      throw new Error(`a leg of ${op.transfer} is not this account's`);
    }
    return { index: leg.index, direction: leg.direction, amount: toMinor(leg.amount) };
  });

/** The part of a hold that is posted: legs of it, each once, none of nothing or of more than is held. */
const partOf = (account: PhysicalAccount, op: AccountOp, held: readonly Leg[]): readonly Leg[] => {
  if (op.posts === undefined) return held;
  const left = new Map(held.map((leg) => [leg.index, leg]));
  const part = toLegs(account, op, op.posts);
  for (const { index, direction, amount } of part) {
    const leg = left.get(index);
    left.delete(index);
    if (leg === undefined || leg.direction !== direction || amount < 1n || amount > leg.amount) {
      throw new Error(`${op.transfer} posts what it does not hold at leg ${index}`);
    }
  }
  if (part.length === 0) throw new Error(`${op.transfer} posts nothing of what it holds: a hold is ended by a void`);
  return part;
};

const judge = (
  account: PhysicalAccount,
  state: AccountState,
  op: "reserve" | "post",
  legs: readonly Leg[],
): Rejection | null => {
  const { normalSide, currency } = account;
  const totals = totalsOf(legs);
  const reserves = op === "reserve";
  const takesOut = legs.some((leg) => leg.direction !== normalSide);
  if (reserves && totals.debit > 0n && totals.credit > 0n) throw new Error("a hold has one side");

  if (state.status === "frozen" && (reserves || takesOut)) {
    return reject("account_frozen", "the account is frozen").rejection;
  }
  if (state.status === "closed" || (state.status === "closing" && (reserves || takesOut))) {
    return reject("account_closed", `the account is ${state.status}`).rejection;
  }
  if (!legs.every((leg) => inRange(leg.amount))) {
    return reject("amount_out_of_range", "an amount is zero or above 2^63-1 minor units").rejection;
  }
  if (account.governed && !withinRange(post(state.counters, totals))) {
    return reject("amount_out_of_range", "the account's counters would leave their range").rejection;
  }
  // A reserve has one side, so that a pending credit never pays for a pending debit; legs of a post are netted.
  const lowers = totals[opposite(normalSide)] - totals[normalSide];
  const available = availableOf(state, normalSide);
  if (state.floor !== null && lowers > 0n && lowers > available) {
    return reject("insufficient_funds", "not enough is available", { available: fromMinor(available, currency) })
      .rejection;
  }
  const headroom = headroomOf(state, normalSide);
  if (headroom !== null && -lowers > 0n && -lowers > headroom) {
    return reject("limit_exceeded", "the balance would exceed the account's cap").rejection;
  }
  if (reserves && state.holds.size >= MAX_HOLDS) {
    return reject("overloaded", `the account has ${MAX_HOLDS} open holds`).rejection;
  }
  return null;
};

/** Of legs on one side. */
const sumOf = (legs: readonly Leg[]): bigint => legs.reduce((sum, { amount }) => sum + amount, 0n);

/** Posts or voids what the account holds: it must succeed, whatever the account's status. */
const endHold = (account: PhysicalAccount, state: AccountState, op: AccountOp, legs: readonly Leg[]): Decision => {
  const held = state.holds.get(op.transfer);
  if (held === undefined) throw new Error(`${op.transfer} is reserved and not held`);
  const freed = release(state.counters, totalsOf(legs));
  if (op.op === "post") {
    const part = partOf(account, op, legs);
    return { kind: "keep", state: "posted", events: [posting(account, freed, op, part, sumOf(legs) - sumOf(part))] };
  }
  const balance = balanceOf(freed, account.normalSide);
  const data = {
    ...eventData(
      account,
      op,
      legs,
      legs.map(() => balance),
      freed,
    ),
    reason: op.reason,
  };
  return { kind: "keep", state: "voided", events: [{ type: "transfer.voided", data }] };
};

const reserving = (account: PhysicalAccount, state: AccountState, op: AccountOp, legs: readonly Leg[]): NewEvent => {
  const balance = balanceOf(state.counters, account.normalSide);
  const after = hold(state.counters, totalsOf(legs));
  return {
    type: "transfer.reserved",
    data: eventData(
      account,
      op,
      legs,
      legs.map(() => balance),
      after,
    ),
  };
};

const posting = (
  account: PhysicalAccount,
  before: Counters,
  op: AccountOp,
  legs: readonly Leg[],
  rest = 0n,
): NewEvent => {
  const totals: Totals = totalsOf(legs);
  const balances = runningBalances(before, legs, account.normalSide);
  const data = eventData(account, op, legs, balances, post(before, totals));
  const reason = op.reason === null ? {} : { reason: op.reason };
  const released = rest === 0n ? {} : { released: fromMinor(rest, account.currency) };
  return { type: "transfer.posted", data: { ...data, tag: String(op.tag), ...reason, ...released } };
};

const eventData = (
  account: PhysicalAccount,
  op: AccountOp,
  legs: readonly Leg[],
  balances: readonly bigint[],
  after: Counters,
): TransferEvent => ({
  transfer: op.transfer,
  saga: op.saga,
  charge: op.charge,
  pod: op.pod,
  body_hash: op.body_hash,
  tag: null,
  legs: legs.map(({ index, direction, amount }, at) => ({
    index,
    direction,
    amount: fromMinor(amount, account.currency),
    balance: fromMinor(balances[at] ?? 0n, account.currency),
  })),
  counters: toWire(after, account.currency),
});
