import { type KeeperEnv, keeperOf } from "../../objects/kit/keepers.ts";
import type { LogRow } from "../../schema/events.ts";

/** Reads a stream's log from the actor that owns it: events with seq > after, oldest first, at most 500. */
export type Pull = (stream: string, after: number, limit: number) => Promise<LogRow[]>;

/** Pulls through the actors' own RPC. Throws for a stream that is none of ours, and when the actor cannot be reached. */
export const pullFrom =
  (env: KeeperEnv): Pull =>
  async (stream, after, limit) => {
    const ask = keeperOf(env, stream);
    if (ask === null) throw new Error(`no actor owns stream ${stream}`);
    return ask((actor) => actor.eventsSince(after, limit));
  };
