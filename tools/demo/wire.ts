import { createHash } from "node:crypto";
import canonicalize from "canonicalize";
import { type Api, poll } from "../../tests/support/client.ts";

export type Money = { amount: string; currency: string };
export type Pod = { id: string; name: string; balances: { currency: string; posted: string }[]; seq: number };
export type Charge = {
  id: string;
  status: string;
  amount: Money;
  settled?: Money;
  failure?: { code: string; decline_reason?: string };
};

/** Everybody who speaks in the demo. */
export type Wire = { alice: Api; bob: Api; operator: Api; sandbox: Api };

export type Proof = {
  ok: boolean;
  chains: number;
  currencies: { currency: string; difference: string }[];
  lines: { ok: boolean; text: string }[];
};

type List<T> = { data: T[]; next: string | null };
type Balance = { balanced: boolean; currencies: { currency: string; debits: string; difference: string }[] };
type Report = { ok: boolean; checked: { actors: number; events: number }; failures: unknown[] };
type Row = { seq: number; event: unknown; prev_hash: string; hash: string };
type Entry = { credit: Money | null; charge?: string };
type Book = { charge: string; status: string; amount: Money };

const cents = (amount: string): bigint => BigInt(amount.replace(".", ""));
const sum = (amounts: readonly string[]): bigint => amounts.reduce((total, amount) => total + cents(amount), 0n);

/** Recomputes a pod's chain as anybody could: each hash from the one before and the event's canonical text. */
export const recompute = (rows: readonly Row[]): boolean => {
  let previous = "0".repeat(64);
  return rows.every(({ event, prev_hash, hash }) => {
    const digest = createHash("sha256")
      .update(Buffer.from(previous, "hex"))
      .update(canonicalize(event) ?? "");
    const follows = prev_hash === previous && digest.digest("hex") === hash;
    previous = hash;
    return follows;
  });
};

/** Reads everything through the public API and the provider's own books, and compares. */
export const prove = async (wire: Wire, pod: Pod): Promise<Proof> => {
  const { alice, operator, sandbox } = wire;
  const succeeded = (charges: readonly Charge[]) => charges.filter(({ status }) => status === "succeeded");
  // Lists follow within a second as a rule; after a kill, what the queue had in memory is fetched again within a minute.
  const charges = await poll(
    async () => (await alice.get<List<Charge>>(`/v1/pods/${pod.id}/charges`)).body.data,
    (list) => list.length === 4 && succeeded(list).length === 3,
    60_000,
  );
  const entries = await poll(
    async () => (await alice.get<List<Entry>>(`/v1/pods/${pod.id}/entries?currency=EUR`)).body.data,
    (list) => list.length >= 3,
    60_000,
  );
  const now = (await alice.get<Pod>(`/v1/pods/${pod.id}`)).body;
  const events = (await alice.get<List<Row>>(`/v1/pods/${pod.id}/events?limit=200`)).body.data;
  const books = (await sandbox.get<List<Book>>(`/books?pod=${pod.id}`)).body.data;
  const trial = (await operator.get<Balance>("/v1/ledger/trial-balance?wait=fresh")).body;
  const report = (await operator.post<Report>("/v1/ledger/verify", {})).body;

  const pool = now.balances.find(({ currency }) => currency === "EUR")?.posted ?? "0.00";
  const settled = sum(succeeded(charges).map((charge) => charge.settled?.amount ?? "0.00"));
  const credited = sum(entries.map((entry) => entry.credit?.amount ?? "0.00"));
  const captured = books.filter(({ status }) => status === "captured");
  const charged = sum(succeeded(charges).map(({ amount }) => amount.amount));
  const lines = [
    {
      ok: cents(pool) === settled && settled === credited,
      text: `pool ${pool} EUR = Σ settled = Σ entries`,
    },
    {
      ok: captured.length === succeeded(charges).length && sum(captured.map(({ amount }) => amount.amount)) === charged,
      text: `the provider captured ${captured.length} times, for exactly the ${succeeded(charges).length} charges that succeeded`,
    },
    ...trial.currencies.map(({ currency, debits, difference }) => ({
      ok: cents(difference) === 0n,
      text: `trial balance ${currency}: debits ${debits}, difference ${difference}`,
    })),
    { ok: report.ok, text: `${report.checked.actors} hash chains, ${report.checked.events} events verified` },
    { ok: recompute(events), text: `the pod's ${events.length} events hash to their hash, recomputed here` },
  ];
  return {
    ok: trial.balanced && lines.every((line) => line.ok),
    chains: report.checked.actors,
    currencies: trial.currencies.map(({ currency, difference }) => ({ currency, difference })),
    lines,
  };
};
