import type { ObjectEnv } from "../../objects/kit/env.ts";
import type { Namespace } from "../../objects/kit/stub.ts";
import type { RunMessage } from "../../schema/run-message.ts";

/** The bindings the consumers use, by their names in wrangler.toml. */
export type ConsumerEnv = {
  READ_MODEL: D1Database;
  EVENTS: Queue<RunMessage>;
  PODS: Namespace;
  ACCOUNTS: Namespace;
  COORDINATORS: Namespace;
  GATEWAYS: Namespace;
  RISK_PROFILES: Namespace;
  FX_DESKS: Namespace;
  REBUILDS: Queue<RebuildOrder>;
  /** Actors that may be woken at once by whoever asks after all of them. */
  CROWDPAY_AWAKE?: string;
  FAULTS?: NonNullable<ObjectEnv["FAULTS"]>;
  /** Test only: the seed of what the events queue does wrong. Means nothing unless `FAULTS` is bound. */
  CROWDPAY_QUEUE_FAULTS?: string;
};

/** A message of the queue "rebuilds": take this rebuild on. */
export type RebuildOrder = { rebuild: string };
