import { parseAccount } from "../../../schema/accounts.ts";
import type { TransferLeg } from "../../../schema/charges.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { compensatable, define, pivot, retriable, type SagaDefinition } from "./definition.ts";

/** What a ledger transfer is begun with: legs on physical accounts. */
export type TransferInput = {
  transfer: string;
  legs: TransferLeg[];
  reason: string | null;
  metadata: Record<string, string>;
  /** When it claims to count from, RFC 3339; absent: when it is posted. */
  effective_at?: string;
  /** The transfer it is the mirror of. */
  reverses?: string;
  /**
   * Indexes of the legs that credit an account which had a cap when it was asked, just before begin; absent where there is none,
   * as in every journal written before caps could be set.
   */
  capped?: string[];
};

export const transferInput = (saga: Saga): TransferInput => saga.input as unknown as TransferInput;

/** The accounts of a transfer, each once, in the order of their first leg. */
export const accountsOf = (legs: readonly TransferLeg[]): string[] => [...new Set(legs.map((leg) => leg.account))];

/**
 * True when this account may refuse its legs: one of them lowers an account that is governed, whatever floor it has just now, or
 * is among `capped`, those that raise a capped one. It follows from the journal alone, so it is the same after every restart.
 */
export const isConstrained = (
  account: string,
  legs: readonly TransferLeg[],
  capped: readonly string[] = [],
): boolean => {
  const rules = parseAccount(account)?.rules;
  if (rules === undefined) throw new Error(`not an account: ${account}`);
  return (
    rules.governed &&
    legs.some((leg) => leg.account === account && (leg.direction !== rules.normalSide || capped.includes(leg.index)))
  );
};

/** Every constrained account; the last of them decides. */
export const constrainedAccounts = ({ legs, capped }: Pick<TransferInput, "legs" | "capped">): string[] =>
  accountsOf(legs).filter((account) => isConstrained(account, legs, capped));

/**
 * A plain transfer by the last-agent protocol: reserve at every constrained account but the last, post at the last one, which is
 * the decision, then post everywhere else. With none constrained, beginning it decides it.
 */
export const ledgerTransfer: SagaDefinition = define({
  kind: "ledger_transfer",
  version: 1,
  door: "decide",
  deadlineMs: 365 * 86_400_000,
  steps: [
    compensatable("reserve", { skip: (saga) => constrainedAccounts(transferInput(saga)).length < 2 }),
    pivot("decide", { posts: true, skip: (saga) => constrainedAccounts(transferInput(saga)).length === 0 }),
    retriable("post", { posts: true, ahead: true }),
  ],
});
