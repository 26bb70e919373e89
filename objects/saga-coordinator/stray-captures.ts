import { accountNames, resolveStripe } from "../../schema/accounts.ts";
import { chargeInput } from "../../schema/charges.ts";
import { SYSTEM } from "../../schema/events.ts";
import { shardOf } from "../../schema/ids.ts";
import { inRange, type MoneyJson, toMinor } from "../../schema/money.ts";
import type { InboxItem } from "../../schema/rpc/coordinator.ts";
import type { Saga, SagaStep, StrayCapture } from "../../schema/sagas.ts";
import type { BeginSaga } from "./decide.ts";
import type { TransferInput } from "./definitions/ledger-transfer.ts";

/** Money that a provider holds for us and no charge accounts for. */
type Found = Pick<StrayCapture, "provider_ref" | "amount">;

const captureOf = (saga: Saga): SagaStep | undefined => saga.steps.find(({ name }) => name === "capture");

/** What the provider captured instead of the charge's amount, as far as its step knows; null: nothing of the kind. */
export const captureInDoubt = (saga: Saga): Found | null => {
  const result = captureOf(saga)?.result;
  const amount = result?.captured_amount as MoneyJson | undefined;
  return amount === undefined ? null : { provider_ref: String(result?.provider_ref ?? ""), amount };
};

/**
 * What a webhook brings to light: a capture of a charge that goes back or has gone. Null when it tells nothing new, or no amount:
 * what cannot be counted cannot be booked.
 */
export const strayIn = (saga: Saga, { state, amount, provider_ref }: InboxItem): Found | null => {
  if (saga.failure === null || state !== "captured" || amount === null || provider_ref === null) return null;
  if (!inRange(toMinor(amount))) return null;
  const isKnown = saga.strays?.some((known) => known.provider_ref === provider_ref) === true;
  return isKnown ? null : { provider_ref, amount };
};

/** True when a webhook tells of another payment than the one this charge was posted on. */
export const isAnother = (saga: Saga, { provider_ref }: InboxItem): boolean => {
  const posted = captureOf(saga)?.result?.provider_ref;
  return typeof posted === "string" && posted !== "" && provider_ref !== null && posted !== provider_ref;
};

/** The charge with a capture that the saga `straySaga`, begun in the same commit, books to suspense. */
export const withStray = (saga: Saga, found: Found, straySaga: string): Saga => ({
  ...saga,
  strays: [...(saga.strays ?? []), { ...found, saga: straySaga }],
});

/** The saga that a charge's entry begins for a stray capture: Dr psp, Cr suspense, under an id that follows from the charge's. */
export const strayBookedBy = (before: Saga, after: Saga): BeginSaga | null => {
  const at = before.strays?.length ?? 0;
  const stray = after.strays?.[at];
  if (stray === undefined) return null;
  const { charge, source, transfer } = chargeInput(after);
  const shard = shardOf("sag", after.id);
  if (source.type !== "instrument" || shard === null) throw new Error(`${after.id} captures nothing`);
  const { amount, provider_ref } = stray;
  const account = (name: string): string => resolveStripe(name, shard);
  const input: TransferInput = {
    transfer: `${transfer}:stray${at}`,
    legs: [
      { index: "0", account: account(accountNames.psp(source.connector, amount.currency)), direction: "debit", amount },
      { index: "1", account: account(accountNames.suspense(amount.currency)), direction: "credit", amount },
    ],
    reason: "a capture that no charge accounts for",
    metadata: { charge, provider_ref },
  };
  const { subject, correlation } = after;
  return {
    id: stray.saga,
    kind: "ledger_transfer",
    subject,
    input: input as unknown as BeginSaga["input"],
    principal: SYSTEM,
    correlation,
  };
};
