import { chargeInput, type TransferLeg } from "../../../schema/charges.ts";
import { type JsonObject, SYSTEM } from "../../../schema/events.ts";
import { feeRates } from "../../../schema/fees.ts";
import { fromMinor } from "../../../schema/money.ts";
import type { AcceptedTerms } from "../../../schema/rpc/desk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { chargeInputOf, convertedLegs } from "../begin-charge.ts";
import { hedgeBegunBy } from "../begin-hedge.ts";
import { advance, begin, type StepReport } from "../decide.ts";
import { chargeDefinition } from "../definitions/charge.ts";
import { hedge } from "../definitions/hedge.ts";
import { ledgerTransfer, type TransferInput } from "../definitions/ledger-transfer.ts";
import { POD } from "./stories.ts";

/** Sagas for tests of one decision, all begun at the same moment in shard 3. */
export const T0 = Date.UTC(2026, 0, 1);
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const CHARGE = `chg_${ULID}03`;
export const SAGA = `sag_${ULID}03`;
const HEDGE_ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAW";
export const HEDGE = `sag_${HEDGE_ULID}03`;
const SHARD = 3;

const IDS = {
  charge: CHARGE,
  transfer: `trf_${ULID}03`,
  hedge: HEDGE,
  hedge_transfer: `trf_${HEDGE_ULID}03`,
  shard: SHARD,
};

const sealed = { sealed: "x", key: "k" };

/**
 * A charge in EUR; `conversion`: that settles in another currency, at the payer's quote or one that the desk finds. `capped`: of a
 * wallet's, what was known of the pod's cap; null: nothing, as when nobody had caps.
 */
export const beginCharge = (
  source: "instrument" | "wallet",
  minor = 10_000n,
  conversion?: { to: string; quote?: string },
  capped: boolean | null = false,
): Saga => {
  const input = chargeInputOf(
    {
      pod: POD,
      payer: "alice",
      amount: fromMinor(minor, "EUR"),
      source: source === "wallet" ? { type: "wallet" } : { type: "instrument", token: "tok_ok" },
      settle_currency: conversion?.to ?? "EUR",
      ...(conversion?.quote === undefined ? {} : { quote: conversion.quote }),
      description: null,
    },
    IDS,
    source === "wallet" ? null : { token: sealed, fingerprint: "fp" },
    null,
    feeRates(undefined),
  );
  const command = { id: SAGA, kind: "charge", subject: "alice", principal: SYSTEM, correlation: "r" } as const;
  if (source === "wallet" && capped !== null) input.capped = capped;
  return begin(chargeDefinition(input), { ...command, input: input as unknown as Saga["input"] }, T0, 1);
};

export const legOf = (account: string, direction: "debit" | "credit", minor = 100n, index = "0"): TransferLeg => ({
  index,
  account,
  direction,
  amount: fromMinor(minor, account.split("#")[0]?.slice(-3) ?? ""),
});

/** Legs by how many accounts may refuse them. */
export const legsWith = (constrained: 0 | 1 | 2 | 3): TransferLeg[] => {
  const payers = ["wallet:alice:EUR", "wallet:bob:EUR", "wallet:carol:EUR"].slice(0, constrained);
  const debits = payers.length > 0 ? payers : ["bank:sandbox:EUR#3"];
  const legs = debits.map((account) => legOf(account, "debit"));
  legs.push(legOf("fee:EUR#3", "credit", 100n * BigInt(legs.length)));
  return legs.map((leg, index) => ({ ...leg, index: String(index) }));
};

export const beginTransfer = (legs: TransferLeg[]): Saga => {
  const input: TransferInput = { transfer: `trf_${ULID}`, legs, reason: "test", metadata: {} };
  const command = { id: SAGA, kind: "ledger_transfer", subject: "op", principal: SYSTEM, correlation: "r" } as const;
  return begin(ledgerTransfer, { ...command, input: input as unknown as Saga["input"] }, T0, 1);
};

export type Move = Omit<StepReport, "step" | "epoch">;

export const DONE: Move = { outcome: "done" };

/** The saga after a report of its present step, which must be heard. */
export const told = (saga: Saga, move: Move, now = T0, cutEpoch = 1): Saga => {
  const after = advance(saga, { step: saga.cursor, epoch: saga.epoch, ...move }, now, cutEpoch);
  if (after === null) throw new Error(`${saga.id} did not hear ${JSON.stringify(move)}`);
  return after;
};

export const ASSESSED = (outcome: "approve" | "review"): Move => ({
  outcome: "done",
  result: { outcome, score: "0", reasons: [] },
});

/** What the desk accepts 100.00 EUR at: 1.08712 USD for one, fees of 1.5 % and 0.5 %. */
export const TERMS: AcceptedTerms = {
  sell: fromMinor(10_000n, "EUR"),
  buy: fromMinor(10_871n, "USD"),
  debit: fromMinor(10_872n, "USD"),
  rounding: fromMinor(1n, "USD"),
  rate: "1.08712",
  quote: "fxq_1",
  provider: "lp-a",
  fees: [
    { name: "psp", amount: fromMinor(163n, "USD") },
    { name: "fx", amount: fromMinor(54n, "USD") },
  ],
  settled: fromMinor(10_654n, "USD"),
};

/** The answer that the step at hand goes on from. */
export const answerTo = (saga: Saga): Move => {
  const name = saga.steps[saga.cursor]?.name;
  if (name === "assess") return ASSESSED("approve");
  if (name === "execute") {
    const legs = [
      legOf("fx:EUR#3", "debit", 10_000n, "0"),
      legOf(`lp:${FILL.provider}:EUR#3`, "credit", 10_000n, "1"),
      legOf(`lp:${FILL.provider}:USD#3`, "debit", 10_869n, "2"),
      legOf("fx:USD#3", "credit", 10_869n, "3"),
    ];
    return { outcome: "done", result: { ...FILL, legs } };
  }
  if (name !== "accept") return DONE;
  const legs = convertedLegs(chargeInput(saga), TERMS, SHARD);
  return { outcome: "done", result: { terms: TERMS, legs } as unknown as JsonObject };
};

/** A saga driven to the intent of a step, everything before it done. */
export const upTo = (saga: Saga, step: string, now = T0): Saga => {
  let at = saga;
  while (at.steps[at.cursor]?.name !== step) {
    if (at.cursor >= at.steps.length) throw new Error(`no step ${step}`);
    at = told(at, answerTo(at), now);
  }
  return at;
};

/** What a provider made of a hedge of {@link TERMS}. */
export const FILL = {
  provider: "lp-b",
  provider_ref: "ref-1",
  sell: fromMinor(10_000n, "EUR"),
  buy: fromMinor(10_869n, "USD"),
  rate: "1.0869",
};

/** The hedge that a converted charge begins, in the state it is begun in. */
export const beginHedge = (source: "instrument" | "wallet" = "instrument"): Saga => {
  const converting = upTo(beginCharge(source, 10_000n, { to: "USD" }), "convert");
  const first = hedgeBegunBy(converting, told(converting, DONE));
  if (first === null) throw new Error("a conversion without a hedge");
  return begin(hedge, first, T0, 1);
};

/** A charge that waits for a review. */
export const inReview = (
  source: "instrument" | "wallet" = "instrument",
  conversion?: { to: string; quote?: string },
): Saga => {
  const reviewed = told(upTo(beginCharge(source, 10_000n, conversion), "assess"), ASSESSED("review"));
  return told(reviewed, { outcome: "pending", nextPhase: "wait" });
};
