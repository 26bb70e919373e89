import { parseAccount } from "../../schema/accounts.ts";
import type { TransferLeg } from "../../schema/charges.ts";
import { accept, type Refused, type Result, reject } from "../../schema/rejections.ts";
import type { AccountTerms } from "../../schema/rpc/account.ts";
import type { PodRpc, PodSeen } from "../../schema/rpc/pod.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { callActor, refusalIn } from "../kit/stub.ts";
import type { TransferInput } from "./definitions/ledger-transfer.ts";

/** Accounts asked side by side before a saga begins. */
const ASKED_AT_ONCE = 5;

type Terms = ReadonlyMap<string, AccountTerms | null>;

/**
 * Whose terms are asked before begin: an account whose legs may have to be reserved under its cap, and one that must exist and is not
 * among those `known` to. An account that was once opened always exists, so what it pays from is asked of it once.
 */
export const accountsToAsk = (legs: readonly TransferLeg[], known: ReadonlySet<string> = new Set()): string[] => {
  const asked = legs.filter(({ account, direction }) => {
    const rules = parseAccount(account)?.rules;
    return rules?.governed === true && (direction === rules.normalSide || !known.has(account));
  });
  return [...new Set(asked.map(({ account }) => account))];
};

/** What each account says of itself; null for one that was never opened. Refused while one of them cannot be reached, or its log is broken. */
export const askTerms = async (
  ask: (account: string) => Promise<AccountTerms | null>,
  accounts: readonly string[],
): Promise<Result<Terms>> => {
  const found = new Map<string, AccountTerms | null>();
  let unreached: Refused | null = null;
  const left = [...accounts];
  const askOn = async (): Promise<void> => {
    for (let account = left.shift(); account !== undefined && unreached === null; account = left.shift()) {
      try {
        found.set(account, await ask(account));
      } catch (error) {
        const rejection = refusalIn(error);
        unreached =
          rejection === null
            ? reject("upstream_unavailable", `${account} cannot be reached now`, { retry_after: 1 })
            : { ok: false, rejection };
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(ASKED_AT_ONCE, accounts.length) }, askOn));
  return unreached ?? accept(found);
};

/**
 * The first of these accounts that does not exist: it was never opened and, where it is a pod's, no pod keeps it. Refused while a pod cannot
 * be reached.
 */
export const firstAbsent = async (
  env: Pick<ObjectEnv, "PODS">,
  accounts: readonly string[],
): Promise<Result<string | null>> => {
  for (const account of accounts) {
    const { kind, owner, currency = "" } = parseAccount(account) ?? {};
    if (kind !== "pod") return accept(account);
    try {
      const see = (pod: PodRpc) => pod.see({ user: "", operator: true });
      const seen = await callActor<PodRpc, PodSeen | null>(env.PODS, owner ?? "", see);
      if (seen?.pod.currencies.includes(currency) !== true) return accept(account);
    } catch {
      return reject("upstream_unavailable", `${account} cannot be reached now`, { retry_after: 1 });
    }
  }
  return accept(null);
};

/** Whether a credit to an account of these terms has to be reserved. A closed one refuses it in any case, and suspense takes it. */
export const isCapped = (terms: AccountTerms | null | undefined): boolean =>
  terms?.capped === true && terms.status !== "closed";

/** The input with what the accounts said: which of its credits have to be reserved. */
export const withTerms = (input: TransferInput, terms: Terms): TransferInput => {
  const capped = input.legs
    .filter(
      ({ account, direction }) => direction === parseAccount(account)?.rules.normalSide && isCapped(terms.get(account)),
    )
    .map(({ index }) => index);
  return capped.length === 0 ? input : { ...input, capped };
};
