import { jsonChunks } from "../../objects/kit/parameters.ts";
import type { ChargeRecord } from "../../schema/charges.ts";
import type { entries, members } from "../../schema/read-model.ts";
import type { Saga } from "../../schema/sagas.ts";
import { type Generation, tableIn } from "./generation.ts";

export type EntryPage = typeof entries.$inferSelect;
export type MemberRow = typeof members.$inferSelect;

/** What a fold found out besides its stream's own record, by table; the newest word on each row, to be written in one batch. */
export type Writes = {
  members: MemberRow[];
  /** Deleted before `members` are written: who left and came back has a new row. */
  membersGone: Pick<MemberRow, "pod" | "user">[];
  /** Pages that are full, and so never change. */
  entries: EntryPage[];
  /** Sagas that are new, or of another status than their row. */
  sagas: Saga[];
  /** Sagas whose row has their status already: its indexes are left alone, which counts as many rows less. */
  sagasStaying: Saga[];
  charges: ChargeRecord[];
  /** Charges that were refused at the door and so never existed. */
  chargesGone: Pick<ChargeRecord, "pod" | "id">[];
};

export const noWrites = (): Writes => ({
  members: [],
  membersGone: [],
  entries: [],
  sagas: [],
  sagasStaying: [],
  charges: [],
  chargesGone: [],
});

/** Takes what one stream came to into what the whole batch writes. */
export const mergeWrites = (into: Writes, part: Partial<Writes>): void => {
  into.members.push(...(part.members ?? []));
  into.membersGone.push(...(part.membersGone ?? []));
  into.entries.push(...(part.entries ?? []));
  into.sagas.push(...(part.sagas ?? []));
  into.sagasStaying.push(...(part.sagasStaying ?? []));
  into.charges.push(...(part.charges ?? []));
  into.chargesGone.push(...(part.chargesGone ?? []));
};

type Shape = {
  table: string;
  key: readonly string[];
  /** Written to a row that is new only. */
  fixed?: readonly string[];
  /** Every one that is named costs the row of each index it is in, changed or not. */
  changing: readonly string[];
};

/** A record is taken as JSON text, anything else as it is. */
const taken = (column: string): string => (column === "doc" ? "value->'doc'" : `value->>'${column}'`);

/** Many rows by one parameter. A row that is as it should be is not written. */
const upsert = (
  db: D1Database,
  { table, key, fixed = [], changing }: Shape,
  rows: readonly object[],
): D1PreparedStatement[] => {
  const columns = [...key, ...fixed, ...changing];
  const sql = `INSERT INTO ${table} (${columns.join(", ")})
    SELECT ${columns.map(taken).join(", ")} FROM json_each(?) WHERE true
    ON CONFLICT (${key.join(", ")}) DO UPDATE SET ${changing.map((column) => `${column} = excluded.${column}`).join(", ")}
    WHERE ${changing.map((column) => `${table}.${column} IS NOT excluded.${column}`).join(" OR ")}`;
  return jsonChunks(rows).map((chunk) => db.prepare(sql).bind(chunk));
};

const remove = (
  db: D1Database,
  table: string,
  key: readonly string[],
  rows: readonly object[],
): D1PreparedStatement[] => {
  const sql = `DELETE FROM ${table} WHERE (${key.join(", ")}) IN
    (SELECT ${key.map(taken).join(", ")} FROM json_each(?))`;
  return jsonChunks(rows).map((chunk) => db.prepare(sql).bind(chunk));
};

const sagaRow = (saga: Saga) => ({
  id: saga.id,
  kind: saga.kind,
  subject: saga.subject,
  status: saga.status,
  created_at: saga.created_at,
  doc: saga,
});

/** The statements that bring the tables to what the folds say: a handful, however many rows. */
export const statementsFor = (db: D1Database, generation: Generation, writes: Writes): D1PreparedStatement[] => {
  const [members, entries, sagas, charges] = ["members", "entries", "sagas", "charges"].map((table) =>
    tableIn(generation, table),
  ) as [string, string, string, string];
  const saga = { table: sagas, key: ["id"], fixed: ["kind", "subject", "created_at"] };
  return [
    ...remove(db, members, ["pod", "user"], writes.membersGone),
    ...upsert(
      db,
      { table: members, key: ["pod", "user"], fixed: ["joined_seq"], changing: ["role"] },
      writes.members.map(({ joinedSeq, ...member }) => ({ ...member, joined_seq: joinedSeq })),
    ),
    ...upsert(db, { table: entries, key: ["account", "page"], changing: ["doc"] }, writes.entries),
    ...upsert(db, { ...saga, changing: ["status", "doc"] }, writes.sagas.map(sagaRow)),
    ...upsert(db, { ...saga, fixed: [...saga.fixed, "status"], changing: ["doc"] }, writes.sagasStaying.map(sagaRow)),
    ...remove(db, charges, ["pod", "id"], writes.chargesGone),
    ...upsert(
      db,
      { table: charges, key: ["pod", "id"], changing: ["doc"] },
      writes.charges.map((charge) => ({ pod: charge.pod, id: charge.id, doc: charge })),
    ),
  ];
};
