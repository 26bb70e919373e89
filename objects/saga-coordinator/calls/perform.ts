import { accountNames } from "../../../schema/accounts.ts";
import { chargeInput, settleCurrencyOf } from "../../../schema/charges.ts";
import type { Saga, SagaKind } from "../../../schema/sagas.ts";
import { currentStep, type StepReport } from "../decide.ts";
import { stepDefinition } from "../definitions/index.ts";
import { constrainedAccounts, transferInput } from "../definitions/ledger-transfer.ts";
import { callBranches } from "../steps/group.ts";
import type { Call, Move } from "../steps/move.ts";
import { moveOfKin, sagasOf } from "../steps/sub-saga.ts";
import { tick } from "../steps/timer.ts";
import { awaitEvent } from "../steps/wait.ts";
import { decideAt, postEverywhere, reserveAt, voidAt } from "./accounts.ts";
import { acceptRate, convertAtRate, executeHedge, releaseRate } from "./desk.ts";
import { admit, announceReview, assess, conclude, endPermit, releaseRisk } from "./pod.ts";
import type { CallPort } from "./port.ts";
import { callProvider } from "./provider.ts";

type Calls = { forward: Call; undo?: Call };

/** The calls of every kind's steps by the step's name; those of a group's branch by `<step>/<branch>`. */
export type CallTable = Readonly<Record<SagaKind, Readonly<Record<string, Calls>>>>;

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

export const CALLS: CallTable = {
  charge: chargeCalls,
  ledger_transfer: transferCalls,
  hedge: hedgeCalls,
};

/**
 * Does what the journal says is due and reports what it came to. An infrastructure fault is not an outcome of the step: the call is
 * made again with the same words, or, at a provider, asked about. What needs no call is answered here: a wait, a timer's moment, how
 * the saga stands that is a step of this one.
 */
export const perform = async (saga: Saga, port: CallPort, calls: CallTable = CALLS): Promise<StepReport> => {
  const move = await moveOf(saga, port, calls[saga.kind]);
  return { step: saga.cursor, epoch: saga.epoch, ...move };
};

const moveOf = async (saga: Saga, port: CallPort, calls: Readonly<Record<string, Calls>>): Promise<Move> => {
  const { name, phase } = currentStep(saga);
  const { does } = stepDefinition(saga, saga.cursor);
  const callOf = (called: string): Call => {
    const call = phase === "compensate" ? calls[called]?.undo : calls[called]?.forward;
    if (call === undefined) throw new Error(`${saga.kind} has no call for ${called}/${phase}`);
    return call;
  };
  switch (does.type) {
    case "call":
      return callOf(name)(saga, port);
    case "wait":
      return awaitEvent(saga, does, calls[name]?.forward, port);
    case "timer":
      return tick(saga, does, port.now());
    case "group":
      return callBranches(saga, does, (branch) => callOf(`${name}/${branch}`), port);
    case "saga":
      return moveOfKin(saga, ...sagasOf(saga, does, (id) => port.saga(id)));
  }
};
