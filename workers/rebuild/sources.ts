import { SHARDS } from "../../schema/ids.ts";
import { HOUSE_STREAMS } from "../../schema/streams.ts";
import { readStanding } from "../consumers/checkpoints.ts";
import { parseCursor } from "../read-model/page.ts";
import { listStreams } from "../read-model/queries.ts";
import { FILLED_AT_ONCE, fillStreams } from "./fill.ts";
import type { RebuildPorts } from "./ports.ts";

/** Where streams come from, in order: the house's own, the directory of each shard, and what the old read model knew. */
export type Position = { source: number; after: string | null };
export const FIRST: Position = { source: 0, after: null };
const OLD_READ_MODEL = 1 + SHARDS;

type Page = { streams: readonly string[]; next: string | null };

const knownPage = async (db: D1Database, after: string | null): Promise<Page> => {
  const { data, next } = await listStreams(db, {
    limit: FILLED_AT_ONCE,
    after: after === null ? null : parseCursor(after),
  });
  return { streams: data, next };
};

const pageAt = (ports: RebuildPorts, { source, after }: Position): Promise<Page> => {
  if (source === 0) return Promise.resolve({ streams: HOUSE_STREAMS, next: null });
  return source === OLD_READ_MODEL ? knownPage(ports.db, after) : ports.directory(source - 1, after, FILLED_AT_ONCE);
};

/**
 * Fills the next page of streams; answers where to go on (null: all are filled) and how many were met. A stream the directories
 * do not name comes from the old read model alone: it is named now, for the day that is gone.
 */
export const fillPage = async (
  ports: RebuildPorts,
  at: Position,
): Promise<{ next: Position | null; streams: number }> => {
  const { streams, next } = await pageAt(ports, at);
  const { checkpoints } = await readStanding(ports.db, "next", streams);
  const unmet = streams.filter((stream) => !checkpoints.has(stream));
  if (at.source === OLD_READ_MODEL && unmet.length > 0) await ports.name(unmet);
  const met = await fillStreams(ports, "next", unmet);
  if (next !== null) return { next: { ...at, after: next }, streams: met };
  return { next: at.source === OLD_READ_MODEL ? null : { source: at.source + 1, after: null }, streams: met };
};

/**
 * Once a deployment: has every stream of the checkpoints named in a directory. Pods made before directories named them are known
 * to the read model only, which must not be what it takes to find them. Costs one row read when it is done.
 */
export const nameKnownStreams = async ({ db, name }: Pick<RebuildPorts, "db" | "name">): Promise<void> => {
  const state = await db.prepare("SELECT named FROM read_model WHERE id = 1").first<{ named: number }>();
  if (state?.named === 1) return;
  for (let after: string | null | undefined; after !== null; ) {
    const page: Page = await knownPage(db, after ?? null);
    await name(page.streams);
    after = page.next;
  }
  await db
    .prepare(
      `INSERT INTO read_model (id, epoch, rebuild, shadowed, named) VALUES (1, 0, NULL, 0, 1)
       ON CONFLICT (id) DO UPDATE SET named = 1`,
    )
    .run();
};
