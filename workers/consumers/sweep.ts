import { callActor } from "../../objects/kit/stub.ts";
import { SHARDS } from "../../schema/ids.ts";
import type { ActorRpc } from "../../schema/rpc/actor.ts";
import { shardName } from "../../schema/streams.ts";
import type { ConsumerEnv } from "./env.ts";
import { errorText, metric } from "./metrics.ts";
import { inParallel } from "./parallel.ts";

const SHARDS_AT_ONCE = 5;

/**
 * The second net under the coordinator's alarms: asks every shard to run what is due. A shard that cannot be reached is
 * counted and left to the next minute. Answers how many timers ran.
 */
export const sweep = async (env: Pick<ConsumerEnv, "COORDINATORS">): Promise<number> => {
  let ran = 0;
  const shards = Array.from({ length: SHARDS }, (_, shard) => shardName(shard));
  await inParallel(SHARDS_AT_ONCE, shards, async (shard) => {
    try {
      const timers = await callActor<ActorRpc, number>(env.COORDINATORS, shard, (actor) => actor.runDueTimers());
      // Not `ran += await …`: that reads `ran` before the call and forgets what other shards added meanwhile.
      ran += timers;
    } catch (error) {
      metric("sweep.failed", 1, { shard, error: errorText(error) });
    }
  });
  return ran;
};
