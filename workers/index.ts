import * as pod from "../objects/crowd-pod/object.ts";
import * as desk from "../objects/fx-desk/object.ts";
import * as account from "../objects/ledger-account/object.ts";
import * as feed from "../objects/pod-feed/object.ts";
import * as gateway from "../objects/psp-gateway/object.ts";
import * as risk from "../objects/risk-profile/object.ts";
import * as saga from "../objects/saga-coordinator/object.ts";
import { consume } from "./consumers/index.ts";
import { reportParked } from "./consumers/parked.ts";
import { sweep } from "./consumers/sweep.ts";
import { createApp } from "./edge/app.ts";
import { ROUTES } from "./edge/routes.ts";
import type { Env } from "./env.ts";
import { meteredHandlers, meteredObjects } from "./metered.ts";
import { rebuildPorts } from "./rebuild/ports.ts";
import { nameKnownStreams } from "./rebuild/sources.ts";

// The one place that names the objects' classes: the platform finds them as exports of this module.
export const { CrowdPod, FxDesk, LedgerAccount, PodFeed, PspGateway, RiskProfile, SagaCoordinator } = meteredObjects({
  CrowdPod: pod.CrowdPod,
  FxDesk: desk.FxDesk,
  LedgerAccount: account.LedgerAccount,
  PodFeed: feed.PodFeed,
  PspGateway: gateway.PspGateway,
  RiskProfile: risk.RiskProfile,
  SagaCoordinator: saga.SagaCoordinator,
});

const app = createApp(ROUTES);

const handlers: Required<Pick<ExportedHandler<Env>, "fetch" | "queue" | "scheduled">> = {
  fetch: (request, env, context) => app.fetch(request, env, context),
  queue: (batch, env) => consume(batch, env),
  async scheduled(_controller, env) {
    await Promise.all([sweep(env), nameKnownStreams(rebuildPorts(env)), reportParked(env)]);
  },
};

export default meteredHandlers(handlers);
