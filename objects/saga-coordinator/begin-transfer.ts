import { type ParsedAccount, parseAccount, resolveStripe } from "../../schema/accounts.ts";
import type { TransferLeg } from "../../schema/charges.ts";
import { isConnector } from "../../schema/connectors.ts";
import { canonicalJson } from "../../schema/events.ts";
import { parseId } from "../../schema/ids.ts";
import { isLiquidityProvider } from "../../schema/liquidity-providers.ts";
import { fromMinor, inRange, toMinor } from "../../schema/money.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { CreateTransfer, TransferRecord } from "../../schema/rpc/coordinator.ts";
import type { Saga } from "../../schema/sagas.ts";
import { type TransferInput, transferInput } from "./definitions/ledger-transfer.ts";

/** An unknown transfer id older than this, or further ahead, is refused: at most once holds for ever. Milliseconds. */
const OLDEST_MS = 30 * 86_400_000;
const AHEAD_MS = 5 * 60_000;

/** A claimed moment lies at most this far ahead: clocks differ, and nothing is posted for later. Milliseconds. */
const EFFECTIVE_AHEAD_MS = 5 * 60_000;

/** Legs and metadata as they are journalled, UTF-8: an event's data ends at 32 KiB, and the rest of the entry needs its share. */
const MAX_INPUT_BYTES = 24 * 1024;

/**
 * Checks a transfer before anything is journalled, in this order: the id's age; the moment it claims; leg by leg its account, amount, currency, an
 * account on both sides, what a customer's debit needs; the sum per currency; the sum per account; the size of it all. Answers
 * the saga's input.
 */
export const checkTransfer = (command: CreateTransfer, shard: number, now: number): Result<TransferInput> => {
  const id = checkTransferId(command.id, now);
  if (!id.ok) return id;
  const { effective_at } = command;
  if (effective_at !== undefined && Date.parse(effective_at) - now > EFFECTIVE_AHEAD_MS) {
    return invalid("/effective_at", "must not be more than 5 minutes ahead");
  }
  const legs: TransferLeg[] = [];
  const sides = new Map<string, string>();
  for (const [index, leg] of command.legs.entries()) {
    const account = parseAccount(leg.account);
    if (account === null || account.stripe !== null || !isOurs(account)) return unknownAccount(leg.account);
    if (!inRange(toMinor(leg.amount))) return reject("amount_out_of_range", `/legs/${index}/amount is out of range`);
    if (account.currency !== leg.amount.currency) {
      return reject("currency_mismatch", `${leg.account} does not keep ${leg.amount.currency}`);
    }
    if ((sides.get(leg.account) ?? leg.direction) !== leg.direction) {
      return invalid(`/legs/${index}/account`, "an account stands on one side of a transfer");
    }
    sides.set(leg.account, leg.direction);
    const spends = account.rules.floor !== null && leg.direction !== account.rules.normalSide;
    if (spends && command.reason === null)
      return invalid("/metadata/reason", "a debit of a pod or wallet needs a reason");
    legs.push({ ...leg, index: String(index), account: resolveStripe(leg.account, shard) });
  }
  const left = firstUnbalanced(legs);
  if (left !== null) {
    return reject("unbalanced_transfer", "debits and credits differ", { difference: left });
  }
  const tooMuch = firstOutOfRange(command.legs);
  if (tooMuch !== null) return reject("amount_out_of_range", `the legs at ${tooMuch} are out of range together`);
  const claim = effective_at === undefined ? {} : { effective_at };
  const input = { transfer: command.id, legs, reason: command.reason, metadata: command.metadata, ...claim };
  if (Buffer.byteLength(canonicalJson(input)) > MAX_INPUT_BYTES)
    return invalid("/metadata", "is too large beside these legs");
  return accept(input);
};

/** Whether an id that nobody has used yet may still be: neither older than 30 days nor made ahead of time. */
export const checkTransferId = (text: string, now: number): Result<null> => {
  const id = parseId("trf", text);
  if (id === null) return invalid("/id", "a transfer id is trf_ and a ULID");
  if (now - id.createdAtMs <= OLDEST_MS && id.createdAtMs - now <= AHEAD_MS) return accept(null);
  return reject(
    "transfer_id_expired",
    "a transfer id is made at most 30 days before it is used, and not ahead of time",
  );
};

/** The first account whose legs, all on one side, are more together than an account can hold. */
const firstOutOfRange = (legs: CreateTransfer["legs"]): string | null => {
  const totals = new Map<string, bigint>();
  for (const { account, amount } of legs) totals.set(account, (totals.get(account) ?? 0n) + toMinor(amount));
  for (const [account, total] of totals) if (!inRange(total)) return account;
  return null;
};

const isOurs = ({ kind, owner }: ParsedAccount): boolean => {
  if (kind === "lp") return owner !== null && isLiquidityProvider(owner);
  return !["psp", "bank", "rail", "contested"].includes(kind) || (owner !== null && isConnector(owner));
};

/** Accounts that must exist: a pod's, and a wallet that is to be debited. A credit opens a wallet. */
export const mustExist = (legs: readonly TransferLeg[]): string[] => [
  ...new Set(
    legs
      .filter(
        (leg) => leg.account.startsWith("pod:") || (leg.account.startsWith("wallet:") && leg.direction === "debit"),
      )
      .map((leg) => leg.account),
  ),
];

export const unknownAccount = (account: string) => reject("not_found", `no account ${account}`);

const invalid = (pointer: string, detail: string) =>
  reject("invalid_request", "the request is not valid", { errors: [{ pointer, detail }] });

/** What debits and credits differ by in the first currency where they do; null when the legs sum to zero in each. */
export const firstUnbalanced = (legs: readonly TransferLeg[]) => {
  const sums = new Map<string, bigint>();
  for (const { amount, direction } of legs) {
    const minor = toMinor(amount);
    sums.set(amount.currency, (sums.get(amount.currency) ?? 0n) + (direction === "debit" ? minor : -minor));
  }
  for (const [currency, sum] of sums) if (sum !== 0n) return fromMinor(sum, currency);
  return null;
};

type Acks = Record<string, { account: string; balance: string; recorded_at: string }>;

/** A completed transfer as it is answered: the logical accounts that were named, and each one's balance after its posting. */
export const transferRecord = (saga: Saga): TransferRecord => {
  const input = transferInput(saga);
  const acks: Acks = {};
  for (const step of saga.steps) Object.assign(acks, step.result?.acks ?? {});
  const logical = (account: string): string => account.split("#")[0] ?? account;
  return {
    id: input.transfer,
    status: "posted",
    legs: input.legs.map(({ account, direction, amount }) => ({ account: logical(account), direction, amount })),
    balances: Object.values(acks).map(({ account, balance }) => ({
      account,
      balance: { amount: balance, currency: parseAccount(account)?.currency ?? "" },
    })),
    recorded_at:
      Object.values(acks)
        .map((ack) => ack.recorded_at)
        .sort()
        .at(-1) ?? "",
    ...(input.effective_at === undefined ? {} : { effective_at: input.effective_at }),
    ...(input.reverses === undefined ? {} : { reverses: input.reverses }),
  };
};
