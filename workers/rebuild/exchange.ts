import { PROJECTED, PROJECTOR } from "../../schema/read-model.ts";
import { tableIn } from "../consumers/generation.ts";
import type { Rebuild } from "./record.ts";

/** Rows deleted of each table in one step. */
const CLEARED = 2_000;

/** Deletes some rows of the next tables while they are at this epoch; answers how many went. None: they are empty. */
export const clearSome = async (db: D1Database, epoch: number): Promise<number> => {
  const results = await db.batch(
    PROJECTED.map(({ name, key }) => {
      const table = tableIn("next", name);
      const columns = key.join(", ");
      return db
        .prepare(
          `DELETE FROM ${table} WHERE (${columns}) IN (SELECT ${columns} FROM ${table} LIMIT ${CLEARED})
           AND ?1 = (SELECT epoch FROM read_model WHERE id = 1)`,
        )
        .bind(epoch);
    }),
  );
  return results.reduce((sum, { meta }) => sum + meta.changes, 0);
};

/**
 * Makes the next tables the ones that serve and those the next, by exchanging names: one transaction, which holds only if the
 * next ones are nowhere behind and nobody has exchanged them in this step already. Readers meet one set or the other, whole.
 */
export const exchangeStatements = (db: D1Database, { id, step }: Rebuild): D1PreparedStatement[] => [
  db
    .prepare(
      `UPDATE read_model SET shadowed = 0, epoch = iif(
         rebuild = (SELECT id FROM rebuilds WHERE id = ?1 AND step = ?3) AND NOT EXISTS (
           SELECT 1 FROM checkpoints AS serving LEFT JOIN checkpoints_next AS next USING (stream, consumer)
           WHERE consumer = ?2 AND serving.seq > coalesce(next.seq, 0)), epoch + 1, NULL)
       WHERE id = 1`,
    )
    .bind(id, PROJECTOR, step),
  ...PROJECTED.flatMap(({ name }) => {
    const next = tableIn("next", name);
    return [
      `ALTER TABLE ${name} RENAME TO ${name}_before`,
      `ALTER TABLE ${next} RENAME TO ${name}`,
      `ALTER TABLE ${name}_before RENAME TO ${next}`,
    ].map((sql) => db.prepare(sql));
  }),
];

/** True when the exchange was refused: the next tables are behind somewhere, or the rebuild is no longer the one under way. */
export const isBehind = (error: unknown): boolean =>
  error instanceof Error && /constraint failed: read_model\.epoch/.test(error.message);
