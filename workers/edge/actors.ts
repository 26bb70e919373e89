import { callActor, type Namespace } from "../../objects/kit/stub.ts";
import { DEFAULT_CONNECTOR } from "../../schema/connectors.ts";
import type { AccountRpc } from "../../schema/rpc/account.ts";
import type { ActorRpc } from "../../schema/rpc/actor.ts";
import type { CoordinatorRpc } from "../../schema/rpc/coordinator.ts";
import { DESK, type DeskRpc } from "../../schema/rpc/desk.ts";
import type { GatewayRpc } from "../../schema/rpc/gateway.ts";
import type { PodRpc } from "../../schema/rpc/pod.ts";
import { parseStream, type StreamKind, shardName } from "../../schema/streams.ts";
import type { Env } from "../env.ts";

type Ask<A> = <T>(call: (actor: A) => Promise<T>) => Promise<T>;

const asking =
  <A>(namespace: Namespace, name: string): Ask<A> =>
  (call) =>
    callActor(namespace, name, call);

const NAMESPACES: Readonly<
  Record<StreamKind, "PODS" | "ACCOUNTS" | "COORDINATORS" | "RISK_PROFILES" | "GATEWAYS" | "FX_DESKS">
> = {
  pod: "PODS",
  account: "ACCOUNTS",
  saga: "COORDINATORS",
  risk: "RISK_PROFILES",
  psp: "GATEWAYS",
  fx: "FX_DESKS",
};

/** The actors, each by its name and the contract it keeps. `env.pod(id)((actor) => actor.see(viewer))` asks one. */
export const actorsOf = (env: Env) => ({
  pod: (id: string) => asking<PodRpc>(env.PODS, id),
  account: (name: string) => asking<AccountRpc>(env.ACCOUNTS, name),
  coordinator: (shard: number) => asking<CoordinatorRpc>(env.COORDINATORS, shardName(shard)),
  gateway: (connector: string = DEFAULT_CONNECTOR) => asking<GatewayRpc>(env.GATEWAYS, connector),
  desk: () => asking<DeskRpc>(env.FX_DESKS, DESK),
  /** Whatever keeps a stream; null when the name is not a stream's. */
  keeper: (stream: string): Ask<ActorRpc> | null => {
    const parsed = parseStream(stream);
    return parsed === null ? null : asking<ActorRpc>(env[NAMESPACES[parsed.kind]], parsed.name);
  },
});

export type Actors = ReturnType<typeof actorsOf>;
