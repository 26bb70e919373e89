import { z } from "zod";
import { pspWebhookRoute } from "../ingress/psp.ts";
import { openapiDocument } from "./openapi.ts";
import { answer, defineRoute, type Route } from "./route.ts";
import { accountRoutes } from "./routes/accounts.ts";
import { batchRoutes } from "./routes/batches.ts";
import { chargeRoutes } from "./routes/charges.ts";
import { deadLetterRoutes } from "./routes/dead-letters.ts";
import { feedRoutes } from "./routes/feed.ts";
import { fxRoutes } from "./routes/fx.ts";
import { invitationRoutes } from "./routes/invitations.ts";
import { ledgerRoutes } from "./routes/ledger.ts";
import { memberRoutes } from "./routes/members.ts";
import { monitorRoutes } from "./routes/monitors.ts";
import { periodRoutes } from "./routes/periods.ts";
import { podRoutes } from "./routes/pods.ts";
import { readModelRoutes } from "./routes/read-model.ts";
import { sagaRoutes } from "./routes/sagas.ts";
import { serviceRoutes } from "./routes/service.ts";
import { statementRoutes } from "./routes/statements.ts";
import { testClockRoutes } from "./routes/test-clock.ts";
import { walletRoutes } from "./routes/wallets.ts";

const documents = new WeakMap<object, unknown>();

const openapiRoute: Route = defineRoute({
  operation: "service.openapi",
  method: "GET",
  path: "/openapi.json",
  summary: "This document.",
  idempotency: "none",
  responses: { 200: { description: "An OpenAPI 3.1 document.", schema: z.record(z.string(), z.unknown()) } },
  handler: async (call) => {
    const settings = call.settings();
    const here = ROUTES.filter((route) => route.when === undefined || route.when(settings));
    const document = documents.get(settings) ?? openapiDocument(here, settings.BUILD.version);
    documents.set(settings, document);
    return answer(200, document);
  },
});

/** Every route of the house. What is not in this table is a 404. */
export const ROUTES: readonly Route[] = [
  ...serviceRoutes,
  openapiRoute,
  ...podRoutes,
  ...feedRoutes,
  ...memberRoutes,
  ...invitationRoutes,
  ...chargeRoutes,
  ...fxRoutes,
  ...walletRoutes,
  ...ledgerRoutes,
  ...accountRoutes,
  ...monitorRoutes,
  ...batchRoutes,
  ...periodRoutes,
  ...statementRoutes,
  ...sagaRoutes,
  ...deadLetterRoutes,
  ...readModelRoutes,
  ...testClockRoutes,
  pspWebhookRoute,
];
