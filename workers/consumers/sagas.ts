import type { LogRow } from "../../schema/events.ts";
import type { Saga } from "../../schema/sagas.ts";
import { parseStream } from "../../schema/streams.ts";
import { sagasBefore } from "./folds/sagas.ts";
import { type Generation, tableIn } from "./generation.ts";

/** The sagas that the events at hand of these streams go on with. */
export const sagasIn = (streams: Iterable<{ stream: string; events: Iterable<LogRow> }>): string[] => {
  const found: string[] = [];
  for (const { stream, events } of streams) {
    if (parseStream(stream)?.kind === "saga") found.push(...sagasBefore(events));
  }
  return found;
};

/** Reads sagas by id, for a batch. */
export const sagasStatement = (db: D1Database, generation: Generation, ids: readonly string[]): D1PreparedStatement =>
  db
    .prepare(`SELECT id, doc FROM ${tableIn(generation, "sagas")} WHERE id IN (SELECT value FROM json_each(?))`)
    .bind(JSON.stringify(ids));

/** What that statement found, by id. */
export const sagasOf = ({ results }: D1Result<unknown>): [string, Saga][] =>
  (results as { id: string; doc: string }[]).map(({ id, doc }) => [id, JSON.parse(doc) as Saga]);
