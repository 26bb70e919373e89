import type { ActorRpc } from "../../schema/rpc/actor.ts";
import { parseStream, type StreamKind } from "../../schema/streams.ts";
import type { ObjectEnv } from "./env.ts";
import { callActor } from "./stub.ts";

/** The binding of the actors that keep each kind of stream: the one place that turns a stream into the actor to ask. */
const BINDINGS = {
  pod: "PODS",
  account: "ACCOUNTS",
  saga: "COORDINATORS",
  risk: "RISK_PROFILES",
  psp: "GATEWAYS",
  fx: "FX_DESKS",
} as const satisfies Record<StreamKind, keyof ObjectEnv>;

export type KeeperEnv = Pick<ObjectEnv, (typeof BINDINGS)[StreamKind]>;

/** Asks whatever keeps a stream; null when the name is not a stream's. Retries as `callActor` does. */
export const keeperOf = (
  env: KeeperEnv,
  stream: string,
): (<T>(call: (actor: ActorRpc) => Promise<T>) => Promise<T>) | null => {
  const parsed = parseStream(stream);
  if (parsed === null) return null;
  return (call) => callActor(env[BINDINGS[parsed.kind]], parsed.name, call);
};
