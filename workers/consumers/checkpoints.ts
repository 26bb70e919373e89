import { PROJECTOR } from "../../schema/read-model.ts";
import { type Generation, tableIn } from "./generation.ts";
import type { Checkpoint } from "./runs.ts";

/** A stream's step from where its checkpoint stood when it was read to where this batch takes it. */
export type Advance = { stream: string; expected: number; seq: number; hash: string };

/** Where a projection begins: checkpoints, the tables' epoch they were read in, and whether a rebuild wants new events too. */
export type Standing = { checkpoints: Map<string, Checkpoint>; epoch: number; shadowed: boolean };

/** The projector's checkpoints of these streams in a generation; a stream it has not met is absent. One call. */
export const readStanding = async (
  db: D1Database,
  generation: Generation,
  streams: readonly string[],
): Promise<Standing> => {
  const [state, rows] = await db.batch([
    db.prepare("SELECT epoch, shadowed FROM read_model WHERE id = 1"),
    db
      .prepare(
        `SELECT stream, seq, hash FROM ${tableIn(generation, "checkpoints")}
         WHERE consumer = ? AND stream IN (SELECT value FROM json_each(?))`,
      )
      .bind(PROJECTOR, JSON.stringify(streams)),
  ]);
  const [found] = (state?.results ?? []) as { epoch: number; shadowed: number }[];
  const known = (rows?.results ?? []) as ({ stream: string } & Checkpoint)[];
  return {
    checkpoints: new Map(known.map(({ stream, seq, hash }) => [stream, { seq, hash }])),
    epoch: found?.epoch ?? 0,
    shadowed: found?.shadowed === 1,
  };
};

/**
 * The first statement of every batch that projects. A checkpoint that is not where it was read becomes NULL in a column that
 * refuses it: the statement raises and the whole batch is rolled back. A condition in a WHERE would match no row instead, which
 * is no error, and the rest of the batch would count twice. The same holds for a new stream, for one whose row was dropped, and
 * when a rebuild has since made other tables of these: the epoch is another.
 */
export const guard = (
  db: D1Database,
  { generation, epoch }: { generation: Generation; epoch: number },
  advances: readonly Advance[],
  at: string,
): D1PreparedStatement => {
  const table = tableIn(generation, "checkpoints");
  return db
    .prepare(
      `INSERT INTO ${table} (stream, consumer, seq, hash, updated_at)
       SELECT next.value->>'stream', ?1,
         iif(next.value->>'expected' = coalesce(
           (SELECT seq FROM ${table} WHERE stream = next.value->>'stream' AND consumer = ?1), 0)
           AND ?4 = coalesce((SELECT epoch FROM read_model WHERE id = 1), 0),
           next.value->>'seq', NULL),
         next.value->>'hash', ?2
       FROM json_each(?3) AS next WHERE true
       ON CONFLICT (stream, consumer) DO UPDATE SET
         seq = excluded.seq, hash = excluded.hash, updated_at = excluded.updated_at`,
    )
    .bind(PROJECTOR, at, JSON.stringify(advances), epoch);
};

/** True for the guard's own error: somebody else has moved a checkpoint, or the tables, since they were read. */
export const isLostRace = (error: unknown): boolean =>
  error instanceof Error && /constraint failed: checkpoints(_next)?\./.test(error.message);
