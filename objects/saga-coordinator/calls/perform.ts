import { accountNames } from "../../../schema/accounts.ts";
import { chargeInput, settleCurrencyOf } from "../../../schema/charges.ts";
import type { Saga, SagaKind } from "../../../schema/sagas.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { constrainedAccounts, transferInput } from "../definitions/ledger-transfer.ts";
import { decideAt, postEverywhere, reserveAt, voidAt } from "./accounts.ts";
import { acceptRate, convertAtRate, executeHedge, releaseRate } from "./desk.ts";
import { admit, announceReview, assess, conclude, endPermit, releaseRisk } from "./pod.ts";
import type { CallPort } from "./port.ts";
import { callProvider } from "./provider.ts";

type Move = Omit<StepReport, "step" | "epoch">;
type Calls = {
  forward: (saga: Saga, port: CallPort) => Promise<Move>;
  undo?: (saga: Saga, port: CallPort) => Promise<Move>;
};

const podAccount = (saga: Saga): string => {
  const input = chargeInput(saga);
  return accountNames.pod(input.pod, settleCurrencyOf(input));
};

const walletAccount = (saga: Saga): string => {
  const { payer, amount } = chargeInput(saga);
  return accountNames.wallet(payer, amount.currency);
};

/** The last agent: the constrained account whose post decides. */
const lastAgent = (saga: Saga): string | null => constrainedAccounts(transferInput(saga)).at(-1) ?? null;

const chargeCalls: Readonly<Record<string, Calls>> = {
  admit: { forward: admit, undo: endPermit },
  assess: { forward: assess, undo: releaseRisk },
  review: { forward: announceReview },
  accept: { forward: acceptRate, undo: releaseRate },
  reserve: {
    forward: (saga, port) => reserveAt(saga, [podAccount(saga)], port),
    undo: (saga, port) => voidAt(saga, [podAccount(saga)], port),
  },
  capture: { forward: callProvider },
  debit: { forward: (saga, port) => decideAt(saga, walletAccount(saga), port) },
  convert: { forward: convertAtRate },
  post: {
    forward: (saga, port) =>
      postEverywhere(saga, chargeInput(saga).source.type === "wallet" ? walletAccount(saga) : null, port),
  },
  conclude: { forward: conclude },
};

const transferCalls: Readonly<Record<string, Calls>> = {
  reserve: {
    forward: (saga, port) => reserveAt(saga, constrainedAccounts(transferInput(saga)).slice(0, -1), port),
    undo: (saga, port) => voidAt(saga, constrainedAccounts(transferInput(saga)), port),
  },
  decide: { forward: (saga, port) => decideAt(saga, lastAgent(saga) ?? "", port) },
  post: { forward: (saga, port) => postEverywhere(saga, lastAgent(saga), port) },
};

const hedgeCalls: Readonly<Record<string, Calls>> = {
  execute: { forward: executeHedge },
  post: { forward: (saga, port) => postEverywhere(saga, null, port) },
};

const CALLS: Readonly<Record<SagaKind, Readonly<Record<string, Calls>>>> = {
  charge: chargeCalls,
  ledger_transfer: transferCalls,
  hedge: hedgeCalls,
};

/**
 * Makes the call the journal says is due and reports what it came to. An infrastructure fault is not an outcome of the step:
 * the call is made again with the same words, or, at a provider, asked about.
 */
export const perform = async (saga: Saga, port: CallPort): Promise<StepReport> => {
  const step = currentStep(saga);
  const calls = CALLS[saga.kind][step.name];
  const call = step.phase === "compensate" ? calls?.undo : calls?.forward;
  if (call === undefined) throw new Error(`${saga.kind} has no call for ${step.name}/${step.phase}`);
  const move = await call(saga, port);
  return { step: saga.cursor, epoch: saga.epoch, ...move };
};
