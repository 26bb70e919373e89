import { PROJECTED, PROJECTOR, type ProjectedTable } from "../../schema/read-model.ts";
import { type Generation, tableIn } from "../consumers/generation.ts";
import { type Lag, laggingStatement, MAX_LAGGING } from "./fill.ts";

/** Rows compared in one step. */
const PAGE = 1_000;

type Key = readonly (string | number)[];
export type Difference = { table: string; key: string };

/**
 * Where a comparison stands. Every row of the next tables is held against the serving ones; then, from the other side, every
 * serving row must have its counterpart.
 */
export type Position = { table: number; from: Generation; after: Key | null };
export const FIRST: Position = { table: 0, from: "next", after: null };

const pageStatement = (db: D1Database, table: ProjectedTable, { from, after }: Position): D1PreparedStatement => {
  const { name, key, columns, where = "true" } = table;
  const other = tableIn(from === "next" ? "serving" : "next", name);
  // A row without its counterpart is noticed from either side, one that reads differently need be from one only.
  const unlike = from === "next" ? columns.map((column) => ` OR page.${column} IS NOT other.${column}`).join("") : "";
  const beyond = after === null ? "" : `AND (${key.join(", ")}) > (${key.map(() => "?").join(", ")})`;
  return db
    .prepare(
      `WITH page AS (SELECT * FROM ${tableIn(from, name)} WHERE ${where} ${beyond} ORDER BY ${key.join(", ")} LIMIT ${PAGE})
       SELECT ${key.map((column) => `page.${column} AS ${column}`).join(", ")},
         (other.${key[0]} IS NULL${unlike}) AS differs
       FROM page LEFT JOIN ${other} AS other ON ${key.map((column) => `other.${column} = page.${column}`).join(" AND ")}
       ORDER BY ${key.map((column) => `page.${column}`).join(", ")}`,
    )
    .bind(...(after ?? []));
};

const following = (at: Position): Position | null => {
  if (at.from === "next") return { ...at, from: "serving", after: null };
  return at.table + 1 < PROJECTED.length ? { table: at.table + 1, from: "next", after: null } : null;
};

export type Compared =
  | { settled: true; next: Position | null; rows: number; differences: Difference[] }
  /** A row differs because one side has events the other has not: nothing can be said of it yet. */
  | { settled: false };

/** Compares a page of rows in one transaction, in which it is also seen how far each side has come. `rows` counts the next tables'. */
export const comparePage = async (db: D1Database, at: Position): Promise<Compared> => {
  const table = PROJECTED[at.table];
  if (table === undefined) throw new RangeError(`no table ${at.table} is projected`);
  const [lagging, page] = await db.batch([laggingStatement(db), pageStatement(db, table, at)]);
  const uneven = new Set(((lagging?.results ?? []) as Lag[]).map(({ stream }) => stream));
  // As many as are ever named: any other stream may be uneven as well.
  const unevenAll = uneven.size >= MAX_LAGGING;
  const rows = (page?.results ?? []) as ({ differs: number } & Record<string, string | number>)[];
  const keyOf = (row: Record<string, string | number>): Key => table.key.map((column) => row[column] ?? "");
  const differing = rows.filter(({ differs }) => differs === 1).map(keyOf);
  const isUneven = (key: Key): boolean => unevenAll || uneven.has(table.streamOf(...key.map(String)) ?? "");
  if (differing.some(isUneven)) return { settled: false };
  const last = rows.at(-1);
  return {
    settled: true,
    next: rows.length < PAGE || last === undefined ? following(at) : { ...at, after: keyOf(last) },
    rows: at.from === "next" ? rows.length : 0,
    differences: differing.map((key) => ({ table: table.name, key: key.join("/") })),
  };
};

/**
 * Streams without a record of their own of which the two generations tell another history: as far as each other, and not with the
 * same hash. At most 1,000.
 */
export const forkedStreams = async (db: D1Database): Promise<Difference[]> => {
  const { results } = await db
    .prepare(
      `SELECT stream FROM checkpoints AS serving JOIN checkpoints_next AS next USING (stream, consumer)
       WHERE consumer = ? AND serving.seq = next.seq AND serving.hash <> next.hash AND serving.doc = '' ORDER BY stream LIMIT 1000`,
    )
    .bind(PROJECTOR)
    .all<{ stream: string }>();
  return results.map(({ stream }) => ({ table: "checkpoints", key: stream }));
};
