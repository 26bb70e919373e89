import { systemClock, systemIds } from "../../../objects/kit/clock.ts";
import { createPodBody, entriesQuery, eventsQuery, freezeBody, renamePodBody } from "../../../schema/commands.ts";
import { entryResource } from "../../../schema/ledger-resources.ts";
import { accept } from "../../../schema/rejections.ts";
import { eventRow, pageOf, podResource as podSchema } from "../../../schema/resources.ts";
import { listEntries, listPods } from "../../read-model/queries.ts";
import { paged, pageQuery } from "../paging.ts";
import { podListed, podResource, podWithBalances } from "../pod-resource.ts";
import { answer, type Call, defineRoute } from "../route.ts";
import { claimId } from "./claims.ts";
import { commandPod } from "./pod-commands.ts";
import { admitToPod } from "./pod-policy.ts";

/**
 * The id of the pod to make: under a key, the id that key was bound to first. Either way a shard has the pod in its directory
 * before the pod has anything: nothing else could find it again, were the read model gone.
 */
const podIdFor = async (call: Call<unknown, unknown>, key: string | null) => {
  const candidate = systemIds.next("pod", systemClock.now());
  const claimed = await claimId(call, { command: "pod.create", key, request: call.body, candidate, kind: "pod" });
  return claimed.ok ? accept(claimed.value.id) : claimed;
};

const podAnswers = { 200: { description: "The pod as it is now.", schema: podSchema } };

export const podRoutes = [
  defineRoute({
    operation: "pod.create",
    method: "POST",
    path: "/v1/pods",
    summary: "Makes a pod; whoever makes it owns it.",
    idempotency: "honoured",
    body: createPodBody,
    responses: { 201: { description: "The pod, without any balance yet.", schema: podSchema } },
    handler: async (call) => {
      const id = await podIdFor(call, call.key);
      if (!id.ok) return id;
      const created = await call.actors.pod(id.value)((pod) =>
        pod.create({ pod: id.value, ...call.body, goal: null }, call.meta),
      );
      if (!created.ok) return created;
      const { value: pod, replayed } = created.value;
      return answer(201, podResource(pod, []), { replayed, headers: { location: `/v1/pods/${pod.id}` } });
    },
  }),
  defineRoute({
    operation: "pod.list",
    method: "GET",
    path: "/v1/pods",
    summary: "The pods the caller is a member of, newest first.",
    idempotency: "none",
    query: pageQuery,
    responses: { 200: { description: "A page of pods.", schema: pageOf(podSchema) } },
    handler: async ({ env, caller, query }) => {
      const { data, next } = await listPods(env.READ_MODEL, caller.user, query);
      return answer(200, { data: data.map(podListed), next });
    },
  }),
  defineRoute({
    operation: "pod.read",
    method: "GET",
    path: "/v1/pods/{id}",
    summary: "One pod, never behind what the caller was told.",
    idempotency: "none",
    admit: admitToPod("pod.read"),
    responses: podAnswers,
    handler: async ({ seen, actors }) => answer(200, await podWithBalances(seen.pod, actors)),
  }),
  defineRoute({
    operation: "pod.rename",
    method: "PATCH",
    path: "/v1/pods/{id}",
    summary: "Renames a pod.",
    idempotency: "none",
    body: renamePodBody,
    admit: admitToPod("pod.rename"),
    responses: podAnswers,
    handler: (call) => commandPod(call, call.seen.pod.id, null, { type: "rename", name: call.body.name }),
  }),
  defineRoute({
    operation: "pod.freeze",
    method: "POST",
    path: "/v1/pods/{id}/freeze",
    summary: "Stops new money movements; those under way run on.",
    idempotency: "honoured",
    body: freezeBody,
    admit: admitToPod("pod.freeze"),
    responses: podAnswers,
    handler: (call) =>
      commandPod(call, call.seen.pod.id, call.key, { type: "freeze", reason: call.body.reason ?? null }),
  }),
  defineRoute({
    operation: "pod.unfreeze",
    method: "POST",
    path: "/v1/pods/{id}/unfreeze",
    summary: "Lets money move again.",
    idempotency: "honoured",
    body: freezeBody,
    admit: admitToPod("pod.unfreeze"),
    responses: podAnswers,
    handler: (call) =>
      commandPod(call, call.seen.pod.id, call.key, { type: "unfreeze", reason: call.body.reason ?? null }),
  }),
  defineRoute({
    operation: "pod.events",
    method: "GET",
    path: "/v1/pods/{id}/events",
    summary: "The pod's log, oldest first; `after` is the seq of the last event seen.",
    idempotency: "none",
    query: eventsQuery,
    admit: admitToPod("pod.events"),
    responses: { 200: { description: "A page of the log.", schema: pageOf(eventRow) } },
    handler: async ({ seen, actors, query: { after, limit } }) => {
      // One more than asked for tells whether there is more.
      const rows = await actors.pod(seen.pod.id)((pod) => pod.eventsSince(after, limit + 1));
      const data = rows.slice(0, limit);
      return answer(200, { data, next: rows.length > limit ? String(data.at(-1)?.seq) : null });
    },
  }),
  defineRoute({
    operation: "pod.entries",
    method: "GET",
    path: "/v1/pods/{id}/entries",
    summary: "What was booked to the pod, oldest first.",
    idempotency: "none",
    query: paged(entriesQuery),
    admit: admitToPod("pod.entries"),
    responses: { 200: { description: "A page of entries.", schema: pageOf(entryResource) } },
    handler: async ({ env, seen, query: { currency, ...page } }) =>
      answer(200, await listEntries(env.READ_MODEL, { pod: seen.pod.id, currency }, page)),
  }),
];
