import type { LogRow } from "../../schema/events.ts";
import { type ClientFrame, clientFrame, FEED_LIMITS, type ServerFrame } from "../../schema/feed.ts";
import { mayInPod, type Role } from "../../schema/permissions.ts";

/** An event on its way to sockets: its text, made once however many there are, and whose right to read ends with it. */
export type Frame = { seq: number; text: string; expels: string | null };

export const textOf = (frame: ServerFrame): string => JSON.stringify(frame);

/** The user who may no longer read the pod from this event on; null for all others. */
export const expelledBy = ({ type, data }: LogRow["event"]): string | null => {
  if (type === "member.removed") return String(data.user);
  if (type === "member.role_changed" && !mayInPod(data.to as Role, "pod.read")) return String(data.user);
  return null;
};

export const frameOf = ({ seq, event }: LogRow): Frame => ({
  seq,
  text: textOf({ type: "event", seq, event }),
  expels: expelledBy(event),
});

/** A frame of the client's; null when it is none that we know. */
export const parseFrame = (text: string): ClientFrame | null => {
  if (text.length > FEED_LIMITS.frame) return null;
  try {
    const parsed = clientFrame.safeParse(JSON.parse(text));
    return parsed.success ? parsed.data : null;
  } catch {
    return null;
  }
};
