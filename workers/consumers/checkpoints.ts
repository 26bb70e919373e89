import { PROJECTOR } from "../../schema/read-model.ts";
import type { Checkpoint } from "./runs.ts";

/** A stream's step from where its checkpoint stood when it was read to where this batch takes it. */
export type Advance = { stream: string; expected: number; seq: number; hash: string };

/** The projector's checkpoints of these streams; a stream it has not met is absent. */
export const readCheckpoints = async (db: D1Database, streams: readonly string[]): Promise<Map<string, Checkpoint>> => {
  const { results } = await db
    .prepare(
      `SELECT stream, seq, hash FROM checkpoints
       WHERE consumer = ? AND stream IN (SELECT value FROM json_each(?))`,
    )
    .bind(PROJECTOR, JSON.stringify(streams))
    .all<{ stream: string } & Checkpoint>();
  return new Map(results.map(({ stream, seq, hash }) => [stream, { seq, hash }]));
};

/**
 * The first statement of every batch that projects. A checkpoint that is not where it was read becomes NULL in a column that
 * refuses it: the statement raises and the whole batch is rolled back. A condition in a WHERE would match no row instead, which
 * is no error, and the rest of the batch would count twice. The same holds for a new stream and for one whose row was dropped.
 */
export const guard = (db: D1Database, advances: readonly Advance[], at: string): D1PreparedStatement =>
  db
    .prepare(
      `INSERT INTO checkpoints (stream, consumer, seq, hash, updated_at)
       SELECT next.value->>'stream', ?1,
         iif(next.value->>'expected' = coalesce(
           (SELECT seq FROM checkpoints WHERE stream = next.value->>'stream' AND consumer = ?1), 0),
           next.value->>'seq', NULL),
         next.value->>'hash', ?2
       FROM json_each(?3) AS next WHERE true
       ON CONFLICT (stream, consumer) DO UPDATE SET
         seq = excluded.seq, hash = excluded.hash, updated_at = excluded.updated_at`,
    )
    .bind(PROJECTOR, at, JSON.stringify(advances));

/** True for the guard's own error: somebody else has moved a checkpoint since it was read. */
export const isLostRace = (error: unknown): boolean =>
  error instanceof Error && /constraint failed: checkpoints\./.test(error.message);
