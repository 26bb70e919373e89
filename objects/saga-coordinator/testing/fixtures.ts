import type { TransferLeg } from "../../../schema/charges.ts";
import { SYSTEM } from "../../../schema/events.ts";
import { feeRates } from "../../../schema/fees.ts";
import { fromMinor } from "../../../schema/money.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { chargeInputOf } from "../begin-charge.ts";
import { advance, begin, type StepReport } from "../decide.ts";
import { chargeByInstrument, chargeByWallet } from "../definitions/charge.ts";
import { ledgerTransfer, type TransferInput } from "../definitions/ledger-transfer.ts";
import { POD } from "./stories.ts";

/** Sagas for tests of one decision, all begun at the same moment in shard 3. */
export const T0 = Date.UTC(2026, 0, 1);
const ULID = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
export const CHARGE = `chg_${ULID}03`;
export const SAGA = `sag_${ULID}03`;
const SHARD = 3;

const sealed = { sealed: "x", key: "k" };

export const beginCharge = (source: "instrument" | "wallet", minor = 10_000n): Saga => {
  const input = chargeInputOf(
    {
      pod: POD,
      payer: "alice",
      amount: fromMinor(minor, "EUR"),
      source: source === "wallet" ? { type: "wallet" } : { type: "instrument", token: "tok_ok" },
      settle_currency: "EUR",
      description: null,
    },
    { charge: CHARGE, transfer: `trf_${ULID}03`, shard: SHARD },
    source === "wallet" ? null : { token: sealed, fingerprint: "fp" },
    null,
    feeRates(undefined),
  );
  const command = { id: SAGA, kind: "charge", subject: "alice", principal: SYSTEM, correlation: "r" } as const;
  const definition = source === "wallet" ? chargeByWallet : chargeByInstrument;
  if (source === "wallet") input.capped = false;
  return begin(definition, { ...command, input: input as unknown as Saga["input"] }, T0, 1);
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

/** A saga driven to the intent of a step, everything before it done. */
export const upTo = (saga: Saga, step: string, now = T0): Saga => {
  let at = saga;
  while (at.steps[at.cursor]?.name !== step) {
    if (at.cursor >= at.steps.length) throw new Error(`no step ${step}`);
    at = told(at, at.steps[at.cursor]?.name === "assess" ? ASSESSED("approve") : DONE, now);
  }
  return at;
};

/** A charge that waits for a review. */
export const inReview = (source: "instrument" | "wallet" = "instrument"): Saga => {
  const reviewed = told(upTo(beginCharge(source), "assess"), ASSESSED("review"));
  return told(reviewed, { outcome: "pending", nextPhase: "wait" });
};
