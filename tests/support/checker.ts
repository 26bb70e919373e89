import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { type Api, poll } from "./client.ts";
import { conversionVerdicts } from "./conversions.ts";
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

export { readAll, type Seen, type Verdict, type Witness } from "./verdict.ts";

/**
 * Reads a pod as anybody could – its API, the operator's, and the provider's own books – and says whether the money adds up.
 * Everything here holds only once the pod's charges have ended.
 */

export type Report = {
  verdicts: Verdict[];
  /** Hash chains verified. */
  chains: number;
  currencies: { currency: string; difference: string }[];
};

type Balance = { currency: string; posted: string; pending: string; pending_in: string };
type Pod = { id: string; balances: Balance[] };
type Account = { debits_posted: string; credits_posted: string; holds: unknown[] } & Record<string, unknown>;
type Trial = {
  balanced: boolean;
  currencies: { currency: string; debits: string; in_transit: string; difference: string }[];
};
type Verification = { id: string; ok: boolean; checked: { actors: number; events: number }; failures: unknown[] };
type Entry = { account: string; debit: Money | null; credit: Money | null; charge?: string };
type Book = { charge: string; reference: string; key: string; status: string; amount: Money };
type Row = { seq: number; event: { type: string; data: { charge?: string } }; prev_hash: string; hash: string };

const OPEN_CHARGE = new Set(["processing", "requires_action", "requires_review"]);
const ENDED_SAGA = new Set(["completed", "compensated"]);
const READS_AT_ONCE = 16;
/** Lists follow within a second as a rule; what a kill took out of the queue is sent again within a minute. */
const LIST_DEADLINE_MS = 75_000;
const VERIFY_DEADLINE_MS = 60_000;

/** Applies `read` to every item, a bounded number at once; answers in the items' order. */
export const inBatches = async <T, R>(items: readonly T[], read: (item: T) => Promise<R>): Promise<R[]> => {
  const results = new Array<R>(items.length);
  let next = 0;
  const reader = async () => {
    for (let index = next++; index < items.length; index = next++) results[index] = await read(items[index] as T);
  };
  await Promise.all(Array.from({ length: READS_AT_ONCE }, reader));
  return results;
};

/** The charges with these ids, each read singly; null where there is none. */
export const readCharges = (reader: Api, ids: readonly string[]): Promise<{ id: string; charge: Charge | null }[]> =>
  inBatches(ids, async (id) => {
    const { status, body } = await reader.get<Charge>(`/v1/charges/${id}`);
    return { id, charge: status === 200 ? body : null };
  });

const readSagas = (operator: Api, seen: Awaited<ReturnType<typeof readCharges>>): Promise<Seen[]> =>
  inBatches(seen, async ({ id, charge }) => {
    if (charge === null) return { id, charge, saga: null };
    const { status, body } = await operator.get<Saga>(`/v1/sagas/${charge.saga}`);
    return { id, charge, saga: status === 200 ? body : null };
  });

/** Recomputes a pod's chain as anybody could: each hash from the one before and the event's canonical text. */
export const recompute = (rows: readonly Row[]): boolean => {
  let previous = "0".repeat(64);
  return rows.every(({ seq, event, prev_hash, hash }, index) => {
    const digest = createHash("sha256")
      .update(Buffer.from(previous, "hex"))
      .update(canonicalize(event) ?? "");
    const follows = seq === index + 1 && prev_hash === previous && digest.digest("hex") === hash;
    previous = hash;
    return follows;
  });
};

const succeededOf = (seen: readonly Seen[]): Charge[] =>
  seen.flatMap(({ charge }) => (charge?.status === "succeeded" ? [charge] : []));

const endedVerdict = (seen: readonly Seen[]): Verdict => {
  const faults = seen.flatMap(({ id, charge, saga }) => {
    if (charge === null) return [`${id} is lost`];
    if (OPEN_CHARGE.has(charge.status)) return [`${id} is ${charge.status}`];
    if (saga === null || !ENDED_SAGA.has(saga.status)) return [`${charge.saga} is ${saga?.status ?? "lost"}`];
    return [];
  });
  return verdict("ended", faults, `every one of ${seen.length} charges is there and has ended`);
};

/** The pool against the sum of what settled, the account's own counters and, when they are given, its entries. */
const poolVerdict = async (
  { reader, operator }: Witness,
  pod: string,
  seen: readonly Seen[],
  entries: readonly Entry[] | null,
): Promise<Verdict> => {
  const { balances } = bodyOf(await reader.get<Pod>(`/v1/pods/${pod}`));
  const faults: string[] = [];
  const told: string[] = [];
  for (const { currency, posted, pending, pending_in } of balances) {
    const settled = total(
      succeededOf(seen).map((charge) => charge.settled),
      currency,
    );
    if (minor(posted) !== settled) faults.push(`${posted} ${currency} posted, ${settled} minor units settled`);
    if (minor(pending) !== 0n || minor(pending_in) !== 0n)
      faults.push(`${pending} ${currency} out and ${pending_in} in pending`);
    const { status, body } = await operator.get<Account>(`/v1/ledger/accounts/pod:${pod}:${currency}`);
    if (status === 200) faults.push(...accountFaults(body, posted));
    else if (minor(posted) !== 0n) faults.push(`the account answers ${status}`);
    if (entries !== null) faults.push(...entryFaults(seen, entries, currency, posted));
    told.push(`pool ${posted} ${currency} = Σ settled${entries === null ? "" : " = Σ entries"}`);
  }
  return verdict("pool", faults, told.join(", "));
};

const accountFaults = (account: Account, posted: string): string[] => {
  const net = minor(account.credits_posted) - minor(account.debits_posted);
  const faults = net === minor(posted) ? [] : [`the account's counters say ${net} minor units`];
  if (account.holds.length > 0) faults.push(`${account.holds.length} holds are left`);
  const pending = ["debits_pending", "credits_pending"].filter((name) => minor(String(account[name])) !== 0n);
  return [...faults, ...pending.map((name) => `${name} ${account[name]}`)];
};

const entryFaults = (seen: readonly Seen[], entries: readonly Entry[], currency: string, posted: string): string[] => {
  const credited = total(
    entries.map(({ credit }) => credit),
    currency,
  );
  const debited = total(
    entries.map(({ debit }) => debit),
    currency,
  );
  const faults = credited - debited === minor(posted) ? [] : [`the entries sum to ${credited - debited} minor units`];
  const byCharge = Map.groupBy(entries, ({ charge }) => charge);
  for (const { id, charge } of seen) {
    const own = (byCharge.get(id) ?? []).filter((entry) => (entry.credit ?? entry.debit)?.currency === currency);
    const expected = charge?.settled?.currency === currency ? charge.settled.amount : undefined;
    const shown = own.map(({ debit, credit }) => credit?.amount ?? `-${debit?.amount}`).join("+");
    if (shown !== (expected ?? "")) faults.push(`${id} settled ${expected ?? "nothing"}, its entries say ${shown}`);
  }
  return faults;
};

/** What the provider captured against what succeeded: one capture a charge from an instrument, for its amount, and none besides. */
const captureVerdict = async ({ sandbox }: Witness, pod: string, seen: readonly Seen[]): Promise<Verdict> => {
  const { data: books } = bodyOf(await sandbox.get<List<Book>>(`/books?pod=${pod}`));
  const byCharge = Map.groupBy(books, ({ charge }) => charge);
  const known = new Map(seen.map((each) => [each.id, each]));
  const faults = [...byCharge.keys()].filter((id) => !known.has(id)).map((id) => `nobody knows of ${id}`);
  let instruments = 0;
  for (const { id, charge, saga } of seen) {
    const rows = byCharge.get(id) ?? [];
    const captured = rows.filter(({ status }) => status === "captured");
    const wanted = charge?.status === "succeeded" && saga?.steps.some(({ name }) => name === "capture") === true;
    if (wanted) instruments++;
    if (captured.length !== (wanted ? 1 : 0))
      faults.push(`${id} is ${charge?.status}, captured ${captured.length} times`);
    if (rows.length > 1) faults.push(`${id} has ${rows.length} payments`);
    if (rows.some(({ status }) => status === "pending")) faults.push(`${id} is pending at the provider`);
    const [row] = captured;
    if (
      row !== undefined &&
      (row.amount.amount !== charge?.amount.amount || row.amount.currency !== charge.amount.currency)
    )
      faults.push(`${id} captured ${row.amount.amount} ${row.amount.currency}`);
  }
  const captures = books.filter(({ status }) => status === "captured").length;
  const text = `the provider captured ${captures} times, for exactly the ${instruments} charges that succeeded`;
  return verdict("captures", faults, text);
};

/** The pod's own log: its chain, and one outcome a charge. */
const eventsVerdict = async ({ reader }: Witness, pod: string, seen: readonly Seen[]): Promise<Verdict> => {
  const rows = await readAll<Row>(reader, `/v1/pods/${pod}/events`);
  const faults = recompute(rows) ? [] : ["the chain does not add up"];
  const outcomes = new Map<string, string[]>();
  for (const { event } of rows) {
    const outcome = /^charge\.(succeeded|failed|cancelled)$/.exec(event.type)?.[1];
    const id = event.data.charge;
    if (outcome !== undefined && id !== undefined) outcomes.set(id, [...(outcomes.get(id) ?? []), outcome]);
  }
  for (const { id, charge } of seen) {
    const told = outcomes.get(id)?.join(", ");
    if (told !== charge?.status) faults.push(`${id} is ${charge?.status}, the pod was told ${told ?? "nothing"}`);
    outcomes.delete(id);
  }
  faults.push(...[...outcomes.keys()].map((id) => `nobody knows of ${id}`));
  return verdict("events", faults, `the pod's ${rows.length} events hash to their hash, recomputed here`);
};

/** The read model's lists against what the actors said; asked again until they agree or the deadline passes. */
const listVerdict = async ({ reader, operator }: Witness, pod: string, seen: readonly Seen[]): Promise<Verdict> => {
  const faults = () => listFaults(reader, operator, pod, seen);
  let last = await faults();
  if (last.length > 0) {
    await poll(
      async () => {
        last = await faults();
        return last.slice(0, 3);
      },
      (found) => found.length === 0,
      LIST_DEADLINE_MS,
    ).catch(() => undefined);
  }
  return verdict("lists", last, `the lists show the same ${seen.length} charges, and no saga that is under way`);
};

const listFaults = async (reader: Api, operator: Api, pod: string, seen: readonly Seen[]): Promise<string[]> => {
  const listed = new Map((await readAll<Charge>(reader, `/v1/pods/${pod}/charges`)).map((each) => [each.id, each]));
  const faults = seen.flatMap(({ id, charge }) => {
    const status = listed.get(id)?.status;
    listed.delete(id);
    return status === charge?.status ? [] : [`${id} is ${charge?.status}, listed as ${status ?? "nothing"}`];
  });
  faults.push(...[...listed.keys()].map((id) => `nobody knows of ${id}`));
  for (const status of ["running", "waiting", "compensating", "parked"]) {
    const sagas = await readAll<Saga>(operator, `/v1/sagas?status=${status}`);
    faults.push(...sagas.map(({ id }) => `${id} is listed as ${status}`));
  }
  return faults;
};

/** The pod's entries, once there are as many as charges that settled, or as they are at the deadline. */
const settledEntries = async (reader: Api, pod: string, seen: readonly Seen[]): Promise<Entry[]> => {
  let entries: Entry[] = [];
  await poll(
    async () => {
      entries = await readAll<Entry>(reader, `/v1/pods/${pod}/entries`);
      return entries.length;
    },
    (count) => count >= succeededOf(seen).length,
    LIST_DEADLINE_MS,
  ).catch(() => undefined);
  return entries;
};

const trialVerdicts = (trial: Trial): Verdict[] =>
  trial.currencies.map(({ currency, debits, difference, in_transit }) => {
    const faults = trial.balanced && minor(difference) === 0n ? [] : ["not balanced"];
    if (minor(in_transit) !== 0n) faults.push(`${in_transit} in transit`);
    return verdict("trial balance", faults, `trial balance ${currency}: debits ${debits}, difference ${difference}`);
  });

const verification = async (operator: Api): Promise<Verification> => {
  const started = await operator.post<Verification>("/v1/ledger/verify", {});
  if (started.status !== 202) return bodyOf(started);
  const path = `/v1/ledger/verify/${started.body.id}`;
  const ended = await poll(
    () => operator.get<Verification>(path),
    ({ status }) => status !== 202,
    VERIFY_DEADLINE_MS,
  );
  return bodyOf(ended);
};

/** The acknowledged charges and their sagas, each read singly. */
export const readSeen = async ({ reader, operator }: Witness, ids: readonly string[]): Promise<Seen[]> =>
  readSagas(operator, await readCharges(reader, ids));

/**
 * What can be said without the read model, at once: the acknowledged charges `ids` are all there and have ended, the pool holds
 * what settled, nothing is held, the provider captured each of them once and nothing else, and the pod was told. With `entries`
 * the pool's entries are waited for, and compared too.
 */
export const checkMoney = async (
  witness: Witness,
  pod: string,
  ids: readonly string[],
  options: { entries: boolean } = { entries: false },
): Promise<Verdict[]> => {
  const seen = await readSeen(witness, ids);
  const entries = options.entries ? await settledEntries(witness.reader, pod, seen) : null;
  return [
    endedVerdict(seen),
    await poolVerdict(witness, pod, seen, entries),
    await captureVerdict(witness, pod, seen),
    await eventsVerdict(witness, pod, seen),
  ];
};

/**
 * Everything: `checkMoney`, the entries and lists of the read model, which are waited for, the conversions and their hedges, a
 * fresh trial balance, and the verification of every hash chain. `ids`: every charge the pod acknowledged.
 */
export const checkAll = async (witness: Witness, pod: string, ids: readonly string[]): Promise<Report> => {
  const { reader, operator } = witness;
  const seen = await readSeen(witness, ids);
  const pool = await poolVerdict(witness, pod, seen, await settledEntries(reader, pod, seen));
  const captures = await captureVerdict(witness, pod, seen);
  const lists = await listVerdict(witness, pod, seen);
  const conversions = await conversionVerdicts(witness, seen);
  const trial = bodyOf(await operator.get<Trial>("/v1/ledger/trial-balance?wait=fresh"));
  const { ok, checked, failures } = await verification(operator);
  const chains = verdict(
    "chains",
    ok ? [] : failures.map((failure) => JSON.stringify(failure)),
    `${checked.actors} hash chains, ${checked.events} events verified`,
  );
  const events = await eventsVerdict(witness, pod, seen);
  return {
    verdicts: [endedVerdict(seen), pool, captures, lists, ...conversions, ...trialVerdicts(trial), chains, events],
    chains: checked.actors,
    currencies: trial.currencies.map(({ currency, difference }) => ({ currency, difference })),
  };
};

/** The verdicts that are not ok, a line each; empty when all is well. */
export const faultsIn = (verdicts: readonly Verdict[]): string[] =>
  verdicts.filter(({ ok }) => !ok).map(({ name, detail }) => `${name}: ${detail}`);
