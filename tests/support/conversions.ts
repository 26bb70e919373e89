import { poll } from "./client.ts";
import type { Charge, Money } from "./story.ts";
import {
  bodyOf,
  type List,
  minor,
  readAll,
  type Saga,
  type Seen,
  total,
  type Verdict,
  verdict,
  type Witness,
} from "./verdict.ts";

/**
 * What holds of charges that settled in another currency: each paid at the rate it shows, each conversion has its one hedge, and
 * the desk, the ledger and the liquidity providers have the same books.
 */

type Account = { credits_posted: string; debits_posted: string };
type Position = { currency: string; position: string; open: string };
type Fill = { provider: string; currency: string; paid: string; received: string };
type Books = { positions: Position[]; fills: Fill[] };
/** A trade as the liquidity provider itself has it. */
type Trade = { provider: string; reference: string; sell: Money; buy: Money };

/** A hedge that is refused is tried again at growing gaps, and a killed queue sends again within a minute. */
const HEDGED_DEADLINE_MS = 75_000;

const decimals = (amount: string): bigint => BigInt(amount.split(".")[1]?.length ?? 0);

/** ⌊sold × rate⌋ in minor units of the bought currency, by whole numbers alone. */
const converted = (sold: string, rate: string, boughtDecimals: bigint): bigint =>
  (minor(sold) * minor(rate) * 10n ** boughtDecimals) / 10n ** (decimals(rate) + decimals(sold));

const rateFaults = ({ id, amount, settled, fees, fx }: Charge): string[] => {
  if (settled === undefined) return [];
  if (fx === undefined) return settled.currency === amount.currency ? [] : [`${id} shows no rate`];
  const made = converted(amount.amount, fx.rate, decimals(settled.amount));
  const listed = total([settled, ...fees.map((fee) => fee.amount)], settled.currency);
  return made === listed ? [] : [`${id} made ${made} minor units at ${fx.rate} and lists ${listed}`];
};

const isConverted = ({ steps }: Saga): boolean =>
  steps.some(({ name, status }) => name === "convert" && status === "done");

/** Waited for: a hedge is nobody's to wait for but ours. */
const hedgeFaults = async ({ operator }: Witness): Promise<{ hedges: number; faults: string[] }> => {
  const look = async () => {
    const [charges, hedges] = await Promise.all(
      ["charge", "hedge"].map((kind) => readAll<Saga>(operator, `/v1/sagas?kind=${kind}`)),
    );
    const open = (hedges ?? []).filter(({ status }) => status !== "completed");
    const conversions = (charges ?? []).filter(isConverted).length;
    const counted = hedges?.length === conversions ? [] : [`${conversions} conversions, ${hedges?.length} hedges`];
    return { hedges: hedges?.length ?? 0, faults: [...open.map(({ id, status }) => `${id} is ${status}`), ...counted] };
  };
  let last = await look();
  await poll(
    async () => {
      last = await look();
      return last.faults.slice(0, 3);
    },
    (faults) => faults.length === 0,
    HEDGED_DEADLINE_MS,
  ).catch(() => undefined);
  return last;
};

const accountOf = async ({ operator }: Witness, name: string): Promise<Account> => {
  const { status, body } = await operator.get<Account>(`/v1/ledger/accounts/${name}`);
  if (status === 404) return { credits_posted: "0", debits_posted: "0" };
  return bodyOf({ status, body, headers: new Headers() });
};

const bookFaults = async (witness: Witness, { positions, fills }: Books): Promise<string[]> => {
  const faults: string[] = [];
  for (const { currency, position, open } of positions) {
    const { credits_posted, debits_posted } = await accountOf(witness, `fx:${currency}`);
    const ledger = minor(credits_posted) - minor(debits_posted);
    if (ledger !== minor(position)) faults.push(`fx:${currency} is ${ledger} minor units, the desk has ${position}`);
    if (minor(open) !== 0n) faults.push(`${open} ${currency} is accepted and neither converted nor released`);
  }
  for (const { provider, currency, paid, received } of fills) {
    const account = await accountOf(witness, `lp:${provider}:${currency}`);
    if (minor(account.credits_posted) !== minor(paid) || minor(account.debits_posted) !== minor(received)) {
      faults.push(`lp:${provider}:${currency} has ${account.debits_posted} in and ${account.credits_posted} out`);
    }
  }
  return faults;
};

/** What each provider itself says we paid and received, against what the desk has of it. */
const tradeFaults = (trades: readonly Trade[], fills: readonly Fill[]): string[] => {
  const told = new Map<string, { paid: bigint; received: bigint }>();
  const at = (provider: string, currency: string) => {
    const key = `${provider} ${currency}`;
    const found = told.get(key) ?? { paid: 0n, received: 0n };
    told.set(key, found);
    return found;
  };
  for (const { provider, sell, buy } of trades) {
    at(provider, sell.currency).paid += minor(sell.amount);
    at(provider, buy.currency).received += minor(buy.amount);
  }
  for (const { provider, currency, paid, received } of fills) {
    const row = at(provider, currency);
    row.paid -= minor(paid);
    row.received -= minor(received);
  }
  return [...told].flatMap(([key, { paid, received }]) =>
    paid === 0n && received === 0n ? [] : [`${key}: the provider has ${paid} more paid and ${received} more received`],
  );
};

/** Nothing where no charge was converted. */
export const conversionVerdicts = async (witness: Witness, seen: readonly Seen[]): Promise<Verdict[]> => {
  const charges = seen.flatMap(({ charge }) => (charge === null ? [] : [charge]));
  const exchanged = charges.filter(({ fx }) => fx !== undefined);
  if (exchanged.length === 0) return [];
  const { hedges, faults } = await hedgeFaults(witness);
  const books = bodyOf(await witness.operator.get<Books>("/v1/fx/position"));
  const { data: trades } = bodyOf(await witness.sandbox.get<List<Trade>>("/lp/books"));
  const held = books.positions.map(({ currency, position }) => `${position} ${currency}`).join(", ");
  return [
    verdict(
      "rates",
      charges.flatMap(rateFaults),
      `${exchanged.length} conversions come to what their rates make of them`,
    ),
    verdict("hedges", faults, `every conversion has one hedge, and all ${hedges} are filled`),
    verdict(
      "trades",
      tradeFaults(trades, books.fills),
      `the providers made the ${trades.length} trades that the desk has`,
    ),
    verdict("position", await bookFaults(witness, books), `the desk's books are the ledger's: ${held}`),
  ];
};
