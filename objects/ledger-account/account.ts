import { type AccountKind, type AccountType, parseAccount } from "../../schema/accounts.ts";
import type { AccountStatus, MonitorBound } from "../../schema/rpc/account.ts";
import { balanceOf, type Counters, opposite, pendingOn, type Side, ZERO } from "./counters.ts";

/** What an account is by its name; never changes. */
export type PhysicalAccount = {
  readonly name: string;
  readonly kind: AccountKind;
  readonly type: AccountType;
  readonly currency: string;
  readonly normalSide: Side;
  /** The floor it opens with, minor units. */
  readonly floor: bigint | null;
  /** Whether operators may freeze, close and limit it. */
  readonly governed: boolean;
};

export type OpenHold = {
  readonly saga: string;
  readonly since: string;
  readonly direction: Side;
  readonly amount: bigint;
  /** Told of as old; absent until then, as in every snapshot written before holds grew old. */
  readonly aged?: true;
};

/** A watch on the posted balance, minor units of the normal side. */
export type Monitor = { readonly bound: MonitorBound; readonly threshold: bigint; readonly triggered: boolean };

/**
 * The newest cut epoch a posting was tagged with, and what was posted under it: a cut at an earlier epoch leaves that part out.
 * One register is enough: cuts run one at a time, the next begins only when every account has answered or the last was given up,
 * and a shard takes tag e+1 only once cut e has begun. So while cut e asks, tags above e are all e+1; and when a tag e+2 shows
 * up, nobody will ask for e any more and what was late then is part of the total. A tag below the register is simply not late.
 */
export type LateRegister = { readonly epoch: number; readonly debits: bigint; readonly credits: bigint };

export type AccountState = {
  /** Null until the account is opened. */
  readonly account: PhysicalAccount | null;
  readonly status: AccountStatus;
  /** Of a closing account that was frozen when it was closed: a closing taken back lifts no freeze. */
  readonly wasFrozen?: true;
  /** Bounds of the posted balance on the normal side, minor units; null: none. */
  readonly floor: bigint | null;
  readonly cap: bigint | null;
  readonly counters: Counters;
  /** Open holds by transfer, at most {@link MAX_HOLDS}. */
  readonly holds: ReadonlyMap<string, OpenHold>;
  readonly late: LateRegister;
  /** By id, oldest first; at most {@link MAX_MONITORS}. */
  readonly monitors: ReadonlyMap<string, Monitor>;
};

/** One account holds for at most this many transfers at a time. */
export const MAX_HOLDS = 5_000;

/** Watches on one account: each is looked at in every posting's own turn. */
export const MAX_MONITORS = 16;

export const INITIAL: AccountState = {
  account: null,
  status: "open",
  floor: null,
  cap: null,
  counters: ZERO,
  holds: new Map(),
  late: { epoch: 0, debits: 0n, credits: 0n },
  monitors: new Map(),
};

/** The account of this name; null when it is none, or a logical one that is kept in stripes. */
export const physicalAccount = (name: string): PhysicalAccount | null => {
  const parsed = parseAccount(name);
  if (parsed === null || (parsed.rules.stripes > 1 && parsed.stripe === null)) return null;
  const { type, normalSide, floor, governed } = parsed.rules;
  return { name, kind: parsed.kind, type, currency: parsed.currency, normalSide, floor, governed };
};

/** An account as it is when it has just been opened. */
export const openedState = (account: PhysicalAccount): AccountState => ({ ...INITIAL, account, floor: account.floor });

/** What may still leave: open outgoing holds are taken off, open incoming ones are not counted. Minor units. */
export const availableOf = (state: AccountState, normalSide: Side): bigint =>
  balanceOf(state.counters, normalSide) - pendingOn(state.counters, opposite(normalSide)) - (state.floor ?? 0n);

/** What may still come in below the cap, open incoming holds taken off; null: as much as one likes. Minor units. */
export const headroomOf = (state: AccountState, normalSide: Side): bigint | null =>
  state.cap === null ? null : state.cap - balanceOf(state.counters, normalSide) - pendingOn(state.counters, normalSide);
