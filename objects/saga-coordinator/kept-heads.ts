import type { TrialBalance } from "../../schema/rpc/coordinator.ts";
import { parseStream } from "../../schema/streams.ts";
import type { ObjectEnv } from "../kit/env.ts";

/** Where a log once ended, as somebody outside its own file wrote down. */
export type KeptHead = { keeper: string; seq: number; hash: string };

type Row = { stream: string; consumer: string; seq: number; hash: string };

/**
 * The heads of these streams that are kept elsewhere: an account's in the newest cut, any stream's in its consumers' checkpoints.
 * They are what notices a log that was cut short together with all that its own file says of its end.
 */
export const keptHeads = async (
  env: Pick<ObjectEnv, "READ_MODEL">,
  streams: readonly string[],
  cut: TrialBalance | null,
): Promise<Map<string, KeptHead[]>> => {
  const inCut = (stream: string): KeptHead[] => {
    const named = parseStream(stream);
    const head = named?.kind === "account" ? cut?.cut.accounts[named.name] : undefined;
    return head === undefined ? [] : [{ keeper: `cut ${cut?.cut.epoch}`, ...head }];
  };
  const kept = new Map<string, KeptHead[]>(streams.map((stream) => [stream, inCut(stream)]));
  for (const { stream, consumer, seq, hash } of await checkpointsOf(env.READ_MODEL, streams)) {
    kept.get(stream)?.push({ keeper: `the ${consumer}'s checkpoint`, seq, hash });
  }
  return kept;
};

/** Without the read model the chains are verified all the same, only their ends are compared with less. */
const checkpointsOf = async (db: D1Database, streams: readonly string[]): Promise<Row[]> => {
  try {
    const { results } = await db
      .prepare(
        `SELECT stream, consumer, seq, hash FROM checkpoints
         WHERE seq > 0 AND stream IN (SELECT value FROM json_each(?))`,
      )
      .bind(JSON.stringify(streams))
      .all<Row>();
    return results;
  } catch (error) {
    console.error(
      `verification without the consumers' checkpoints: ${error instanceof Error ? error.message : "failed"}`,
    );
    return [];
  }
};
