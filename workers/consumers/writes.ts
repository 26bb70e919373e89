import type { ChargeRecord } from "../../schema/charges.ts";
import type { accounts, entries, members, PodDoc } from "../../schema/read-model.ts";
import type { Saga } from "../../schema/sagas.ts";
import { type Generation, tableIn } from "./generation.ts";

export type AccountRow = typeof accounts.$inferSelect;
export type EntryRow = typeof entries.$inferSelect;
export type MemberRow = typeof members.$inferSelect;

/** What a fold found out, by table; the newest word on each row, to be written in one batch. */
export type Writes = {
  pods: PodDoc[];
  members: MemberRow[];
  /** Deleted before `members` are written: who left and came back has a new row. */
  membersGone: Pick<MemberRow, "pod" | "user">[];
  accounts: AccountRow[];
  entries: EntryRow[];
  sagas: Saga[];
  charges: ChargeRecord[];
  /** Charges that were refused at the door and so never existed. */
  chargesGone: string[];
};

export const noWrites = (): Writes => ({
  pods: [],
  members: [],
  membersGone: [],
  accounts: [],
  entries: [],
  sagas: [],
  charges: [],
  chargesGone: [],
});

/** Takes what one stream came to into what the whole batch writes. */
export const mergeWrites = (into: Writes, part: Partial<Writes>): void => {
  into.pods.push(...(part.pods ?? []));
  into.members.push(...(part.members ?? []));
  into.membersGone.push(...(part.membersGone ?? []));
  into.accounts.push(...(part.accounts ?? []));
  into.entries.push(...(part.entries ?? []));
  into.sagas.push(...(part.sagas ?? []));
  into.charges.push(...(part.charges ?? []));
  into.chargesGone.push(...(part.chargesGone ?? []));
};

/** One parameter holds at most this many characters of JSON, well under the 2 MB a value may have in UTF-8. */
export const MAX_PARAMETER_CHARS = 400_000;

type Cell = string | number | null;
type Row = Record<string, Cell>;

/** Cuts rows into JSON arrays of bounded size; a row above the bound stands alone. */
const jsonChunks = (rows: readonly Row[]): string[] => {
  const chunks: string[] = [];
  let open: string[] = [];
  let size = 0;
  for (const row of rows) {
    const text = JSON.stringify(row);
    if (open.length > 0 && size + text.length > MAX_PARAMETER_CHARS) {
      chunks.push(`[${open.join(",")}]`);
      open = [];
      size = 0;
    }
    open.push(text);
    size += text.length + 1;
  }
  if (open.length > 0) chunks.push(`[${open.join(",")}]`);
  return chunks;
};

/** Many rows by one parameter: a statement takes no more than 100. */
const upsert = (
  db: D1Database,
  table: string,
  key: readonly string[],
  changing: readonly string[],
  fixed: readonly string[],
  rows: readonly Row[],
): D1PreparedStatement[] => {
  const columns = [...key, ...fixed, ...changing];
  const sql = `INSERT INTO ${table} (${columns.join(", ")})
    SELECT ${columns.map((column) => `value->>'${column}'`).join(", ")} FROM json_each(?) WHERE true
    ON CONFLICT (${key.join(", ")}) DO UPDATE SET ${changing.map((column) => `${column} = excluded.${column}`).join(", ")}`;
  return jsonChunks(rows).map((chunk) => db.prepare(sql).bind(chunk));
};

const remove = (db: D1Database, table: string, key: readonly string[], rows: readonly Row[]): D1PreparedStatement[] => {
  const sql = `DELETE FROM ${table} WHERE (${key.join(", ")}) IN
    (SELECT ${key.map((column) => `value->>'${column}'`).join(", ")} FROM json_each(?))`;
  return jsonChunks(rows).map((chunk) => db.prepare(sql).bind(chunk));
};

/** The statements that bring the tables to what the folds say: a handful, however many rows. */
export const statementsFor = (db: D1Database, generation: Generation, writes: Writes): D1PreparedStatement[] => [
  ...upsert(
    db,
    tableIn(generation, "pods"),
    ["id"],
    ["status", "seq", "log_head", "doc"],
    ["created_at"],
    writes.pods.map((pod) => ({
      id: pod.id,
      status: pod.status,
      seq: pod.seq,
      log_head: pod.log_head,
      created_at: pod.created_at,
      doc: JSON.stringify(pod),
    })),
  ),
  ...remove(db, tableIn(generation, "members"), ["pod", "user"], writes.membersGone),
  ...upsert(
    db,
    tableIn(generation, "members"),
    ["pod", "user"],
    ["role"],
    ["joined_seq"],
    writes.members.map(({ joinedSeq, ...member }) => ({ ...member, joined_seq: joinedSeq })),
  ),
  ...upsert(
    db,
    tableIn(generation, "accounts"),
    ["id"],
    ["counters", "seq", "hash", "terms"],
    ["kind", "owner", "currency"],
    writes.accounts.map((account) => ({
      ...account,
      counters: JSON.stringify(account.counters),
      terms: account.terms === null ? null : JSON.stringify(account.terms),
    })),
  ),
  ...upsert(
    db,
    tableIn(generation, "entries"),
    ["account", "seq", "leg"],
    ["doc"],
    ["currency", "recorded_at"],
    writes.entries.map(({ recordedAt, doc, ...entry }) => ({
      ...entry,
      recorded_at: recordedAt,
      doc: JSON.stringify(doc),
    })),
  ),
  ...upsert(
    db,
    tableIn(generation, "sagas"),
    ["id"],
    ["status", "doc"],
    ["kind", "subject", "created_at"],
    writes.sagas.map((saga) => ({
      id: saga.id,
      kind: saga.kind,
      subject: saga.subject,
      status: saga.status,
      created_at: saga.created_at,
      doc: JSON.stringify(saga),
    })),
  ),
  ...remove(
    db,
    tableIn(generation, "charges"),
    ["id"],
    writes.chargesGone.map((id) => ({ id })),
  ),
  ...upsert(
    db,
    tableIn(generation, "charges"),
    ["id"],
    ["status", "doc"],
    ["pod", "payer", "created_at"],
    writes.charges.map((charge) => ({
      id: charge.id,
      pod: charge.pod,
      payer: charge.payer,
      status: charge.status,
      created_at: charge.created_at,
      doc: JSON.stringify(charge),
    })),
  ),
];
