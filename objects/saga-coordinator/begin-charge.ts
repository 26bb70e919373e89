import { accountNames, resolveStripe } from "../../schema/accounts.ts";
import type { ChargeInput, ChargeSource, Fee, Sealed, TransferLeg } from "../../schema/charges.ts";
import { DEFAULT_CONNECTOR } from "../../schema/connectors.ts";
import { type FeeRates, settle } from "../../schema/fees.ts";
import { type MoneyJson, toMinor } from "../../schema/money.ts";
import type { CreateCharge } from "../../schema/rpc/coordinator.ts";

/** The charge's legs on physical accounts: debit where the money comes from, credit the pod, credit the fee. Zero legs are left out. */
export const chargeLegs = (
  pod: string,
  from: string,
  amount: MoneyJson,
  settled: MoneyJson,
  fees: readonly Fee[],
  shard: number,
): TransferLeg[] => {
  const { currency } = amount;
  const legs: Omit<TransferLeg, "index">[] = [
    { account: from, direction: "debit", amount },
    { account: accountNames.pod(pod, currency), direction: "credit", amount: settled },
    ...fees.map((fee) => ({ account: accountNames.fee(currency), direction: "credit" as const, amount: fee.amount })),
  ];
  return legs
    .filter((leg) => toMinor(leg.amount) > 0n)
    .map((leg, index) => ({ ...leg, index: String(index), account: resolveStripe(leg.account, shard) }));
};

export type SealedCharge = { token: Sealed; fingerprint: string } | null;

/** The input of a charge saga, fees and physical accounts fixed. */
export const chargeInputOf = (
  command: CreateCharge,
  ids: { charge: string; transfer: string; shard: number },
  instrument: SealedCharge,
  description: Sealed | null,
  rates: FeeRates,
): ChargeInput => {
  const { pod, payer, amount } = command;
  const { settled, fees } = settle(amount, rates, false);
  const source: ChargeSource =
    instrument === null ? { type: "wallet" } : { type: "instrument", connector: DEFAULT_CONNECTOR, ...instrument };
  const from =
    source.type === "wallet"
      ? accountNames.wallet(payer, amount.currency)
      : accountNames.psp(source.connector, amount.currency);
  return {
    charge: ids.charge,
    pod,
    payer,
    amount,
    settled,
    fees,
    source,
    description,
    transfer: ids.transfer,
    legs: chargeLegs(pod, from, amount, settled, fees, ids.shard),
  };
};
