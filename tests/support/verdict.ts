import type { Answer, Api } from "./client.ts";
import type { Charge, Money } from "./story.ts";

/** What the checker's parts have in common: whom they ask, how they reckon, and what they say. */

/** Whom the checker asks. */
export type Witness = { reader: Api; operator: Api; sandbox: Api };

export type Verdict = { name: string; ok: boolean; detail: string };

export type List<T> = { data: T[]; next: string | null };

/** A saga as operators read it. */
export type Saga = { id: string; kind: string; status: string; steps: { name: string; status: string }[] };

/** A charge as its own actor shows it, and its saga. */
export type Seen = { id: string; charge: Charge | null; saga: Saga | null };

/** Digits of an amount on the wire: its minor units. */
export const minor = (amount: string): bigint => BigInt(amount.replace(".", ""));
/** What these add up to in one currency, minor units. */
export const total = (moneys: readonly (Money | null | undefined)[], currency: string): bigint =>
  moneys.reduce((sum, money) => (money?.currency === currency ? sum + minor(money.amount) : sum), 0n);

export const verdict = (name: string, faults: readonly string[], detail: string): Verdict => ({
  name,
  ok: faults.length === 0,
  detail: faults.length === 0 ? detail : `${detail} – ${faults.slice(0, 5).join("; ")} (${faults.length} in all)`,
});

export const bodyOf = <T>({ status, body }: Answer<T>): T => {
  if (status === 200) return body;
  throw new Error(`the checker was answered ${status}: ${JSON.stringify(body)}`);
};

/** Every row of a list, page after page. */
export const readAll = async <T>(api: Api, path: string): Promise<T[]> => {
  const rows: T[] = [];
  for (let after: string | null = ""; after !== null; ) {
    const query = `${path.includes("?") ? "&" : "?"}limit=200${after === "" ? "" : `&after=${encodeURIComponent(after)}`}`;
    const page: List<T> = bodyOf(await api.get<List<T>>(`${path}${query}`));
    rows.push(...page.data);
    after = page.next;
  }
  return rows;
};
