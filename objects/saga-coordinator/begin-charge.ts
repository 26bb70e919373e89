import { z } from "zod";
import { accountNames, resolveStripe } from "../../schema/accounts.ts";
import type { ChargeInput, ChargeSource, Fee, Sealed, TransferLeg } from "../../schema/charges.ts";
import { DEFAULT_CONNECTOR } from "../../schema/connectors.ts";
import { addChecked, feeOf, fromMinor, type MoneyJson, toMinor } from "../../schema/money.ts";
import type { CreateCharge } from "../../schema/rpc/coordinator.ts";

const rate = z.string().regex(/^0(?:\.\d{1,6})?$/);
const feesSchema = z.strictObject({ psp: rate });
export type FeeRates = z.infer<typeof feesSchema>;

/** The shipped fees, as shares of the settled amount before fees. */
const SHIPPED_FEES: FeeRates = { psp: "0.015" };

/** Fee rates from configuration (JSON such as `{"psp":"0.015"}`), or the shipped ones. Throws on anything else. */
export const feeRates = (setting: string | undefined): FeeRates =>
  setting === undefined || setting === "" ? SHIPPED_FEES : feesSchema.parse(JSON.parse(setting));

/** Amount less fees, and the fees, each rounded half up to the minor unit and never above the amount. */
export const settle = (amount: MoneyJson, rates: FeeRates): { settled: MoneyJson; fees: Fee[] } => {
  const gross = toMinor(amount);
  const psp = feeOf(gross, rates.psp);
  return {
    settled: fromMinor(addChecked(gross, -psp), amount.currency),
    fees: [{ name: "psp", amount: fromMinor(psp, amount.currency) }],
  };
};

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
  const { settled, fees } = settle(amount, rates);
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
