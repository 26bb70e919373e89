import { systemIds } from "../../../objects/kit/clock.ts";
import { emptyBody } from "../../../schema/commands.ts";
import { parseId } from "../../../schema/ids.ts";
import { PROJECTED } from "../../../schema/read-model.ts";
import { reject } from "../../../schema/rejections.ts";
import { rebuildResource } from "../../../schema/resources.ts";
import { beginRebuild, loadRebuild, type Rebuild } from "../../rebuild/record.ts";
import { answer, defineRoute } from "../route.ts";

const rebuildBody = ({ id, phase, streams, rows, differ, differences, error, startedAt, updatedAt }: Rebuild) => ({
  id,
  phase,
  streams,
  rows,
  tables: PROJECTED.length,
  differ,
  differences,
  error,
  started_at: startedAt,
  updated_at: updatedAt,
});

export const readModelRoutes = [
  defineRoute({
    operation: "read_model.rebuild",
    method: "POST",
    path: "/v1/read-model/rebuild",
    summary: "Rebuilds what lists read from the logs, beside what they read now, compares the two and exchanges them.",
    idempotency: "none",
    body: emptyBody,
    responses: { 202: { description: "It has begun.", schema: rebuildResource } },
    handler: async ({ env, caller, requestId }) => {
      // Platform time, as everywhere in the read model: a driver that is gone is told by the clock on the wall.
      const now = Date.now();
      const started = await beginRebuild(env.READ_MODEL, systemIds.next("rbd", now), caller.user, now);
      if ("running" in started) return reject("conflict", `a rebuild is under way: ${started.running}`);
      const { id } = started.begun;
      const audit = { audit: "read_model.rebuild", rebuild: id, principal: caller.user, client_id: caller.clientId };
      console.log(JSON.stringify({ level: "info", ...audit, request_id: requestId }));
      await env.REBUILDS.send({ rebuild: id });
      return answer(202, rebuildBody(started.begun), { headers: { location: `/v1/read-model/rebuild/${id}` } });
    },
  }),
  defineRoute({
    operation: "read_model.rebuilding",
    method: "GET",
    path: "/v1/read-model/rebuild/{id}",
    summary: "How a rebuild stands, and which rows were not as the logs say.",
    idempotency: "none",
    responses: { 200: { description: "The rebuild.", schema: rebuildResource } },
    handler: async ({ env, params }) => {
      const id = params.id ?? "";
      const rebuild = parseId("rbd", id) === null ? null : await loadRebuild(env.READ_MODEL, id);
      return rebuild === null ? reject("not_found", "no such rebuild") : answer(200, rebuildBody(rebuild));
    },
  }),
];
