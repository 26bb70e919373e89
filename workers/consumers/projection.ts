import type { Run } from "../../schema/events.ts";
import type { Saga } from "../../schema/sagas.ts";
import type { Pull } from "./actors.ts";
import {
  type Advance,
  guard,
  isLostRace,
  type Stand,
  type Standing,
  standingOf,
  standingStatement,
} from "./checkpoints.ts";
import { foldStream } from "./folds/streams.ts";
import type { Generation } from "./generation.ts";
import { errorText, metric } from "./metrics.ts";
import { packUnits, type Unit } from "./packs.ts";
import { inParallel } from "./parallel.ts";
import { NEW_STREAM, planRun, type RunPlan, runFault } from "./runs.ts";
import { sagasIn, sagasOf, sagasStatement } from "./sagas.ts";
import { mergeWrites, noWrites, statementsFor } from "./writes.ts";

/** Most events taken from an actor for one stream and batch. */
export const MAX_PULL = 500;
/** Times the checkpoints are read anew after a batch was rolled back, the first reading included. */
const MAX_ROUNDS = 4;
const PULLS_AT_ONCE = 5;

export type ProjectionPorts = {
  db: D1Database;
  pull: Pull;
  /** Milliseconds since the epoch. */
  now(): number;
  /** The tables to write: those readers see when left out. A rebuild's are written without a word to the metrics. */
  generation?: Generation;
  /** Nothing is written once the tables have become others than they were at this epoch. */
  epoch?: number;
};

/** How far a stream came. */
export type StreamOutcome = {
  /**
   * `current`: as far as anybody knows. `behind`: applied a full pull and there is more. `broken`: the events at hand do not
   * chain to what was applied. `failed`: not all could be had or written; worth trying again.
   */
  state: "current" | "behind" | "broken" | "failed";
  /** The checkpoint now, and the newest event told of. */
  seq: number;
  head: number;
};

type Task = {
  stream: string;
  runs: Run[];
  /** What the one pull of this batch came to; null: none was needed so far. */
  pulled: { state: "sound" | "unsound" | "failed"; count: number } | null;
  plan: RunPlan;
  at: Stand;
  /** Keeps out of batches shared with others: it has met a rival, or may be what a batch failed of. */
  alone: boolean;
  error: string | null;
};

const UNMET: Stand = { ...NEW_STREAM, doc: null };

/** What a round begins with; `sagas` are those asked for, as they stand, null for one that is not there. */
type Known = Standing & { sagas: Map<string, Saga | null> };

const generationOf = ({ generation }: ProjectionPorts): Generation => generation ?? "serving";

/** What is replayed has been reported when it was new. */
const report = (ports: ProjectionPorts, name: string, labels: Record<string, string>): void => {
  if (generationOf(ports) === "serving") metric(name, 1, labels);
};

const taskFor = (stream: string, runs: readonly Run[]): Task => ({
  stream,
  runs: [...runs],
  pulled: null,
  plan: { apply: [], gapFrom: null, brokenAt: null, head: 0 },
  at: UNMET,
  alone: false,
  error: null,
});

/** What the actor itself says comes first in the list, so that it is believed over any message. */
const pullInto = async (task: Task, ports: ProjectionPorts): Promise<void> => {
  try {
    const events = await ports.pull(task.stream, task.at.seq, MAX_PULL);
    const run: Run = { stream: task.stream, from: task.at.seq + 1, head: 0, events };
    const fault = runFault(run);
    task.pulled = { state: fault === null ? "sound" : "unsound", count: events.length };
    if (fault === null) task.runs.unshift(run);
    else report(ports, "projector.log_unsound", { stream: task.stream, error: fault });
  } catch (error) {
    task.pulled = { state: "failed", count: 0 };
    report(ports, "projector.pull_failed", { stream: task.stream, error: errorText(error) });
  }
};

const prepare = async (task: Task, at: Stand, ports: ProjectionPorts): Promise<void> => {
  task.at = at;
  task.plan = planRun(at, task.runs);
  if (task.pulled !== null || (task.plan.gapFrom === null && task.plan.brokenAt === null)) return;
  await pullInto(task, ports);
  task.plan = planRun(at, task.runs);
};

/** Where the streams stand and the sagas that their messages go on with, in one call. */
const readKnown = async (ports: ProjectionPorts, tasks: readonly Task[]): Promise<Known> => {
  const generation = generationOf(ports);
  const streams = tasks.map(({ stream }) => stream);
  const ids = sagasIn(tasks.map(({ stream, runs }) => ({ stream, events: runs.flatMap(({ events }) => events) })));
  const sagas = new Map<string, Saga | null>(ids.map((id) => [id, null]));
  const statements = [standingStatement(ports.db, generation, streams)];
  if (ids.length > 0) statements.push(sagasStatement(ports.db, generation, ids));
  const [standing, found] = await ports.db.batch(statements);
  if (standing === undefined) throw new Error("the read model answered nothing");
  for (const [id, saga] of found === undefined ? [] : sagasOf(found)) sagas.set(id, saga);
  return { ...standingOf(standing), sagas };
};

/** What a pull or another order of the messages made needed besides: as a rule nothing. */
const readMissing = async (ports: ProjectionPorts, tasks: readonly Task[], sagas: Known["sagas"]): Promise<void> => {
  const wanted = sagasIn(tasks.map(({ stream, plan }) => ({ stream, events: plan.apply })));
  const missing = wanted.filter((id) => !sagas.has(id));
  if (missing.length === 0) return;
  // Later than the checkpoints: should the shard have gone on meanwhile, the guard finds out.
  const [found] = await ports.db.batch([sagasStatement(ports.db, generationOf(ports), missing)]);
  for (const [id, saga] of found === undefined ? [] : sagasOf(found)) sagas.set(id, saga);
};

/** One D1 batch: the guard, then every row the folds changed. A stream that cannot be folded is left out, with its error. */
const commit = async (ports: ProjectionPorts, { epoch, sagas }: Known, units: readonly Unit<Task>[]): Promise<void> => {
  const generation = generationOf(ports);
  const writes = noWrites();
  const reached = new Map<Task, Advance>();
  for (const { stream: task, from, rows } of units) {
    const last = rows.at(-1);
    if (last === undefined) continue;
    try {
      const { doc, writes: found } = foldStream({ doc: task.at.doc, sagas }, task.stream, rows);
      mergeWrites(writes, found);
      reached.set(task, { stream: task.stream, expected: from.seq, seq: last.seq, hash: last.hash, doc });
    } catch (error) {
      task.error = errorText(error);
    }
  }
  if (reached.size === 0) return;
  const guards = guard(ports.db, { generation, epoch }, [...reached.values()]);
  await ports.db.batch([...guards, ...statementsFor(ports.db, generation, writes)]);
  for (const [task, { seq, hash, doc }] of reached) task.at = { seq, hash, doc };
  for (const saga of [...writes.sagas, ...writes.sagasStaying]) sagas.set(saga.id, saga);
};

const packsOf = (tasks: readonly Task[]): Unit<Task>[][] => {
  const work = tasks.map((task) => ({ stream: task, from: task.at, rows: task.plan.apply }));
  const apart = (alone: boolean) => work.filter(({ stream }) => stream.alone === alone);
  return [...packUnits(apart(false)), ...apart(true).flatMap((unit) => packUnits([unit]))];
};

/** Projects the packs in order; answers the streams whose batch was rolled back, with why. */
const commitAll = async (
  ports: ProjectionPorts,
  known: Known,
  packs: readonly Unit<Task>[][],
): Promise<Map<Task, unknown>> => {
  const undone = new Map<Task, unknown>();
  for (const pack of packs) {
    const units = pack.filter(({ stream }) => !undone.has(stream) && stream.error === null);
    if (units.length === 0) continue;
    try {
      await commit(ports, known, units);
    } catch (error) {
      for (const { stream } of units) undone.set(stream, error);
    }
  }
  return undone;
};

const outcomeOf = ({ plan, at, pulled, error }: Task): StreamOutcome => {
  const reached = { seq: at.seq, head: plan.head };
  if (error !== null) return { state: "failed", ...reached };
  if (at.seq >= plan.head) return { state: "current", ...reached };
  if (pulled?.state !== "failed" && (plan.brokenAt !== null || pulled?.state === "unsound")) {
    return { state: "broken", ...reached };
  }
  return { state: pulled?.count === MAX_PULL ? "behind" : "failed", ...reached };
};

/**
 * The same runs into the tables a rebuild is filling, before readers see them in the others: so the tables that come next are
 * never behind those that serve. What fails here the rebuild itself catches up with; readers must not wait for it.
 */
const shadow = async (
  ports: ProjectionPorts,
  epoch: number,
  runs: ReadonlyMap<string, readonly Run[]>,
): Promise<void> => {
  await projectRuns({ ...ports, generation: "next", epoch }, runs).catch(() => undefined);
};

/**
 * Applies runs of many streams to the read model, each stream from its own checkpoint on, each event once whatever is
 * redelivered, doubled or reordered. Runs must be sound by themselves. Streams share a D1 batch as long as nothing goes wrong;
 * one that does is tried again alone, so that it holds up no other. While the read model is rebuilt the next tables get the same.
 * Throws only when the checkpoints cannot be read.
 */
export const projectRuns = async (
  ports: ProjectionPorts,
  runs: ReadonlyMap<string, readonly Run[]>,
): Promise<Map<string, StreamOutcome>> => {
  const tasks = [...runs].map(([stream, list]) => taskFor(stream, list));
  let open = tasks;
  let shadowedAt: number | null = null;
  for (let round = 1; open.length > 0; round++) {
    const known = await readKnown(ports, open);
    const { checkpoints, epoch, shadowed } = known;
    if (ports.epoch !== undefined && ports.epoch !== epoch) break;
    // Once for each making of the next tables: a rebuild may have begun since the last round.
    if (shadowed && shadowedAt !== epoch && generationOf(ports) === "serving") {
      await shadow(ports, epoch, runs);
      shadowedAt = epoch;
    }
    await inParallel(PULLS_AT_ONCE, open, (task) => {
      const at = checkpoints.get(task.stream) ?? UNMET;
      if (round > 1 && at.seq !== task.at.seq) task.alone = true;
      return prepare(task, at, ports);
    });
    await readMissing(ports, open, known.sagas);
    const undone = await commitAll(ports, known, packsOf(open));
    for (const [task, error] of undone) {
      if (!isLostRace(error)) task.alone = true;
      if (round === MAX_ROUNDS) task.error = errorText(error);
    }
    open = round === MAX_ROUNDS ? [] : [...undone.keys()];
  }
  for (const { stream, error } of tasks) if (error !== null) report(ports, "projector.failed", { stream, error });
  return new Map(tasks.map((task) => [task.stream, outcomeOf(task)]));
};
