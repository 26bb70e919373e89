import { Pace } from "../../objects/kit/pace.ts";
import { callActor } from "../../objects/kit/stub.ts";
import { routeStream } from "../../schema/ids.ts";
import type { CoordinatorRpc } from "../../schema/rpc/coordinator.ts";
import { shardName } from "../../schema/streams.ts";
import { pullFrom } from "../consumers/actors.ts";
import type { ConsumerEnv } from "../consumers/env.ts";
import type { ProjectionPorts } from "../consumers/projection.ts";

/** What a rebuild needs of the outside: the database, the actors' logs, and the directories that name every stream. */
export type RebuildPorts = Omit<ProjectionPorts, "generation"> & {
  directory(shard: number, after: string | null, limit: number): Promise<{ streams: string[]; next: string | null }>;
  /** Has streams named in a directory that none names yet. */
  name(streams: readonly string[]): Promise<void>;
  /** Resolves when these actors may be asked for their logs; meanwhile it beats. */
  letIn(streams: readonly string[], beat: () => Promise<void>): Promise<void>;
  /** Called every so often in a long step. */
  beat(): Promise<void>;
};

/** The real ones, for one turn; the beat is the rebuild's that takes a step. */
export const rebuildPorts = (env: ConsumerEnv): Omit<RebuildPorts, "beat"> => {
  const { CROWDPAY_AWAKE: most } = env;
  // A pace a turn: what one request waits for is no other's to be woken by.
  const pace = new Pace(most === undefined ? undefined : Number(most));
  const ask =
    (shard: number) =>
    <T>(call: (actor: CoordinatorRpc) => Promise<T>): Promise<T> =>
      callActor<CoordinatorRpc, T>(env.COORDINATORS, shardName(shard), call);
  return {
    db: env.READ_MODEL,
    pull: pullFrom(env),
    now: Date.now,
    letIn: (streams, beat) => pace.letIn(streams, beat),
    directory: (shard, after, limit) => ask(shard)((actor) => actor.directory(after, limit)),
    async name(streams) {
      for (const [shard, group] of Map.groupBy(streams, routeStream)) {
        await ask(shard)((actor) => actor.nameStreams(group));
      }
    },
  };
};
