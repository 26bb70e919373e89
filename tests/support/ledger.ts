import type { Answer, Api } from "./client.ts";
import { type Money, ulid } from "./story.ts";

/** Transfers of the ledger as an operator sends them, and what comes back. */

export type Leg = { account: string; direction: "debit" | "credit"; amount: Money };
export type Order = {
  id: string;
  legs: readonly Leg[];
  effective_at?: string;
  metadata?: Record<string, string>;
};
export type Problem = {
  code: string;
  detail: string;
  field?: string;
  available?: Money;
  errors?: { pointer: string; detail: string }[];
};
export type Posted = {
  id: string;
  status: string;
  legs: Leg[];
  balances: { account: string; balance: Money }[];
  recorded_at: string;
  effective_at?: string;
  reverses?: string;
  reversed_by?: string;
};
export type BatchResult = { status: number; transfer?: Posted; problem?: Problem; replayed?: true };

export type Entry = {
  id: string;
  account: string;
  seq: number;
  debit: Money | null;
  credit: Money | null;
  balance: Money;
  transfer: string;
  recorded_at: string;
  effective_at: string;
  hash: string;
};
export type Statement = {
  account: string;
  normal_side: "debit" | "credit";
  from_seq: number;
  to_seq: number;
  opening: Money;
  closing: Money;
  hash_before: string;
  hash_after: string;
  entries: Entry[];
  events: { seq: number; event: { type: string; recorded_at: string }; prev_hash: string; hash: string }[];
};

export const debit = (account: string, amount: string, currency = "EUR"): Leg => ({
  account,
  direction: "debit",
  amount: { amount, currency },
});
export const credit = (account: string, amount: string, currency = "EUR"): Leg => ({
  account,
  direction: "credit",
  amount: { amount, currency },
});

export const newTransfer = (): string => `trf_${ulid()}`;

/** From the bank into a wallet. */
export const deposit = (user: string, amount: string, effective_at?: string): Order => ({
  id: newTransfer(),
  legs: [debit("bank:sandbox:EUR", amount), credit(`wallet:${user}:EUR`, amount)],
  ...(effective_at === undefined ? {} : { effective_at }),
});

/** From one wallet to another. */
export const gift = (from: string, to: string, amount: string): Order => ({
  id: newTransfer(),
  legs: [debit(`wallet:${from}:EUR`, amount), credit(`wallet:${to}:EUR`, amount)],
  metadata: { reason: "a gift" },
});

/** Posts a transfer or a reversal, waiting for its end. */
export const post = (operator: Api, order: unknown): Promise<Answer<Posted & Problem>> =>
  operator.post("/v1/ledger/transfers", order, { headers: { prefer: "wait=30" } });

export const accountPath = (account: string, rest = ""): string =>
  `/v1/ledger/accounts/${encodeURIComponent(account)}${rest}`;
