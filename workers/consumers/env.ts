import type { Namespace } from "../../objects/kit/stub.ts";
import type { Run } from "../../schema/events.ts";

/** The bindings the consumers use, by their names in wrangler.toml. */
export type ConsumerEnv = {
  READ_MODEL: D1Database;
  EVENTS: Queue<Run>;
  PODS: Namespace;
  ACCOUNTS: Namespace;
  COORDINATORS: Namespace;
  GATEWAYS: Namespace;
  RISK_PROFILES: Namespace;
  FX_DESKS: Namespace;
};
