import { accountNames, resolveStripe } from "../../schema/accounts.ts";
import type { ChargeInput, ChargeSource, ConversionInput, Fee, Sealed, TransferLeg } from "../../schema/charges.ts";
import { DEFAULT_CONNECTOR } from "../../schema/connectors.ts";
import { type FeeRates, settle } from "../../schema/fees.ts";
import { type MoneyJson, toMinor } from "../../schema/money.ts";
import type { CreateCharge } from "../../schema/rpc/coordinator.ts";
import type { AcceptedTerms } from "../../schema/rpc/desk.ts";

type LogicalLeg = Omit<TransferLeg, "index">;

/** Legs on the shard's physical accounts, numbered. Zero legs are left out. */
export const onShard = (legs: readonly LogicalLeg[], shard: number): TransferLeg[] =>
  legs
    .filter((leg) => toMinor(leg.amount) > 0n)
    .map((leg, index) => ({ ...leg, index: String(index), account: resolveStripe(leg.account, shard) }));

const feeLegs = (fees: readonly Fee[]): LogicalLeg[] =>
  fees.map(({ amount }) => ({ account: accountNames.fee(amount.currency), direction: "credit", amount }));

/** The charge's legs on physical accounts: debit where the money comes from, credit the pod, credit the fee. Zero legs are left out. */
export const chargeLegs = (
  pod: string,
  from: string,
  amount: MoneyJson,
  settled: MoneyJson,
  fees: readonly Fee[],
  shard: number,
): TransferLeg[] =>
  onShard(
    [
      { account: from, direction: "debit", amount },
      { account: accountNames.pod(pod, settled.currency), direction: "credit", amount: settled },
      ...feeLegs(fees),
    ],
    shard,
  );

/** Where a charge's money comes from: the payer's wallet, or what the provider owes us. A logical name. */
const payingAccount = ({ source, payer, amount }: Pick<ChargeInput, "source" | "payer" | "amount">): string =>
  source.type === "wallet"
    ? accountNames.wallet(payer, amount.currency)
    : accountNames.psp(source.connector, amount.currency);

/**
 * The legs of a converted charge at its accepted terms. In the sold currency the position takes what the payer gives; in the
 * bought one it gives the conversion rounded up, of which the pod, the fees and the rounding account get their shares.
 */
export const convertedLegs = (
  charge: Pick<ChargeInput, "pod" | "source" | "payer" | "amount">,
  terms: AcceptedTerms,
  shard: number,
): TransferLeg[] => {
  const { amount, pod } = charge;
  const { currency } = terms.settled;
  return onShard(
    [
      { account: payingAccount(charge), direction: "debit", amount },
      { account: accountNames.fx(amount.currency), direction: "credit", amount },
      { account: accountNames.fx(currency), direction: "debit", amount: terms.debit },
      { account: accountNames.pod(pod, currency), direction: "credit", amount: terms.settled },
      ...feeLegs(terms.fees),
      { account: accountNames.rounding(currency), direction: "credit", amount: terms.rounding },
    ],
    shard,
  );
};

export type SealedCharge = { token: Sealed; fingerprint: string } | null;

export type ChargeIds = { charge: string; transfer: string; hedge: string; hedge_transfer: string; shard: number };

/** The input of a charge saga, physical accounts fixed; fees too, unless they follow from a rate that is yet to be accepted. */
export const chargeInputOf = (
  command: CreateCharge & { settle_currency: string },
  ids: ChargeIds,
  instrument: SealedCharge,
  description: Sealed | null,
  rates: FeeRates,
): ChargeInput => {
  const { pod, payer, amount, settle_currency } = command;
  const source: ChargeSource =
    instrument === null ? { type: "wallet" } : { type: "instrument", connector: DEFAULT_CONNECTOR, ...instrument };
  const begun = { charge: ids.charge, pod, payer, amount };
  const rest = { source, description, transfer: ids.transfer };
  if (settle_currency !== amount.currency) {
    const { hedge, hedge_transfer } = ids;
    const quote = command.quote ?? null;
    const conversion: ConversionInput = { buy_currency: settle_currency, quote, hedge, hedge_transfer };
    return { ...begun, settled: null, fees: [], ...rest, legs: [], conversion };
  }
  const { settled, fees } = settle(amount, rates, false);
  const legs = chargeLegs(pod, payingAccount({ source, payer, amount }), amount, settled, fees, ids.shard);
  return { ...begun, settled, fees, ...rest, legs };
};
