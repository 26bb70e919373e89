import { consume } from "./consumers/index.ts";
import { reportParked } from "./consumers/parked.ts";
import { sweep } from "./consumers/sweep.ts";
import { createApp } from "./edge/app.ts";
import { ROUTES } from "./edge/routes.ts";
import type { Env } from "./env.ts";
import { rebuildPorts } from "./rebuild/ports.ts";
import { nameKnownStreams } from "./rebuild/sources.ts";

// The one place that names the objects' classes: the platform finds them as exports of this module.
export { CrowdPod } from "../objects/crowd-pod/object.ts";
export { FxDesk } from "../objects/fx-desk/object.ts";
export { LedgerAccount } from "../objects/ledger-account/object.ts";
export { PodFeed } from "../objects/pod-feed/object.ts";
export { PspGateway } from "../objects/psp-gateway/object.ts";
export { RiskProfile } from "../objects/risk-profile/object.ts";
export { SagaCoordinator } from "../objects/saga-coordinator/object.ts";

const app = createApp(ROUTES);

export default {
  fetch: (request, env, context) => app.fetch(request, env, context),
  queue: (batch, env) => consume(batch, env),
  async scheduled(_controller, env) {
    await Promise.all([sweep(env), nameKnownStreams(rebuildPorts(env)), reportParked(env)]);
  },
} satisfies ExportedHandler<Env>;
