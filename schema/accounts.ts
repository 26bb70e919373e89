import { isCurrency } from "./currency.ts";
import { parseId, SHARDS, USER_PATTERN } from "./ids.ts";

/** What an account is, by the first word of its name. Only values change afterwards; type, side, floor and stripes never. */
export type AccountKind =
  | "pod"
  | "wallet"
  | "psp"
  | "bank"
  | "rail"
  | "contested"
  | "lp"
  | "fx"
  | "fee"
  | "rounding"
  | "suspense"
  | "loss";

export type AccountType = "asset" | "liability" | "income" | "expense" | "position";

export type KindRules = {
  type: AccountType;
  normalSide: "debit" | "credit";
  /** The balance (on the normal side, minor units) that may never be crossed; null: unconstrained. */
  floor: bigint | null;
  /** How many physical accounts stand behind the logical one. Stripes are added, never removed. */
  stripes: number;
  /**
   * Whether an operator may freeze and close the account, and move its floor and cap: only where the coordinator asks before it
   * decides. Elsewhere a leg comes after the decision and cannot be refused, so there is nothing to govern.
   */
  governed: boolean;
};

const platform = (type: AccountType, normalSide: "debit" | "credit"): KindRules => ({
  type,
  normalSide,
  floor: null,
  stripes: 4,
  governed: false,
});
const customer: KindRules = { type: "liability", normalSide: "credit", floor: 0n, stripes: 1, governed: true };

export const ACCOUNT_KINDS: Readonly<Record<AccountKind, KindRules>> = {
  pod: customer,
  wallet: customer,
  psp: platform("asset", "debit"),
  bank: platform("asset", "debit"),
  contested: platform("asset", "debit"),
  lp: platform("asset", "debit"),
  rail: platform("liability", "credit"),
  suspense: platform("liability", "credit"),
  fee: platform("income", "credit"),
  rounding: platform("income", "credit"),
  loss: platform("expense", "debit"),
  fx: platform("position", "credit"),
};

const NAMED_BY: Readonly<Record<AccountKind, "pod" | "user" | "connector" | "currency">> = {
  pod: "pod",
  wallet: "user",
  psp: "connector",
  bank: "connector",
  rail: "connector",
  contested: "connector",
  lp: "connector",
  fx: "currency",
  fee: "currency",
  rounding: "currency",
  suspense: "currency",
  loss: "currency",
};

export type ParsedAccount = {
  kind: AccountKind;
  /** The logical name, without stripe. */
  logical: string;
  /** The pod, user or connector in the name; null where there is none. */
  owner: string | null;
  currency: string;
  stripe: number | null;
  rules: KindRules;
};

/** Reads an account name such as `pod:pod_…:EUR`, `fee:EUR` or the stripe `psp:sandbox:EUR#3`; null when it is not one. */
export const parseAccount = (name: string): ParsedAccount | null => {
  const match = /^([a-z]+):(?:([^:#]{1,80}):)?([A-Z]{3})(?:#(\d{1,3}))?$/.exec(name);
  if (match === null) return null;
  const [, kindText, owner = null, currency = "", stripeText] = match;
  if (kindText === undefined || !Object.hasOwn(ACCOUNT_KINDS, kindText) || !isCurrency(currency)) return null;
  const kind = kindText as AccountKind;
  const namedBy = NAMED_BY[kind];
  if (namedBy === "currency" ? owner !== null : owner === null) return null;
  if (namedBy === "pod" && parseId("pod", owner ?? "") === null) return null;
  if (namedBy === "user" && !USER_PATTERN.test(owner ?? "")) return null;
  if (namedBy === "connector" && !/^[a-z][a-z0-9-]{0,31}$/.test(owner ?? "")) return null;
  const rules = ACCOUNT_KINDS[kind];
  const stripe = stripeText === undefined ? null : Number(stripeText);
  if (stripe !== null && (rules.stripes === 1 || stripe >= rules.stripes || String(stripe) !== stripeText)) return null;
  return { kind, logical: name.split("#")[0] ?? name, owner, currency, stripe, rules };
};

/**
 * The physical account that a transfer of this shard meets: a shard's batch meets one stripe in one commit. Resolved once, at
 * begin, and journalled.
 */
export const resolveStripe = (logical: string, shard: number): string => {
  const account = parseAccount(logical);
  if (account === null) throw new Error(`not an account: ${logical}`);
  if (account.rules.stripes === 1) return account.logical;
  return `${account.logical}#${(((shard % SHARDS) + SHARDS) % SHARDS) % account.rules.stripes}`;
};

/** Every physical account behind a logical one (itself, when it is not striped). */
export const stripesOf = (logical: string): string[] => {
  const account = parseAccount(logical);
  if (account === null) throw new Error(`not an account: ${logical}`);
  if (account.rules.stripes === 1) return [account.logical];
  return Array.from({ length: account.rules.stripes }, (_, stripe) => `${account.logical}#${stripe}`);
};

export const accountNames = {
  pod: (pod: string, currency: string) => `pod:${pod}:${currency}`,
  wallet: (user: string, currency: string) => `wallet:${user}:${currency}`,
  psp: (connector: string, currency: string) => `psp:${connector}:${currency}`,
  fee: (currency: string) => `fee:${currency}`,
  suspense: (currency: string) => `suspense:${currency}`,
  fx: (currency: string) => `fx:${currency}`,
  rounding: (currency: string) => `rounding:${currency}`,
  lp: (provider: string, currency: string) => `lp:${provider}:${currency}`,
};
