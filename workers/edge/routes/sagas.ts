import { systemClock } from "../../../objects/kit/clock.ts";
import { operateBody, resolveBody, sagasQuery } from "../../../schema/commands.ts";
import { canonicalJson } from "../../../schema/events.ts";
import { shardOf } from "../../../schema/ids.ts";
import { reject } from "../../../schema/rejections.ts";
import { pageOf, sagaResource } from "../../../schema/resources.ts";
import type { OperateSaga } from "../../../schema/rpc/coordinator.ts";
import { viewSaga } from "../../../schema/saga-view.ts";
import { listSagas } from "../../read-model/queries.ts";
import { paged } from "../paging.ts";
import { waitMs } from "../prefer.ts";
import { type Answer, answer, type Call, defineRoute } from "../route.ts";

type Age = { ageMs: number } | { beforeMs: number };

const begunBefore = (age: Age, nowMs: number): string =>
  new Date("ageMs" in age ? nowMs - age.ageMs : age.beforeMs).toISOString();

const operated = { 200: { description: "Taken: the saga as it is now.", schema: sagaResource } };

/** Gives an operator's word to the saga's shard and answers the saga as it is after it. */
const operate = async (
  { params, caller, actors, request, meta, key }: Call<unknown, unknown> & { key: string | null },
  command: OperateSaga,
): Promise<Answer> => {
  const id = params.id ?? "";
  const shard = shardOf("sag", id);
  if (shard === null) return reject("not_found", "no such saga");
  const scope = { subject: caller.user, command: `saga.${command.action}`, key, request: canonicalJson(command) };
  const patience = waitMs(request.headers.get("prefer"));
  const result = await actors.coordinator(shard)((coordinator) =>
    coordinator.operateSaga(id, command, scope, patience, meta),
  );
  if (!result.ok) return result;
  const { replayed, value } = result.value;
  const { saga, awaits_approval } = value;
  return answer(awaits_approval ? 202 : 200, viewSaga(saga, systemClock.now()), { replayed });
};

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
  defineRoute({
    operation: "saga.retry",
    method: "POST",
    path: "/v1/sagas/{id}/retry",
    summary: "Takes a parked or waiting saga up again at the step it stands at, its attempts counted anew.",
    idempotency: "honoured",
    waits: true,
    body: operateBody,
    responses: operated,
    handler: (call) => operate(call, { action: "retry", note: call.body.note ?? null }),
  }),
  defineRoute({
    operation: "saga.compensate",
    method: "POST",
    path: "/v1/sagas/{id}/compensate",
    summary: "Takes a saga back, as long as the intent of its pivot does not stand.",
    idempotency: "honoured",
    waits: true,
    body: operateBody,
    responses: operated,
    handler: (call) => operate(call, { action: "compensate", note: call.body.note ?? null }),
  }),
  defineRoute({
    operation: "saga.resolve",
    method: "POST",
    path: "/v1/sagas/{id}/resolve",
    summary:
      "Says, with evidence, how a step ended at a provider. From 1,000.00 EUR-equivalent a second operator has to say the same.",
    idempotency: "honoured",
    waits: true,
    body: resolveBody,
    responses: {
      ...operated,
      202: { description: "Nothing happens until a second operator repeats it.", schema: sagaResource },
    },
    handler: (call) => {
      const { step, verdict, provider_ref = null, note } = call.body;
      return operate(call, { action: "resolve", step, verdict, provider_ref, note });
    },
  }),
];
