import { accountNames, parseAccount, resolveStripe } from "../../../schema/accounts.ts";
import { acceptedLegsOf, chargeInput, type FailureCode, type TransferLeg } from "../../../schema/charges.ts";
import { bodyHash } from "../../../schema/events.ts";
import { shardOf } from "../../../schema/ids.ts";
import type { Rejection } from "../../../schema/rejections.ts";
import type { AccountAnswer, AccountOp } from "../../../schema/rpc/account.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { hedgeInput, hedgeLegs } from "../definitions/hedge.ts";
import { transferInput } from "../definitions/ledger-transfer.ts";
import type { CallPort } from "./port.ts";

type Move = Omit<StepReport, "step" | "epoch">;

/** The transfer a saga moves money by: its id, legs on physical accounts, and what readers show beside them. */
export type SagaTransfer = {
  id: string;
  legs: TransferLeg[];
  charge: string | null;
  pod: string | null;
  reason: string | null;
  /** When its postings claim to count from; absent: when they are recorded. */
  effectiveAt?: string | undefined;
};

/** A saga's transfer. Its legs are none as long as they depend on a rate that nobody has accepted, or a trade nobody has made. */
export const transferOf = (saga: Saga): SagaTransfer => {
  switch (saga.kind) {
    case "charge": {
      const { transfer, charge, pod } = chargeInput(saga);
      return { id: transfer, legs: legsOf(saga), charge, pod, reason: null };
    }
    case "hedge":
      return { id: hedgeInput(saga).transfer, legs: hedgeLegs(saga), charge: null, pod: null, reason: null };
    case "ledger_transfer": {
      const { transfer, legs, reason, effective_at } = transferInput(saga);
      return { id: transfer, legs, charge: null, pod: null, reason, effectiveAt: effective_at };
    }
  }
};

/** A charge's legs: fixed at begin, or by the rate it was accepted at; none before that. */
const legsOf = (saga: Saga): TransferLeg[] => {
  const { conversion, legs } = chargeInput(saga);
  return conversion === undefined ? legs : (acceptedLegsOf(saga) ?? []);
};

/** A leg that went to suspense instead of the account that refused it: where, and the cut epoch of that decision. */
type Redirect = { account: string; tag: string };

const redirectsOf = (saga: Saga): Readonly<Record<string, Redirect>> => {
  const post = saga.steps.find((step) => step.name === "post");
  return (post?.result?.redirects as Record<string, Redirect> | undefined) ?? {};
};

/** How many legs of a saga's transfer went to suspense. */
export const redirectedLegs = (saga: Saga): number => Object.keys(redirectsOf(saga)).length;

/**
 * A leg as it is posted. A redirected one goes to suspense under an id of its own, derived from transfer and leg: the transfer may
 * have a leg at that stripe already, and once means once a leg.
 */
export type Posting = { leg: TransferLeg; transfer: string; tag: number | null };

/** The postings of a saga's transfer, as of a cut epoch: a leg redirected later still counts where it was meant to go. */
export const postingsOf = (saga: Saga, epoch = Number.POSITIVE_INFINITY): Posting[] => {
  const { id, legs } = transferOf(saga);
  const redirects = redirectsOf(saga);
  return legs.map((leg) => {
    const redirect = redirects[leg.index];
    if (redirect === undefined || Number(redirect.tag) > epoch) return { leg, transfer: id, tag: saga.tag };
    return { leg: { ...leg, account: redirect.account }, transfer: `${id}.${leg.index}`, tag: Number(redirect.tag) };
  });
};

/** The legs where they are posted. */
export const postedLegs = (saga: Saga): TransferLeg[] => postingsOf(saga).map(({ leg }) => leg);

type Words = { transfer: string; legs: readonly TransferLeg[]; tag: number | null };

const operation = (saga: Saga, op: AccountOp["op"], account: string, words: Words): AccountOp => {
  const transfer = transferOf(saga);
  return {
    op,
    transfer: words.transfer,
    saga: saga.id,
    body_hash: bodyHash({ id: transfer.id, legs: transfer.legs }),
    legs: [...words.legs],
    // Whoever began the saga has asked whether its accounts exist, or may.
    open: true,
    tag: op === "post" ? words.tag : null,
    charge: transfer.charge,
    pod: transfer.pod,
    reason: op === "void" ? reasonOf(saga) : transfer.reason,
    principal: principalAt(saga, account),
    correlation: saga.correlation,
    ...(op === "post" && transfer.effectiveAt !== undefined ? { effective_at: transfer.effectiveAt } : {}),
  };
};

/** A pod's members read its account's events, and there an operator is "operator"; the journal names who it was. */
const principalAt = (saga: Saga, account: string): AccountOp["principal"] =>
  saga.kind === "ledger_transfer" && account.startsWith("pod:")
    ? { ...saga.principal, user: "operator" }
    : saga.principal;

const reasonOf = (saga: Saga): string | null => {
  if (saga.failure === null) return null;
  if (saga.failure.cause === "cancelled") return "cancelled";
  return saga.failure.cause === "failed" ? saga.failure.code : saga.failure.rejection.code;
};

/** One call at one account: every leg of one transfer id there. */
type Target = { account: string; words: Words };
type Called = Target & { answer: AccountAnswer | null };

const ofTransfer = (saga: Saga, account: string): Target => {
  const { id, legs } = transferOf(saga);
  return { account, words: { transfer: id, legs: legs.filter((leg) => leg.account === account), tag: saga.tag } };
};

/** The calls that post a saga's transfer: one for each account, and one for each redirected leg. */
const postTargets = (saga: Saga): Target[] => {
  const targets = new Map<string, Target & { words: { legs: TransferLeg[] } }>();
  for (const { leg, transfer, tag } of postingsOf(saga)) {
    const key = `${transfer}@${leg.account}`;
    const target = targets.get(key) ?? { account: leg.account, words: { transfer, legs: [], tag } };
    target.words.legs.push(leg);
    targets.set(key, target);
  }
  return [...targets.values()];
};

/** Calls every account in parallel; null where the call may not have arrived. */
const callAll = async (
  saga: Saga,
  op: AccountOp["op"],
  targets: readonly Target[],
  port: CallPort,
): Promise<Called[]> =>
  Promise.all(
    targets
      // A fee may be the whole amount: the leg of zero was left out, and its account has nothing to say.
      .filter(({ words }) => words.legs.length > 0)
      .map(async (target) => ({
        ...target,
        answer: await port.account(target.account, operation(saga, op, target.account, target.words)).catch(() => null),
      })),
  );

type FinalNo = Extract<AccountAnswer, { ok: false }>;

/** A no that is not final said nothing of the transfer: the door was shut, and the same call is made again. */
const finalNo = (answer: AccountAnswer | null): FinalNo | null =>
  answer !== null && !answer.ok && answer.final ? answer : null;

const refusalOf = (called: readonly Called[]): Rejection | null =>
  called.map(({ answer }) => finalNo(answer)).find((no) => no !== null)?.rejection ?? null;

const unanswered = (called: readonly Called[]): boolean => called.some(({ answer }) => answer === null || !answer.ok);

/** The same calls once more; the step shows why, where an account said so. */
const again = (called: readonly Called[]): Move => {
  const shut = called.map(({ answer }) => (answer === null || answer.ok ? null : answer.rejection));
  const error = shut.find((rejection) => rejection !== null);
  return error === undefined ? { outcome: "unknown" } : { outcome: "unknown", error };
};

const declinedWith = (rejection: Rejection, code: FailureCode): Move => ({
  outcome: "declined",
  declined: { rejection, code, decline_reason: rejection.code },
});

/** Reserves the legs at each account: yes or no at once, nobody waits. */
export const reserveAt = async (saga: Saga, accounts: readonly string[], port: CallPort): Promise<Move> => {
  const targets = accounts.map((account) => ofTransfer(saga, account));
  const called = await callAll(saga, "reserve", targets, port);
  const refusal = refusalOf(called);
  if (refusal !== null) return declinedWith(refusal, "upstream_unavailable");
  return unanswered(called) ? again(called) : { outcome: "done" };
};

/** Posts at the account that decides: the payer's. Its no is stored there, and final. */
export const decideAt = async (saga: Saga, account: string, port: CallPort): Promise<Move> => {
  const called = await callAll(saga, "post", [ofTransfer(saga, account)], port);
  const refusal = refusalOf(called);
  if (refusal !== null) return declinedWith(refusal, "payment_declined");
  return unanswered(called) ? again(called) : { outcome: "done", result: { acks: acknowledged(called) } };
};

/** Voids at each account, the ones that said no included: a late reserve finds a tombstone. */
export const voidAt = async (saga: Saga, accounts: readonly string[], port: CallPort): Promise<Move> => {
  const targets = accounts.map((account) => ofTransfer(saga, account));
  const called = await callAll(saga, "void", targets, port);
  const posted = called.find(({ answer }) => answer?.ok === true && answer.state === "posted");
  if (posted !== undefined) return { outcome: "unknown", park: `${posted.account} posted what is being voided` };
  return unanswered(called) ? again(called) : { outcome: "done" };
};

/** Acknowledgements by call, as the journal keeps them. */
type Acks = Record<string, { account: string; balance: string; recorded_at: string }>;

const ackKey = ({ account, words }: Target): string => `${words.transfer}@${account}`;

const acknowledged = (called: readonly Called[]): Acks =>
  Object.fromEntries(
    called.flatMap((target) => {
      const { account, answer } = target;
      if (answer?.ok !== true) return [];
      return [[ackKey(target), { account, balance: answer.balance, recorded_at: answer.recorded_at }]];
    }),
  );

/**
 * What may refuse a credit that nobody reserved: an account that is closed, was never opened, was given its cap only after the
 * transfer had begun, or has been given as much as it can ever be.
 */
const REDIRECTED: ReadonlySet<string> = new Set([
  "account_closed",
  "not_found",
  "limit_exceeded",
  "amount_out_of_range",
]);

/** A house account takes all but an amount that is none, which suspense would not take either. */
const mayRedirect = ({ account, answer }: Called): boolean =>
  REDIRECTED.has(finalNo(answer)?.rejection.code ?? "") && parseAccount(account)?.rules.governed === true;

/**
 * Posts at every account that has not acknowledged yet, again until each has. One that may still say no answers with a stored
 * refusal: its legs go to suspense, journalled first. Any other refusal here is beyond the rules.
 */
export const postEverywhere = async (saga: Saga, except: string | null, port: CallPort): Promise<Move> => {
  const acks = (currentStep(saga).result?.acks ?? {}) as Acks;
  const targets = postTargets(saga).filter((target) => target.account !== except && acks[ackKey(target)] === undefined);
  const called = await callAll(saga, "post", targets, port);
  const result = { acks: { ...acks, ...acknowledged(called) } };
  const refused = called.filter(({ answer }) => finalNo(answer) !== null);
  const beyond = refused.find((one) => !mayRedirect(one));
  if (beyond !== undefined) {
    return { outcome: "unknown", result, park: `${beyond.account}: ${finalNo(beyond.answer)?.rejection.code}` };
  }
  if (refused.length > 0) return { outcome: "unknown", result, retryInMs: 0, redirects: toSuspense(saga, refused) };
  return unanswered(called) ? { ...again(called), result } : { outcome: "done", result };
};

const toSuspense = (saga: Saga, refused: readonly Called[]): Record<string, string> => {
  const shard = shardOf("sag", saga.id);
  if (shard === null) throw new Error(`${saga.id} names no shard`);
  return Object.fromEntries(
    refused.flatMap(({ words }) =>
      words.legs.map((leg) => [leg.index, resolveStripe(accountNames.suspense(leg.amount.currency), shard)]),
    ),
  );
};
