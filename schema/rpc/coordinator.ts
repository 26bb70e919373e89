import type { ChargeRecord, TransferLeg } from "../charges.ts";
import type { Meta } from "../events.ts";
import type { MoneyJson } from "../money.ts";
import type { Rejection, Result } from "../rejections.ts";
import type { Saga } from "../sagas.ts";
import type { StreamKind } from "../streams.ts";
import type { ActorRpc, Answered, CommandKey, KeyedAnswer } from "./actor.ts";
import type { ProviderState } from "./gateway.ts";

/** A parsed `POST …/charges`, payer resolved. */
export type CreateCharge = {
  pod: string;
  payer: string;
  amount: MoneyJson;
  source: { type: "instrument"; token: string } | { type: "wallet" };
  /** Null: the quote's. */
  settle_currency: string | null;
  quote?: string;
  description: string | null;
};

/** Asks the policy port, where the caller is known, about the command that it comes with: why not; null: it may be. */
export type AskPolicy = () => Promise<Rejection | null>;

/** A parsed ledger transfer: legs on logical accounts that sum to zero in every currency. */
export type CreateTransfer = {
  id: string;
  legs: { account: string; direction: "debit" | "credit"; amount: MoneyJson }[];
  reason: string | null;
  metadata: Record<string, string>;
  /** RFC 3339, as events spell it: when it claims to count from; absent: when it is posted. */
  effective_at?: string;
};

/** A parsed reversal: the mirror of a transfer that was posted, wherever its legs went. */
export type ReverseTransfer = { id: string; reverses: string };

export type TransferRecord = {
  id: string;
  status: "posted";
  legs: { account: string; direction: "debit" | "credit"; amount: MoneyJson }[];
  balances: { account: string; balance: MoneyJson }[];
  recorded_at: string;
  effective_at?: string;
  /** The transfer this one is the mirror of. */
  reverses?: string;
  /** The reversal that has begun: at most one stands at a time. */
  reversed_by?: string;
};

/** What a shard knows of a transfer id. `elsewhere`: it is a reversal's, which runs in the shard of its original. */
export type TransferSeen =
  | { kind: "posted"; transfer: TransferRecord }
  | { kind: "processing"; id: string; saga: string }
  | { kind: "elsewhere"; reverses: string };

/** A parsed closing: the books are closed before this moment, RFC 3339 as events spell it. */
export type ClosePeriod = { until: string; reason: string | null };

/** How a closing stands: `in_flight` transfers that claim a moment before `until` were begun before it and are not posted yet. */
export type PeriodClosed = { until: string; in_flight: number };

/**
 * What a command came to. `request_id` is that of the call that was answered first: a replay repeats it, so that a replayed
 * problem is byte for byte the first.
 */
export type ChargeAnswer =
  | { kind: "resource"; status: 201 | 202; charge: ChargeRecord; replayed: boolean }
  | { kind: "problem"; rejection: Rejection; request_id: string; replayed: boolean };

export type TransferAnswer =
  | { kind: "resource"; transfer: TransferRecord; replayed: boolean }
  | { kind: "processing"; id: string; saga: string }
  | { kind: "problem"; rejection: Rejection; request_id: string; replayed: boolean };

/** What an operator does to a saga. */
export type OperateSaga =
  | { action: "retry" | "compensate"; note: string | null }
  | {
      action: "resolve";
      step: string;
      verdict: "succeeded" | "declined";
      /** Never null for a success. */
      provider_ref: string | null;
      note: string;
    };

/** `awaits_approval`: nothing happens until a second operator says the same. */
export type OperatedSaga = { saga: Saga; awaits_approval: boolean };

/** A verified webhook, as the provider sent it. `event` is the provider's own event id: the inbox takes each once. */
export type InboxItem = {
  provider: string;
  event: string;
  type: string;
  reference: string;
  state: ProviderState | null;
  amount: MoneyJson | null;
  provider_ref: string | null;
  decline_reason: string | null;
  payload: string;
};

export type TrialBalance = {
  balanced: boolean;
  currencies: { currency: string; debits: string; credits: string; in_transit: string; difference: string }[];
  cut: {
    epoch: number;
    taken_at: string;
    shards: number;
    accounts: Record<string, { seq: number; hash: string }>;
  };
};

/** A shard's word in a cut: its transfers tagged at most `epoch` that some account has not acknowledged, and accounts it named. */
export type ShardCut = {
  /** `transfer` of a leg is the id it is posted under at its account. */
  transfers: { id: string; legs: (TransferLeg & { transfer: string })[] }[];
  accounts: string[];
  next: string | null;
};

export type VerifyReport = {
  id: string;
  done: boolean;
  ok: boolean;
  checked: { actors: number; events: number };
  failures: { stream: string; seq: number; reason: string }[];
  progress: { done: number; total: number };
};

/**
 * What became of a webhook: stored, and acted on where it settles something; taken before; `known`: it says what stands in the journal, and
 * nothing is stored of it; about no charge of ours.
 */
export type WebhookFate = "stored" | "duplicate" | "known" | "unroutable";

/** One shard of the coordinator, named `shard-<n>`. */
export type CoordinatorRpc = ActorRpc & {
  /**
   * `policy`: only for a caller who pays for themselves, of whom policy asks no more than the pod does when it admits the charge; it is asked
   * before anybody but somebody let in lately is served, and before anybody is refused or told what came before. Null: asked already.
   */
  createCharge(
    command: CreateCharge,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
    policy: AskPolicy | null,
  ): Promise<ChargeAnswer>;
  createTransfer(command: CreateTransfer, waitMs: number, meta: Meta): Promise<TransferAnswer>;
  /** Independent of each other; one answer per command, in order. At most 256. */
  createTransfers(commands: CreateTransfer[], waitMs: number, meta: Meta): Promise<TransferAnswer[]>;
  /** In the shard of the reversal's own id: binds that id to this command, for good. Comes before `createReversal`. */
  claimReversal(command: ReverseTransfer, meta: Meta): Promise<Result<null>>;
  /** In the original's shard. */
  createReversal(command: ReverseTransfer, waitMs: number, meta: Meta): Promise<TransferAnswer>;
  /** In the shard of the id, or for a reversal (`reverses`) in that of its original. Null: not known, refused, or a saga's own. */
  transfer(id: string, reverses: string | null): Promise<TransferSeen | null>;
  /** Shard 0 only. Refuses to go back; answers when every shard knows of it. */
  closePeriod(command: ClosePeriod, key: CommandKey, meta: Meta): Promise<Result<Answered<PeriodClosed>>>;
  /** From shard 0: no transfer begun here from now on claims a moment before `until`. Answers how many begun before are under way. */
  learnPeriod(until: string, meta: Meta): Promise<number>;
  charge(id: string): Promise<ChargeRecord | null>;
  /** Taken in one commit with its key, as every word on a saga: a no is kept too. */
  cancelCharge(id: string, key: CommandKey, meta: Meta): Promise<KeyedAnswer<ChargeRecord>>;
  reviewCharge(
    id: string,
    verdict: "approve" | "decline",
    note: string,
    key: CommandKey,
    meta: Meta,
  ): Promise<KeyedAnswer<ChargeRecord>>;
  saga(id: string): Promise<Saga | null>;
  /**
   * An operator's word on a saga: taken in one commit with its key, then held for `waitMs` until the call at hand is answered.
   * `conflict` when the saga does not stand where this could be done: of two at once, one is late.
   */
  operateSaga(
    id: string,
    command: OperateSaga,
    key: CommandKey,
    waitMs: number,
    meta: Meta,
  ): Promise<KeyedAnswer<OperatedSaga>>;
  /** What it says is durable before it answers, unless it is `unroutable`. */
  inbox(item: InboxItem): Promise<WebhookFate>;
  /**
   * Binds an idempotency key to the id of the thing it makes: the first caller's id wins. `kind`: the thing is an actor of this
   * kind, and the same commit names its stream in the directory, before there is anything of it; with or without a key.
   */
  claimId(
    key: CommandKey,
    candidate: string,
    kind?: StreamKind,
  ): Promise<Result<{ id: string; claimed_before: boolean }>>;
  /** Names streams in this shard's directory, at most 500; what is named already costs nothing. */
  nameStreams(streams: string[]): Promise<void>;
  /** Moves the shard to epoch + 1 and lists what was under way at `epoch`, in pages. */
  cutShard(epoch: number, after: string | null): Promise<ShardCut>;
  /** Shard 0 only. The newest cut, or a fresh one. */
  trialBalance(fresh: boolean): Promise<TrialBalance>;
  /** Shard 0 only. Verifies every stream of the house and of the shards' directories. */
  startVerify(waitMs: number): Promise<VerifyReport>;
  verifyReport(id: string): Promise<VerifyReport | null>;
  /** Every actor this shard ever named, in pages of at most 500. */
  directory(after: string | null, limit?: number): Promise<{ streams: string[]; next: string | null }>;
};
