/** Stream names: the kind of actor and its name. The one place that turns a stream into the actor to ask. */
export type StreamKind = "pod" | "account" | "saga" | "risk" | "psp" | "fx";

export const streamOf = {
  pod: (pod: string) => `pod/${pod}`,
  account: (account: string) => `account/${account}`,
  saga: (shard: number) => `saga/shard-${shard}`,
  risk: (user: string) => `risk/${user}`,
  psp: (connector: string) => `psp/${connector}`,
  fx: (desk: string) => `fx/${desk}`,
};

const KINDS: ReadonlySet<string> = new Set(Object.keys(streamOf));

/** The kind and the actor's name in a stream; null when it is not one of ours. */
export const parseStream = (stream: string): { kind: StreamKind; name: string } | null => {
  const slash = stream.indexOf("/");
  const kind = stream.slice(0, slash);
  if (slash < 1 || slash === stream.length - 1 || !KINDS.has(kind)) return null;
  return { kind: kind as StreamKind, name: stream.slice(slash + 1) };
};

/** The name of a coordinator shard's object. */
export const shardName = (shard: number): string => `shard-${shard}`;
