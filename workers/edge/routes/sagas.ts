import { systemClock } from "../../../objects/kit/clock.ts";
import { sagasQuery } from "../../../schema/commands.ts";
import { shardOf } from "../../../schema/ids.ts";
import { reject } from "../../../schema/rejections.ts";
import { pageOf, sagaResource } from "../../../schema/resources.ts";
import { viewSaga } from "../../../schema/sagas.ts";
import { listSagas } from "../../read-model/queries.ts";
import { paged } from "../paging.ts";
import { answer, defineRoute } from "../route.ts";

type Age = { ageMs: number } | { beforeMs: number };

const begunBefore = (age: Age, nowMs: number): string =>
  new Date("ageMs" in age ? nowMs - age.ageMs : age.beforeMs).toISOString();

export const sagaRoutes = [
  defineRoute({
    operation: "saga.list",
    method: "GET",
    path: "/v1/sagas",
    summary: "Sagas, newest first; `older_than` takes an age such as PT5M or an RFC 3339 time.",
    idempotency: "none",
    query: paged(sagasQuery),
    responses: { 200: { description: "A page of sagas.", schema: pageOf(sagaResource) } },
    handler: async ({ env, query: { limit, after, older_than, ...filter } }) => {
      const now = systemClock.now();
      const wanted = { ...filter, ...(older_than === undefined ? {} : { older_than: begunBefore(older_than, now) }) };
      const { data, next } = await listSagas(env.READ_MODEL, wanted, { limit, after });
      return answer(200, { data: data.map((saga) => viewSaga(saga, now)), next });
    },
  }),
  defineRoute({
    operation: "saga.read",
    method: "GET",
    path: "/v1/sagas/{id}",
    summary: "One saga, step by step.",
    idempotency: "none",
    responses: { 200: { description: "The saga as it is now.", schema: sagaResource } },
    handler: async ({ params, actors }) => {
      const id = params.id ?? "";
      const shard = shardOf("sag", id);
      const saga = shard === null ? null : await actors.coordinator(shard)((coordinator) => coordinator.saga(id));
      return saga === null ? reject("not_found", "no such saga") : answer(200, viewSaga(saga, systemClock.now()));
    },
  }),
];
