import { healthResource, readinessResource, versionResource } from "../../../schema/resources.ts";
import type { Env } from "../../env.ts";
import { actorsOf } from "../actors.ts";
import { answer, defineRoute } from "../route.ts";

/** A part that does not answer within this is not ready. */
const PATIENCE_MS = 2_000;

const holds = async (probe: () => Promise<unknown>): Promise<boolean> => {
  try {
    await Promise.race([
      probe(),
      scheduler.wait(PATIENCE_MS).then(() => {
        throw new Error("no answer in time");
      }),
    ]);
    return true;
  } catch {
    return false;
  }
};

const probe = async (env: Env) => {
  const [d1, actor, queue] = await Promise.all([
    holds(() => env.READ_MODEL.prepare("SELECT count(*) FROM checkpoints").first()),
    holds(() => actorsOf(env).coordinator(0)((coordinator) => coordinator.head())),
    holds(() => env.EVENTS.metrics()),
  ]);
  return { d1, actor, queue };
};

export const serviceRoutes = [
  defineRoute({
    operation: "service.health",
    method: "GET",
    path: "/healthz",
    summary: "Whether the process answers at all.",
    idempotency: "none",
    responses: { 200: { description: "It does.", schema: healthResource } },
    handler: async () => answer(200, { ok: true }),
  }),
  defineRoute({
    operation: "service.ready",
    method: "GET",
    path: "/readyz",
    summary: "Whether the read model, the actors and the queue answer.",
    idempotency: "none",
    responses: {
      200: { description: "All parts answer.", schema: readinessResource },
      503: { description: "Some part does not.", schema: readinessResource },
    },
    handler: async ({ env }) => {
      const parts = await probe(env);
      const ok = Object.values(parts).every(Boolean);
      return answer(ok ? 200 : 503, { ok, parts });
    },
  }),
  defineRoute({
    operation: "service.version",
    method: "GET",
    path: "/version",
    summary: "What was built, from what, when.",
    idempotency: "none",
    responses: { 200: { description: "The build.", schema: versionResource } },
    handler: async ({ settings }) => answer(200, settings().BUILD),
  }),
];
