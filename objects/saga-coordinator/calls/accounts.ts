import { accountNames, resolveStripe } from "../../../schema/accounts.ts";
import { chargeInput, type TransferLeg } from "../../../schema/charges.ts";
import { bodyHash, type JsonObject } from "../../../schema/events.ts";
import { shardOf } from "../../../schema/ids.ts";
import type { Rejection } from "../../../schema/rejections.ts";
import type { AccountAnswer, AccountOp } from "../../../schema/rpc/account.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { accountsOf, transferInput } from "../definitions/ledger-transfer.ts";
import type { CallPort } from "./port.ts";

type Move = Omit<StepReport, "step" | "epoch">;

/** The transfer a saga moves money by: its id, legs on physical accounts, and what readers show beside them. */
export type SagaTransfer = {
  id: string;
  legs: TransferLeg[];
  charge: string | null;
  pod: string | null;
  reason: string | null;
};

export const transferOf = (saga: Saga): SagaTransfer => {
  if (saga.kind === "charge") {
    const input = chargeInput(saga);
    return { id: input.transfer, legs: input.legs, charge: input.charge, pod: input.pod, reason: null };
  }
  const input = transferInput(saga);
  return { id: input.transfer, legs: input.legs, charge: null, pod: null, reason: input.reason };
};

/** Legs of a saga's transfer that went to suspense instead of the account that refused them: account → suspense stripe. */
export const redirectsOf = (saga: Saga): Readonly<Record<string, string>> => {
  const post = saga.steps.find((step) => step.name === "post");
  return (post?.result?.redirects as Record<string, string> | undefined) ?? {};
};

/** The legs as they are posted: redirected ones on their suspense stripe. */
export const postedLegs = (saga: Saga): TransferLeg[] => {
  const redirects = redirectsOf(saga);
  return transferOf(saga).legs.map((leg) => ({ ...leg, account: redirects[leg.account] ?? leg.account }));
};

const operation = (saga: Saga, op: AccountOp["op"], account: string, legs: readonly TransferLeg[]): AccountOp => {
  const transfer = transferOf(saga);
  return {
    op,
    transfer: transfer.id,
    saga: saga.id,
    body_hash: bodyHash({ id: transfer.id, legs: transfer.legs }),
    legs: legs.filter((leg) => leg.account === account),
    open: saga.kind === "charge" || !account.startsWith("pod:"),
    tag: op === "post" ? saga.tag : null,
    charge: transfer.charge,
    pod: transfer.pod,
    reason: op === "void" ? reasonOf(saga) : transfer.reason,
    principal: saga.principal,
    correlation: saga.correlation,
  };
};

const reasonOf = (saga: Saga): string | null => {
  if (saga.failure === null) return null;
  if (saga.failure.cause === "cancelled") return "cancelled";
  return saga.failure.cause === "failed" ? saga.failure.code : saga.failure.rejection.code;
};

type Called = { account: string; answer: AccountAnswer | null };

/** Calls every account in parallel; null where the call may not have arrived. */
const callAll = async (
  saga: Saga,
  op: AccountOp["op"],
  accounts: readonly string[],
  port: CallPort,
): Promise<Called[]> => {
  const legs = op === "post" ? postedLegs(saga) : transferOf(saga).legs;
  return Promise.all(
    accounts.map(async (account) => ({
      account,
      answer: await port.account(account, operation(saga, op, account, legs)).catch(() => null),
    })),
  );
};

/** Codes that say "not now": the door was shut, nothing was decided, and the same call is made again. */
const NOT_NOW: ReadonlySet<string> = new Set(["overloaded", "internal", "upstream_unavailable"]);

const isRefusal = (answer: AccountAnswer | null): answer is Extract<AccountAnswer, { ok: false }> =>
  answer !== null && !answer.ok && !NOT_NOW.has(answer.rejection.code);

const refusalOf = (called: readonly Called[]): Rejection | null => {
  for (const { answer } of called) if (isRefusal(answer)) return answer.rejection;
  return null;
};

const unanswered = (called: readonly Called[]): boolean => called.some(({ answer }) => answer === null || !answer.ok);

const again: Move = { outcome: "unknown" };

const declinedWith = (rejection: Rejection): Move => ({
  outcome: "declined",
  declined: { rejection, code: "upstream_unavailable", decline_reason: rejection.code },
});

/** Reserves the legs at each account: yes or no at once, nobody waits. */
export const reserveAt = async (saga: Saga, accounts: readonly string[], port: CallPort): Promise<Move> => {
  const called = await callAll(saga, "reserve", accounts, port);
  const refusal = refusalOf(called);
  if (refusal !== null) return declinedWith(refusal);
  return unanswered(called) ? again : { outcome: "done" };
};

/** Posts at the account that decides. Its no is stored there, and final. */
export const decideAt = async (saga: Saga, account: string, port: CallPort): Promise<Move> => {
  const called = await callAll(saga, "post", [account], port);
  const refusal = refusalOf(called);
  if (refusal !== null) return declinedWith(refusal);
  return unanswered(called) ? again : { outcome: "done", result: acknowledged(called) };
};

/** Voids at each account, the ones that said no included: a late reserve finds a tombstone. */
export const voidAt = async (saga: Saga, accounts: readonly string[], port: CallPort): Promise<Move> => {
  const called = await callAll(saga, "void", accounts, port);
  const posted = called.some(({ answer }) => answer?.ok === true && answer.state === "posted");
  if (posted) throw new Error("an account posted what is being voided");
  return unanswered(called) ? again : { outcome: "done" };
};

const acknowledged = (called: readonly Called[]): JsonObject => ({
  acks: Object.fromEntries(
    called.flatMap(({ account, answer }) =>
      answer?.ok === true ? [[account, { balance: answer.balance, recorded_at: answer.recorded_at }]] : [],
    ),
  ),
});

/**
 * Posts at every account that has not acknowledged yet, again until each has. A closed or never opened account answers with a
 * stored refusal: its legs go to suspense, journalled first.
 */
export const postEverywhere = async (saga: Saga, except: string | null, port: CallPort): Promise<Move> => {
  const before = currentStep(saga).result ?? {};
  const acks = (before.acks ?? {}) as JsonObject;
  const accounts = accountsOf(postedLegs(saga)).filter((account) => account !== except && acks[account] === undefined);
  const called = await callAll(saga, "post", accounts, port);
  const gained = { ...acks, ...(acknowledged(called).acks as JsonObject) };
  const refused = called.filter(({ answer }) => isRefusal(answer));
  if (refused.length > 0) {
    const shard = shardOf("sag", saga.id) ?? 0;
    const redirects = Object.fromEntries(
      refused.map(({ account }) => [
        account,
        resolveStripe(accountNames.suspense(account.split("#")[0]?.slice(-3) ?? ""), shard),
      ]),
    );
    return {
      outcome: "unknown",
      retryInMs: 0,
      result: { acks: gained, redirects: { ...redirectsOf(saga), ...redirects } },
    };
  }
  return unanswered(called) ? { ...again, result: { acks: gained } } : { outcome: "done", result: { acks: gained } };
};
