import { callActor, type Namespace } from "../../objects/kit/stub.ts";
import type { LogRow } from "../../schema/events.ts";
import type { ActorRpc } from "../../schema/rpc/actor.ts";
import { parseStream, type StreamKind } from "../../schema/streams.ts";
import type { ConsumerEnv } from "./env.ts";

/** Reads a stream's log from the actor that owns it: events with seq > after, oldest first, at most 500. */
export type Pull = (stream: string, after: number, limit: number) => Promise<LogRow[]>;

const namespaceOf = (env: ConsumerEnv, kind: StreamKind): Namespace =>
  ({
    pod: env.PODS,
    account: env.ACCOUNTS,
    saga: env.COORDINATORS,
    risk: env.RISK_PROFILES,
    psp: env.GATEWAYS,
    fx: env.FX_DESKS,
  })[kind];

/** Pulls through the actors' own RPC. Throws for a stream that is none of ours, and when the actor cannot be reached. */
export const pullFrom =
  (env: ConsumerEnv): Pull =>
  async (stream, after, limit) => {
    const parsed = parseStream(stream);
    if (parsed === null) throw new Error(`no actor owns stream ${stream}`);
    return callActor<ActorRpc, LogRow[]>(namespaceOf(env, parsed.kind), parsed.name, (actor) =>
      actor.eventsSince(after, limit),
    );
  };
