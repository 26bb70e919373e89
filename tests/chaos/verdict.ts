import { checkAll, checkMoney, inBatches, type Report, readAll, type Verdict } from "../support/checker.ts";
import { type Api, poll } from "../support/client.ts";
import { type Money, must } from "../support/story.ts";
import type { Ground } from "./load.ts";
import { type ChargeRecord, hasEnded, type Leg, type Records } from "./records.ts";

/** What each wallet was given at the start, EUR. */
export const OPENING = "300.00";
const ENTRIES_DEADLINE_MS = 75_000;
/** A share of the charges that nobody but chance speaks against: so many succeed, percent. */
export const LEAST_SUCCEEDED = 80;

type Account = { debits_posted: string; credits_posted: string; holds: unknown[] };
type Entry = { transfer: string; charge?: string; debit: Money | null; credit: Money | null };
type Book = { charge: string; status: string; amount: Money };

/** Sums of minor units by currency. */
type Sums = Map<string, bigint>;

export type Finding = Report & {
  /** Captures in the provider's books and debits posted to it, by currency. */
  captures: { currency: string; count: number; captured: bigint; posted: bigint }[];
};

const minor = (amount: string): bigint => BigInt(amount.replace(".", ""));
const add = (sums: Sums, { amount, currency }: Money): Sums =>
  sums.set(currency, (sums.get(currency) ?? 0n) + minor(amount));

const verdict = (name: string, faults: readonly string[], detail: string): Verdict => ({
  name,
  ok: faults.length === 0,
  detail: faults.length === 0 ? detail : `${detail} – ${faults.slice(0, 5).join("; ")} (${faults.length} in all)`,
});

/** The answers the clients got while it went on, and what they were told of every charge. */
const toldVerdict = ({ faults, charges, transfers, open }: Records): Verdict =>
  verdict(
    "told",
    [...faults, ...open.map((id) => `${id} has not ended`)],
    `${charges.size} charges and ${transfers.size} transfers, every answer as it may be and none taken back`,
  );

const succeededVerdict = ({ charges }: Records): Verdict => {
  const approving = [...charges.values()].filter((charge) => charge.approving);
  const succeeded = approving.filter(({ status }) => status === "succeeded").length;
  const share = approving.length === 0 ? 0 : (100 * succeeded) / approving.length;
  const faults = share >= LEAST_SUCCEEDED ? [] : [`${share.toFixed(1)} % are too few`];
  return verdict("succeeded", faults, `${succeeded} of ${approving.length} approved by their issuer have succeeded`);
};

/** Every capture in the provider's books, and not a cent besides, stands as a debit of the provider's account. */
const postedOnce = async (
  ground: Ground,
  sandbox: Api,
): Promise<{ verdict: Verdict; captures: Finding["captures"] }> => {
  const captures: Finding["captures"] = [];
  const faults: string[] = [];
  const booked = new Map<string, { count: number; sum: bigint }>();
  for (const pool of ground.pools) {
    const { data } = must(await sandbox.get<{ data: Book[] }>(`/books?pod=${pool.id}`), 200);
    for (const { status, amount } of data) {
      if (status !== "captured") continue;
      const sum = booked.get(amount.currency) ?? { count: 0, sum: 0n };
      booked.set(amount.currency, { count: sum.count + 1, sum: sum.sum + minor(amount.amount) });
    }
  }
  for (const [currency, { count, sum }] of booked) {
    const account = must(await ground.operator.get<Account>(`/v1/ledger/accounts/psp:sandbox:${currency}`), 200);
    const posted = minor(account.debits_posted);
    captures.push({ currency, count, captured: sum, posted });
    if (posted !== sum) faults.push(`${currency}: captured ${sum}, posted ${posted} minor units`);
    if (minor(account.credits_posted) !== 0n) faults.push(`${currency}: ${account.credits_posted} went back`);
  }
  const text = captures.map(({ currency, count }) => `${count} in ${currency}`).join(", ");
  return { verdict: verdict("posted once", faults, `captures posted to the cent: ${text}`), captures };
};

/** What should have been booked to a wallet: by transfer or charge, the amount with its side. */
const expectedEntries = (account: string, user: string, { charges, transfers }: Records): Map<string, string> => {
  const expected = new Map<string, string>();
  for (const { id, legs, state } of transfers.values()) {
    const own = legs.filter((leg) => leg.account === account);
    if (state === "posted" && own.length > 0) expected.set(id, own.map(legText).join(" "));
  }
  const paid = (charge: ChargeRecord) => charge.fromWallet && charge.user === user && charge.status === "succeeded";
  for (const charge of [...charges.values()].filter(paid)) expected.set(charge.id, `debit ${charge.amount.amount}`);
  return expected;
};

const legText = ({ direction, amount }: Leg): string => `${direction} ${amount.amount}`;
const entryText = ({ debit, credit }: Entry): string => (debit ? `debit ${debit.amount}` : `credit ${credit?.amount}`);

/** Each wallet: one entry for each leg that was posted, none else, and a balance that is their sum; nothing is held. */
const walletFaults = async (user: string, ground: Ground, records: Records): Promise<string[]> => {
  const account = `wallet:${user}:EUR`;
  const path = `/v1/ledger/accounts/${account}`;
  const expected = expectedEntries(account, user, records);
  // One more: the money it was given at the start.
  const wanted = expected.size + 1;
  const read = () => readAll<Entry>(ground.operator, `${path}/entries`);
  let entries: Entry[] = [];
  await poll(
    async () => {
      entries = await read();
      return entries.length;
    },
    (count) => count >= wanted,
    ENTRIES_DEADLINE_MS,
  ).catch(() => undefined);
  const faults = entries.length === wanted ? [] : [`${account} has ${entries.length} entries, not ${wanted}`];
  const found = new Map<string, string>();
  for (const entry of entries) {
    const key = entry.charge ?? entry.transfer;
    found.set(key, [found.get(key), entryText(entry)].filter(Boolean).join(" "));
  }
  for (const [key, text] of expected) {
    if (found.get(key) !== text) faults.push(`${account}: ${key} is ${found.get(key) ?? "missing"}, not ${text}`);
  }
  const shown = must(await ground.operator.get<Account>(path), 200);
  const sums: Sums = new Map([["EUR", 0n]]);
  for (const { debit, credit } of entries) {
    if (credit !== null) add(sums, credit);
    if (debit !== null) add(sums, { ...debit, amount: `-${debit.amount}` });
  }
  const balance = minor(shown.credits_posted) - minor(shown.debits_posted);
  if (balance !== sums.get("EUR")) faults.push(`${account} holds ${balance}, its entries sum to ${sums.get("EUR")}`);
  if (balance < 0n) faults.push(`${account} is below its floor`);
  if (shown.holds.length > 0) faults.push(`${account} has ${shown.holds.length} holds`);
  return faults;
};

const walletsVerdict = async (ground: Ground, records: Records): Promise<Verdict> => {
  const faults = (await inBatches(ground.users, (user) => walletFaults(user, ground, records))).flat();
  const posted = [...records.transfers.values()].filter(({ state }) => state === "posted").length;
  return verdict(
    "wallets",
    faults,
    `${ground.users.length} wallets hold what their entries say, ${posted} transfers posted once`,
  );
};

/** Reads everything there is, by the public API and the provider's own books, once every saga has ended. */
export const judge = async (ground: Ground, sandbox: Api, records: Records): Promise<Finding> => {
  const { operator } = ground;
  const [first, ...others] = ground.pools;
  // The lists of sagas are of the whole house, so one pool is checked with all there is, and the others for their money.
  const money = await inBatches(others, (pool) =>
    checkMoney({ reader: pool.owner, operator, sandbox }, pool.id, records.idsIn(pool.id), { entries: true }),
  );
  const all = await checkAll({ reader: first.owner, operator, sandbox }, first.id, records.idsIn(first.id));
  const posted = await postedOnce(ground, sandbox);
  const verdicts = [
    toldVerdict(records),
    succeededVerdict(records),
    ...all.verdicts,
    ...money.flat(),
    posted.verdict,
    await walletsVerdict(ground, records),
  ];
  return { ...all, verdicts, captures: posted.captures };
};

/** Charges that ended as told, counted by status. */
export const tally = ({ charges }: Records): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { status } of charges.values()) {
    const key = hasEnded(status) ? status : "open";
    counts[key] = (counts[key] ?? 0) + 1;
  }
  return counts;
};
