import { CONNECTORS } from "./connectors.ts";
import { SHARDS } from "./ids.ts";
import { DESK } from "./rpc/desk.ts";

/**
 * Stream names: the kind of actor and its name. A new kind of stream begins here; which binding keeps it is said in
 * `objects/kit/keepers.ts`, what its events come to in lists in `workers/consumers/folds/streams.ts`. Whoever makes a stream
 * that is not the house's own names it in a coordinator's directory first.
 */
export const STREAM_KINDS = ["pod", "account", "saga", "risk", "psp", "fx"] as const;
export type StreamKind = (typeof STREAM_KINDS)[number];

export const streamOf = {
  pod: (pod: string) => `pod/${pod}`,
  account: (account: string) => `account/${account}`,
  saga: (shard: number) => `saga/${shardName(shard)}`,
  risk: (user: string) => `risk/${user}`,
  psp: (connector: string) => `psp/${connector}`,
  fx: (desk: string) => `fx/${desk}`,
};

/** The kind and the actor's name in a stream; null when it is not one of ours. */
export const parseStream = (stream: string): { kind: StreamKind; name: string } | null => {
  const slash = stream.indexOf("/");
  const kind = STREAM_KINDS.find((known) => known === stream.slice(0, slash));
  return kind === undefined || slash === stream.length - 1 ? null : { kind, name: stream.slice(slash + 1) };
};

/** The name of a coordinator shard's object. */
export const shardName = (shard: number): string => `shard-${shard}`;

/** The streams every deployment has, whoever uses it: no directory names them. */
export const HOUSE_STREAMS: readonly string[] = [
  ...Array.from({ length: SHARDS }, (_, shard) => streamOf.saga(shard)),
  ...Object.keys(CONNECTORS).map(streamOf.psp),
  streamOf.fx(DESK),
];
