import { type EventBody, type LogRow, upcast } from "../../../schema/events.ts";
import type { PodEventData, PodEventType } from "../../../schema/pods.ts";
import type { PodDoc } from "../../../schema/read-model.ts";
import type { MemberRow, Writes } from "../writes.ts";

type PodEvent = { [T in PodEventType]: EventBody<T, PodEventData[T]> }[PodEventType];

const evolvePod = (pod: PodDoc | null, event: PodEvent): PodDoc => {
  if (event.type === "pod.created") {
    const { pod: id, owner: _owner, ...rest } = event.data;
    return { ...rest, id, status: "active", seq: 0, log_head: "", created_at: event.recorded_at };
  }
  if (pod === null) throw new Error(`${event.stream} begins with ${event.type}`);
  switch (event.type) {
    case "pod.updated":
      return { ...pod, name: event.data.name };
    case "pod.frozen":
      return { ...pod, status: "frozen" };
    case "pod.unfrozen":
      return { ...pod, status: "active" };
    default:
      return pod;
  }
};

/** Who is in after these events, as far as they say, and who went out on the way: the rows of those are made anew. */
type Membership = { here: Map<string, MemberRow>; gone: Set<string> };

const evolveMembers = ({ here, gone }: Membership, pod: string, event: PodEvent, seq: number): void => {
  // A row that stands keeps its `joinedSeq`, here as in the table.
  const put = (user: string, role: MemberRow["role"]) =>
    here.set(user, { pod, user, role, joinedSeq: here.get(user)?.joinedSeq ?? seq });
  switch (event.type) {
    case "pod.created":
      put(event.data.owner, "owner");
      break;
    case "member.joined":
      put(event.data.user, event.data.role);
      break;
    case "member.role_changed":
      put(event.data.user, event.data.to);
      break;
    case "member.removed":
      here.delete(event.data.user);
      gone.add(event.data.user);
      break;
    default:
  }
};

/**
 * A pod's events into its record and its members' rows. Unknown types move only `seq` and `log_head`. Pure; throws on a log no pod can
 * have written.
 */
export const foldPod = (
  pod: PodDoc | null,
  rows: readonly LogRow[],
): { doc: PodDoc | null } & Pick<Writes, "members" | "membersGone"> => {
  let after = pod;
  const members: Membership = { here: new Map(), gone: new Set() };
  for (const row of rows) {
    const event = upcast(row.event) as unknown as PodEvent;
    after = { ...evolvePod(after, event), seq: row.seq, log_head: row.hash };
    evolveMembers(members, after.id, event, row.seq);
  }
  const gone = [...members.gone].map((user) => ({ pod: after?.id ?? "", user }));
  return { doc: after, members: [...members.here.values()], membersGone: gone };
};
