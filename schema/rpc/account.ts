import type { TransferLeg } from "../charges.ts";
import type { LogRow, Meta, Principal } from "../events.ts";
import type { MoneyJson } from "../money.ts";
import type { MonitorRecord } from "../monitors.ts";
import type { Rejection, Result } from "../rejections.ts";
import type { ActorRpc, CommandKey, KeyedAnswer } from "./actor.ts";

/**
 * The three calls of the last-agent protocol, each covering all legs of one transfer at this account in one commit. The first
 * answer to a transfer is stored and final, a no as much as a yes; a void of an unknown transfer leaves a tombstone.
 */
export type AccountOp = {
  op: "reserve" | "post" | "void";
  transfer: string;
  /** The saga that owns the transfer; every hold belongs to one. */
  saga: string;
  /** Hash of the whole transfer: the same id with another body is an error. */
  body_hash: string;
  /** This account's legs: of a hold, those it was made for, whatever is posted of them. */
  legs: TransferLeg[];
  /** On the `post` of a hold: what of its legs is posted, each with what is left of its amount; absent: all of it. The rest is released. */
  posts?: TransferLeg[];
  /** True when the caller vouches that the account may be opened by this very call (platform accounts, an admitted pod's, a wallet's). */
  open: boolean;
  /** Cut epoch of the shard, on `post`: the commit that first let a leg of this transfer be posted. */
  tag: number | null;
  charge: string | null;
  pod: string | null;
  reason: string | null;
  principal: Principal;
  correlation: string;
  /** On `post`: when the transfer claims to count from (RFC 3339); absent: when it is recorded. */
  effective_at?: string;
};

/** Figures of an account are bare decimal strings in its currency ("12.34"), balances with a sign where they are negative. */
/** Decimal strings in the account's currency. */
export type Counters = {
  debits_posted: string;
  credits_posted: string;
  debits_pending: string;
  credits_pending: string;
};

/**
 * `balance` is the posted balance on the normal side. A no with `final` is this account's stored word on the transfer, the same
 * for ever. Without it nothing was said of the transfer (door shut, fault): an earlier attempt may have gone through, so it is no
 * ground to abort or to redirect; the same call is made again.
 */
export type AccountAnswer =
  | { ok: true; state: "reserved" | "posted" | "voided"; seq: number; balance: string; recorded_at: string }
  | { ok: false; final: boolean; rejection: Rejection };

export type Hold = {
  id: string;
  direction: "debit" | "credit";
  amount: MoneyJson;
  transfer: string;
  saga: string;
  since: string;
};

export type AccountRecord = Counters & {
  id: string;
  type: string;
  currency: string;
  normal_side: "debit" | "credit";
  status: "open" | "frozen" | "closing" | "closed";
  floor: string | null;
  cap: string | null;
  /** Posted balance on the normal side. */
  posted: string;
  /** What open outgoing holds take. */
  pending: string;
  /** What open incoming holds will bring. */
  pending_in: string;
  available: string;
  holds: Hold[];
  seq: number;
  head_hash: string;
};

/** One account's word in a consistent cut: counters of postings tagged at most `epoch`, and which listed transfers it has applied. */
export type CutAnswer = {
  account: string;
  debits: string;
  credits: string;
  seq: number;
  hash: string;
  applied: string[];
};

export type EntryRecord = {
  id: string;
  account: string;
  seq: number;
  type: string;
  debit: MoneyJson | null;
  credit: MoneyJson | null;
  balance: MoneyJson;
  pod?: string;
  transfer: string;
  charge?: string;
  recorded_at: string;
  effective_at: string;
  hash: string;
};

export type AccountStatus = AccountRecord["status"];

/** What a coordinator asks before it begins: whether a credit to the account may be refused, and has to be reserved. */
export type AccountTerms = { status: AccountStatus; capped: boolean };

/** An operator's word on one account. Bounds are minor units as decimal integers; left out: as it stands; null: none. */
export type AccountCommand =
  | { type: "freeze" | "unfreeze" | "close"; reason: string }
  | { type: "change_limits"; floor?: string | null; cap?: string | null; reason: string | null }
  | { type: "add_monitor"; monitor: string; bound: MonitorBound; threshold: MoneyJson; reason: string | null }
  | { type: "remove_monitor"; monitor: string };

export type MonitorBound = "above" | "below";

/** What keeps a closing account from being closed: money on it (signed, normal side), or open holds. */
export type Blocker = { reason: "balance"; amount: MoneyJson } | { reason: "holds"; count: number };

export type AccountReply =
  | { type: "account"; account: AccountRecord; blockers: Blocker[] }
  | { type: "monitor"; monitor: MonitorRecord }
  | { type: "removed" };

export type AccountCommandAnswer = KeyedAnswer<AccountReply>;

/** One line of an explanation: a posted leg, or a word of an operator or of the account itself on what may be posted. */
export type ExplainedLine = {
  seq: number;
  type: string;
  debit: MoneyJson | null;
  credit: MoneyJson | null;
  /** Posted balance, normal side, after this line. */
  balance: MoneyJson;
  transfer: string | null;
  saga: string | null;
  charge: string | null;
  pod: string | null;
  reason: string | null;
  /** Who is behind it: the subject of the command that caused it. */
  by: string;
  recorded_at: string;
  /** Of a change of limits: what they are from here on. */
  floor?: string | null;
  cap?: string | null;
};

/** Why a balance is what it is: lines in seq order from `opening` to `closing`, and how what is available follows. */
export type Explanation = {
  account: string;
  currency: string;
  normal_side: "debit" | "credit";
  status: AccountStatus;
  /** Who made the status what it is, and why; null while the account is open. */
  stopped: { by: string; reason: string | null; since: string } | null;
  /** The whole account as it is now, in one turn with the lines. */
  seq: number;
  head_hash: string;
  balance: string;
  available: { amount: string; posted: string; pending: string; floor: string | null };
  /** Null without a cap. */
  headroom: { amount: string; cap: string; posted: string; pending_in: string } | null;
  holds: (Hold & { aged: boolean })[];
  page: { after: number; to: number; opening: string; closing: string };
  lines: ExplainedLine[];
  /** `after` of the next page; null at the head. */
  next: number | null;
};

/** A range of an account's log: by moments of `recorded_at`, half-open, null for no bound; or by seqs, both included. */
export type StatementRange =
  | { by: "time"; from: string | null; to: string | null }
  | { by: "seq"; from_seq: number; to_seq: number };

/**
 * A statement that proves itself: `events` hash from `hash_before` to `hash_after`, `entries` follow from them, and opening plus
 * entries is closing, on the normal side. What it says depends on the range alone, never on what came later. An empty range has
 * `to_seq` = `from_seq` − 1.
 */
export type StatementRecord = {
  account: string;
  normal_side: "debit" | "credit";
  from_seq: number;
  to_seq: number;
  opening: MoneyJson;
  closing: MoneyJson;
  hash_before: string;
  hash_after: string;
  entries: EntryRecord[];
  events: LogRow[];
};

/**
 * Posted figures of an account at one point. By `seq`: after that event. By `at`: of every posting known now that claims a moment
 * up to it. `seq`, `recorded_at` and `hash` are of the newest event that was looked at; null and zeros before the first.
 */
export type BalanceRecord = {
  account: string;
  as_of: "seq" | "effective_at";
  at: string | null;
  balance: MoneyJson;
  debits_posted: string;
  credits_posted: string;
  seq: number;
  recorded_at: string | null;
  hash: string;
};

/** Data of an account's events. Counters are those after the event: what a reader shows, and what a replay must arrive at. */
export type AccountEventData = {
  "account.opened": { account: string; currency: string };
  "account.frozen": { account: string; reason: string | null };
  "account.unfrozen": { account: string; reason: string | null };
  "account.closing": { account: string; reason: string | null };
  /** A closing taken back before the account was closed: it is again what it was before, frozen too. */
  "account.reopened": { account: string; status: "open" | "frozen"; reason: string | null };
  "account.closed": { account: string };
  /** Both bounds as they are from here on. */
  "account.limits_changed": {
    account: string;
    floor: MoneyJson | null;
    cap: MoneyJson | null;
    reason: string | null;
  };
  "monitor.added": {
    account: string;
    monitor: string;
    bound: MonitorBound;
    threshold: MoneyJson;
    /** On which side of the threshold the balance stands already. */
    state: "triggered" | "resolved";
    reason: string | null;
  };
  "monitor.removed": { account: string; monitor: string };
  "monitor.triggered": { account: string; monitor: string; balance: MoneyJson };
  "monitor.resolved": { account: string; monitor: string; balance: MoneyJson };
  "hold.aged": {
    account: string;
    transfer: string;
    saga: string;
    since: string;
    direction: "debit" | "credit";
    amount: MoneyJson;
  };
  "transfer.reserved": TransferEvent;
  /** `reason`: why the transfer was asked for; left out where nobody said. */
  "transfer.posted": TransferEvent & { reason?: string };
  "transfer.voided": TransferEvent & { reason: string | null };
};
export type TransferEvent = {
  transfer: string;
  saga: string;
  charge: string | null;
  pod: string | null;
  body_hash: string;
  tag: string | null;
  /** `balance`: the posted balance, normal side, after this leg (unchanged by reserve and void). */
  legs: { index: string; direction: "debit" | "credit"; amount: MoneyJson; balance: MoneyJson }[];
  /** What a post gave back of what was held for it, on the hold's side; absent where that is nothing. */
  released?: MoneyJson;
  counters: Counters;
};

export type AccountRpc = ActorRpc & {
  /** One answer per op, in order. At most 256 ops. */
  applyOps(ops: AccountOp[]): Promise<AccountAnswer[]>;
  /** Null when the account was never opened. */
  describe(): Promise<AccountRecord | null>;
  /** Entries with seq > after, oldest first, at most 200; all entries of one seq or none, but those of the first in any case. */
  entries(after: number, limit: number): Promise<EntryRecord[]>;
  /** What a coordinator must know before it begins; null when the account was never opened. */
  terms(): Promise<AccountTerms | null>;
  /** An operator's command, one commit. `open`: the caller vouches that the account may be opened by it. */
  command(command: AccountCommand, open: boolean, key: CommandKey, meta: Meta): Promise<AccountCommandAnswer>;
  /** Oldest first, at most 16. */
  monitors(): Promise<MonitorRecord[]>;
  /** Lines with seq > after, at most 200 but for the legs of one event, which stay together. Null when never opened. */
  explain(after: number, limit: number): Promise<Explanation | null>;
  /** Refuses a range past the log's end, and one of more than 5,000 events or 8 MiB. */
  statement(range: StatementRange): Promise<Result<StatementRecord>>;
  /** Refuses a seq past the log's end. */
  balanceAt(point: { seq: number } | { at: string }): Promise<Result<BalanceRecord>>;
  /** Throws for an epoch that a later cut has superseded, and above 50,000 listed transfers. */
  cut(epoch: number, listed: string[]): Promise<CutAnswer>;
};
