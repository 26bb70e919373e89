import { jsonChunks } from "../../objects/kit/parameters.ts";
import { PROJECTOR } from "../../schema/read-model.ts";
import { type Generation, tableIn } from "./generation.ts";
import type { Checkpoint } from "./runs.ts";

/** A stream's checkpoint and what it comes to there; null where that is no record of its own, or nothing yet. */
export type Stand = Checkpoint & { doc: object | null };

/** A stream's step from where its checkpoint stood when it was read to where this batch takes it. */
export type Advance = { stream: string; expected: number } & Stand;

/** Where a projection begins: checkpoints, the tables' epoch they were read in, and whether a rebuild wants new events too. */
export type Standing = { checkpoints: Map<string, Stand>; epoch: number; shadowed: boolean };

type StandingRow = { stream: string; seq: number | null; hash: string; doc: string; epoch: number; shadowed: number };

/** Reads the projector's checkpoints of these streams in a generation, for a batch: a row a stream, met or not. */
export const standingStatement = (
  db: D1Database,
  generation: Generation,
  streams: readonly string[],
): D1PreparedStatement =>
  db
    .prepare(
      `SELECT asked.value AS stream, seq, hash, doc, coalesce(epoch, 0) AS epoch, coalesce(shadowed, 0) AS shadowed
       FROM json_each(?) AS asked
       LEFT JOIN ${tableIn(generation, "checkpoints")} AS at ON at.stream = asked.value AND at.consumer = ?
       LEFT JOIN read_model ON read_model.id = 1`,
    )
    .bind(JSON.stringify(streams), PROJECTOR);

/** What that statement found; a stream the projector has not met is absent. */
export const standingOf = ({ results }: D1Result<unknown>): Standing => {
  const rows = results as StandingRow[];
  const met = rows.flatMap(({ stream, seq, hash, doc }): [string, Stand][] =>
    seq === null ? [] : [[stream, { seq, hash, doc: doc === "" ? null : (JSON.parse(doc) as object) }]],
  );
  return { checkpoints: new Map(met), epoch: rows[0]?.epoch ?? 0, shadowed: rows[0]?.shadowed === 1 };
};

/** The projector's checkpoints of these streams in a generation. */
export const readStanding = async (
  db: D1Database,
  generation: Generation,
  streams: readonly string[],
): Promise<Standing> => standingOf(await standingStatement(db, generation, streams).all());

/**
 * The first statements of every batch that projects. A checkpoint that is not where it was read becomes NULL in a column that
 * refuses it: the statement raises and the whole batch is rolled back. A condition in a WHERE would match no row instead, which
 * is no error, and the rest of the batch would count twice. The same holds for a new stream, for one whose row was dropped, and
 * when a rebuild has since made other tables of these: the epoch is another.
 */
export const guard = (
  db: D1Database,
  { generation, epoch }: { generation: Generation; epoch: number },
  advances: readonly Advance[],
): D1PreparedStatement[] => {
  const table = tableIn(generation, "checkpoints");
  const statement = db.prepare(
    `INSERT INTO ${table} (stream, consumer, seq, hash, doc)
     SELECT next.value->>'stream', ?1,
       iif(next.value->>'expected' = coalesce(
         (SELECT seq FROM ${table} WHERE stream = next.value->>'stream' AND consumer = ?1), 0)
         AND ?3 = coalesce((SELECT epoch FROM read_model WHERE id = 1), 0),
         next.value->>'seq', NULL),
       next.value->>'hash', iif(next.value->>'doc' IS NULL, '', next.value->'doc')
     FROM json_each(?2) AS next WHERE true
     ON CONFLICT (stream, consumer) DO UPDATE SET seq = excluded.seq, hash = excluded.hash, doc = excluded.doc`,
  );
  return jsonChunks(advances).map((chunk) => statement.bind(PROJECTOR, chunk, epoch));
};

/** True for the guard's own error: somebody else has moved a checkpoint, or the tables, since they were read. */
export const isLostRace = (error: unknown): boolean =>
  error instanceof Error && /constraint failed: checkpoints(_next)?\.seq/.test(error.message);
