import { eq } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { REBUILD_PHASES, type RebuildPhase, rebuilds } from "../../schema/read-model.ts";

/** A rebuild as it is kept between two of its steps: whoever finds it goes on from there. */
export type Rebuild = typeof rebuilds.$inferSelect;

/** Thrown when a rebuild is no longer this driver's: another has taken its step, or a later rebuild its place. */
export class Superseded extends Error {
  override readonly name = "Superseded";
}

/** A rebuild whose row has not been written for this long has lost its driver: the next one takes its place. A time to come, where the clock was set back, says as little. Milliseconds. */
export const STALE_MS = 10_000;

const ENDED: readonly RebuildPhase[] = ["done", "failed", "superseded"];
const RUNNING = JSON.stringify(REBUILD_PHASES.filter((phase) => !ENDED.includes(phase)));

export const hasEnded = ({ phase }: Pick<Rebuild, "phase">): boolean => ENDED.includes(phase);

export const loadRebuild = async (db: D1Database, id: string): Promise<Rebuild | null> =>
  (await drizzle(db).select().from(rebuilds).where(eq(rebuilds.id, id)).get()) ?? null;

/**
 * Begins a rebuild unless one is running: answers its row, or the id of the one that stands in the way. One whose driver is gone
 * is superseded. From here on no batch that began before writes anything.
 */
export const beginRebuild = async (
  db: D1Database,
  id: string,
  principal: string,
  now: number,
): Promise<{ begun: Rebuild } | { running: string }> => {
  const at = new Date(now).toISOString();
  const [, , , standing] = await db.batch([
    db
      .prepare(
        `INSERT INTO read_model (id, epoch, rebuild, shadowed, named) VALUES (1, 1, ?1, 0, 0)
         ON CONFLICT (id) DO UPDATE SET epoch = epoch + 1, rebuild = excluded.rebuild, shadowed = 0
         WHERE NOT EXISTS (SELECT 1 FROM rebuilds WHERE rebuilds.id = read_model.rebuild AND updated_at > ?2 AND updated_at < ?4
           AND phase IN (SELECT value FROM json_each(?3)))`,
      )
      .bind(id, new Date(now - STALE_MS).toISOString(), RUNNING, new Date(now + STALE_MS).toISOString()),
    db
      .prepare(
        `INSERT INTO rebuilds (id, step, phase, position, streams, rows, differ, differences, principal, started_at, updated_at)
         SELECT ?1, 1, 'clearing', 'null', 0, 0, 0, '[]', ?2, ?3, ?3 FROM read_model WHERE rebuild = ?1`,
      )
      .bind(id, principal, at),
    db
      .prepare(
        `UPDATE rebuilds SET phase = 'superseded' WHERE phase IN (SELECT value FROM json_each(?))
         AND id <> (SELECT rebuild FROM read_model WHERE id = 1)`,
      )
      .bind(RUNNING),
    db.prepare("SELECT rebuild FROM read_model WHERE id = 1"),
  ]);
  const [state] = (standing?.results ?? []) as { rebuild: string }[];
  const begun = state?.rebuild === id ? await loadRebuild(db, id) : null;
  return begun === null ? { running: state?.rebuild ?? "" } : { begun };
};

type Change = Partial<Pick<Rebuild, "phase" | "streams" | "rows" | "differ" | "differences" | "error">> & {
  position?: unknown;
};

/** The write of a rebuild's next step, for a batch; it matches no row when the step is no longer this driver's to take. */
const stepStatement = (db: D1Database, before: Rebuild, after: Rebuild): D1PreparedStatement =>
  db
    .prepare(
      `UPDATE rebuilds SET step = ?3, phase = ?4, position = ?5, streams = ?6, rows = ?7, differ = ?8, differences = ?9,
         error = ?10, updated_at = ?11
       WHERE id = ?1 AND step = ?2 AND id = (SELECT rebuild FROM read_model WHERE id = 1)`,
    )
    .bind(
      before.id,
      before.step,
      after.step,
      after.phase,
      after.position,
      after.streams,
      after.rows,
      after.differ,
      JSON.stringify(after.differences),
      after.error,
      after.updatedAt,
    );

/**
 * Keeps a rebuild's next step, in one batch behind `first` where there is any. Throws `Superseded` when the step was not this
 * driver's to take; what `first` did stands then, and must be harmless.
 */
export const keepStep = async (
  db: D1Database,
  before: Rebuild,
  { position, ...change }: Change,
  now: number,
  first: readonly D1PreparedStatement[] = [],
): Promise<Rebuild> => {
  const after: Rebuild = {
    ...before,
    ...change,
    ...(position === undefined ? {} : { position: JSON.stringify(position) }),
    step: before.step + 1,
    updatedAt: new Date(now).toISOString(),
  };
  const results = await db.batch([...first, stepStatement(db, before, after)]);
  if (results.at(-1)?.meta.changes !== 1) throw new Superseded(`${before.id} has gone on without this driver`);
  return after;
};

/** Moves the tables' epoch, if the step is still this driver's to take: no batch that read them before may write. */
export const moveEpoch = (
  db: D1Database,
  { id, step }: Rebuild,
  state: "shadowed" | "unshadowed",
): D1PreparedStatement =>
  db
    .prepare(
      `UPDATE read_model SET epoch = epoch + 1, shadowed = ?1
       WHERE id = 1 AND rebuild = (SELECT id FROM rebuilds WHERE id = ?2 AND step = ?3)`,
    )
    .bind(state === "shadowed" ? 1 : 0, id, step);

/** The epoch of the tables, for a step that is still this driver's to take. Throws `Superseded` when it is not. */
export const epochFor = async (db: D1Database, { id, step }: Rebuild): Promise<number> => {
  const state = await db
    .prepare("SELECT epoch FROM read_model JOIN rebuilds ON rebuilds.id = rebuild WHERE rebuilds.id = ? AND step = ?")
    .bind(id, step)
    .first<{ epoch: number }>();
  if (state === null) throw new Superseded(`${id} has gone on without this driver`);
  return state.epoch;
};

/** Says that a rebuild has a driver, in the middle of a long step. */
export const beat = async (db: D1Database, { id, step }: Rebuild, now: number): Promise<void> => {
  const at = new Date(now).toISOString();
  await db.prepare("UPDATE rebuilds SET updated_at = ? WHERE id = ? AND step = ?").bind(at, id, step).run();
};

/** Ends a rebuild: the next may begin. */
export const endRebuild = async (
  db: D1Database,
  before: Rebuild,
  change: { phase: "done" } | { phase: "failed"; error: string },
  now: number,
): Promise<Rebuild> => {
  const ended = await keepStep(db, before, { ...change, position: null }, now, [moveEpoch(db, before, "unshadowed")]);
  await db.prepare("UPDATE read_model SET rebuild = NULL WHERE id = 1 AND rebuild = ?").bind(before.id).run();
  return ended;
};
