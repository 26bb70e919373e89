import type { PodRecord } from "../../schema/pods.ts";
import type { PodSeen, Standing, Viewer } from "../../schema/rpc/pod.ts";
import type { Head } from "../kit/event-log.ts";
import type { PodState } from "./state.ts";

/** The pod as readers get it. Throws before the pod is created: callers have asked. */
export const podRecord = (state: PodState, head: Head): PodRecord => {
  if (state.profile === null) throw new Error("there is no pod to show");
  const { id, name, type, currencies, home_currency, timezone, goal, created_at } = state.profile;
  return {
    id,
    name,
    type,
    status: state.status,
    currencies,
    home_currency,
    timezone,
    goal,
    members: [...state.members].map(([user, { role }]) => ({ user, role })),
    seq: head.seq,
    log_head: head.hash,
    created_at,
  };
};

/** What a viewer sees; null alike when there is no pod and when it is not theirs to know of. */
export const seenBy = (state: PodState, head: Head, viewer: Viewer): PodSeen | null => {
  const role = state.members.get(viewer.user)?.role ?? null;
  if (state.profile === null || (role === null && !viewer.operator)) return null;
  return { pod: podRecord(state, head), role };
};

/** Hex characters of the first event's hash that name the log. */
const EPOCH_LENGTH = 16;

/** Where a viewer stands, and how far the log goes that says so; null as `seenBy` answers it. `first` is the first event's hash. */
export const standingOf = (state: PodState, head: Head, first: string, viewer: Viewer): Standing | null => {
  const role = state.members.get(viewer.user)?.role ?? null;
  if (state.profile === null || (role === null && !viewer.operator)) return null;
  return { role, seq: head.seq, epoch: first.slice(0, EPOCH_LENGTH) };
};
