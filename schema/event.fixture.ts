import type { EventBody } from "./events.ts";

/** The first event of a pod's log. */
export const EVENT: EventBody = {
  stream: "pod/pod_1",
  seq: "1",
  id: "evt_1",
  type: "pod.created",
  version: "1",
  recorded_at: "2026-01-01T00:00:00.000Z",
  effective_at: "2026-01-01T00:00:00.000Z",
  correlation: "req_1",
  causation: null,
  principal: { user: "ann", client_id: "app" },
  data: { name: "trip", members: [{ user: "ann" }] },
};
