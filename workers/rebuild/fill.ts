import type { Run } from "../../schema/events.ts";
import { PROJECTOR } from "../../schema/read-model.ts";
import { readStanding } from "../consumers/checkpoints.ts";
import type { Generation } from "../consumers/generation.ts";
import { inParallel } from "../consumers/parallel.ts";
import { MAX_PULL, projectRuns } from "../consumers/projection.ts";
import { NEW_STREAM, runFault } from "../consumers/runs.ts";
import type { RebuildPorts } from "./ports.ts";

const PULLS_AT_ONCE = 5;
/** Streams filled together: a pull of each is held in memory at once. */
export const FILLED_AT_ONCE = 32;
/** Streams that are found to lag in one look. */
export const MAX_LAGGING = 1_000;

const fillTogether = async (
  ports: RebuildPorts,
  generation: Generation,
  streams: readonly string[],
): Promise<number> => {
  let met = 0;
  let open = [...streams];
  for (let first = true; open.length > 0; first = false) {
    if (!first) await ports.beat();
    await ports.letIn(open, ports.beat);
    const { checkpoints } = await readStanding(ports.db, generation, open);
    const runs = new Map<string, Run[]>();
    await inParallel(PULLS_AT_ONCE, open, async (stream) => {
      const at = checkpoints.get(stream) ?? NEW_STREAM;
      const events = await ports.pull(stream, at.seq, MAX_PULL);
      if (events.length === 0) return;
      const run: Run = { stream, from: at.seq + 1, head: at.seq + events.length, events };
      const fault = runFault(run);
      if (fault !== null) throw new Error(`the log of ${stream} does not hold: ${fault}`);
      runs.set(stream, [run]);
    });
    if (first) met = runs.size;
    for (const [stream, { state }] of await projectRuns({ ...ports, generation }, runs)) {
      if (state !== "current") throw new Error(`the log of ${stream} cannot be applied (${state})`);
    }
    open = [...runs].flatMap(([stream, [run]]) => (run?.events.length === MAX_PULL ? [stream] : []));
  }
  return met;
};

/**
 * Brings a generation's tables to the end of these logs, from wherever they stand, in pulls of 500 events. Answers how many of the
 * streams have any event. Throws when a log cannot be had or does not hold: what was applied until then stands.
 */
export const fillStreams = async (
  ports: RebuildPorts,
  generation: Generation,
  streams: readonly string[],
): Promise<number> => {
  let met = 0;
  for (let from = 0; from < streams.length; from += FILLED_AT_ONCE) {
    if (from > 0) await ports.beat();
    met += await fillTogether(ports, generation, streams.slice(from, from + FILLED_AT_ONCE));
  }
  return met;
};

export type Lag = { stream: string; serving: number; next: number };

/**
 * Streams after this one, by name, at which the two generations have not come equally far, as a statement for a batch. At most
 * 1,000: as many may be more.
 */
export const laggingStatement = (db: D1Database, after = ""): D1PreparedStatement =>
  db
    .prepare(
      `SELECT serving.stream AS stream, serving.seq AS serving, coalesce(next.seq, 0) AS next
         FROM checkpoints AS serving LEFT JOIN checkpoints_next AS next USING (stream, consumer)
         WHERE consumer = ?1 AND serving.seq <> coalesce(next.seq, 0) AND serving.stream > ?2
       UNION ALL
       SELECT next.stream, 0, next.seq
         FROM checkpoints_next AS next LEFT JOIN checkpoints AS serving USING (stream, consumer)
         WHERE consumer = ?1 AND serving.stream IS NULL AND next.stream > ?2
       ORDER BY stream LIMIT ${MAX_LAGGING}`,
    )
    .bind(PROJECTOR, after);

/**
 * Brings whichever generation lags at a stream to where the log is: messages that were lost while the read model was rebuilt, and
 * streams the one that serves had never heard of: all of them, when it was dropped.
 */
export const catchUp = async (ports: RebuildPorts): Promise<void> => {
  for (let after: string | undefined = ""; after !== undefined; ) {
    const { results }: D1Result<Lag> = await laggingStatement(ports.db, after).all<Lag>();
    const lagging = (generation: Generation): string[] =>
      results.flatMap(({ stream, serving, next }) =>
        (generation === "next" ? next < serving : serving < next) ? [stream] : [],
      );
    // First the one that is to come: it must not be behind the one that serves.
    await fillStreams(ports, "next", lagging("next"));
    await fillStreams(ports, "serving", lagging("serving"));
    after = results.length < MAX_LAGGING ? undefined : results.at(-1)?.stream;
  }
};
