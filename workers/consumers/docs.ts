import type { LogRow } from "../../schema/events.ts";
import type { PodDoc } from "../../schema/read-model.ts";
import type { Counters } from "../../schema/rpc/account.ts";
import type { Saga } from "../../schema/sagas.ts";
import { parseStream } from "../../schema/streams.ts";
import { touchedSagas } from "./folds/sagas.ts";
import type { Docs } from "./folds/streams.ts";
import { type Generation, tableIn } from "./generation.ts";
import type { AccountRow } from "./writes.ts";

type StoredDoc = { id: string; doc: string };
type StoredAccount = Omit<AccountRow, "counters"> & { counters: string };

const parsed = <T>(rows: readonly StoredDoc[]): Map<string, T> =>
  new Map(rows.map(({ id, doc }) => [id, JSON.parse(doc) as T]));

/** Reads, in one call, what the folds of these streams start from. */
export const readDocs = async (
  db: D1Database,
  generation: Generation,
  streams: readonly { stream: string; rows: readonly LogRow[] }[],
): Promise<Docs> => {
  const ids: Record<"pod" | "account" | "saga", string[]> = { pod: [], account: [], saga: [] };
  for (const { stream, rows } of streams) {
    const owner = parseStream(stream);
    if (owner?.kind === "saga") ids.saga.push(...touchedSagas(rows));
    else if (owner?.kind === "pod" || owner?.kind === "account") ids[owner.kind].push(owner.name);
  }
  const byIds = (columns: string, table: string, wanted: readonly string[]): D1PreparedStatement =>
    db
      .prepare(`SELECT ${columns} FROM ${tableIn(generation, table)} WHERE id IN (SELECT value FROM json_each(?))`)
      .bind(JSON.stringify(wanted));
  const [pods, accounts, sagas] = await db.batch([
    byIds("id, doc", "pods", ids.pod),
    byIds("id, kind, owner, currency, counters, seq, hash", "accounts", ids.account),
    byIds("id, doc", "sagas", ids.saga),
  ]);
  const stored = (accounts?.results ?? []) as StoredAccount[];
  return {
    pods: parsed<PodDoc>((pods?.results ?? []) as StoredDoc[]),
    accounts: new Map(
      stored.map((account) => [account.id, { ...account, counters: JSON.parse(account.counters) as Counters }]),
    ),
    sagas: parsed<Saga>((sagas?.results ?? []) as StoredDoc[]),
  };
};
