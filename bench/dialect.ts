import type { ServerFrame } from "../schema/feed.ts";
import { type Dialect, type Heard, readOnce } from "./load/listener.ts";

/** Our feed acknowledges by the window it has, and no oftener than it must. */
const ACKNOWLEDGED = 256;

const heard = (frame: ServerFrame): Heard => {
  if (frame.type === "hello") return { joined: true };
  if (frame.type !== "event") return {};
  const { seq, event } = frame;
  const told = { seq, recordedAtMs: Date.parse(event.recorded_at) };
  return seq % ACKNOWLEDGED === 0 ? { event: told, answer: JSON.stringify({ type: "ack", seq }) } : { event: told };
};

const hearing = readOnce((text) => heard(JSON.parse(text) as ServerFrame));

/** The feed of a pod, from the event after `after`, by a fresh ticket for it. */
export const feedDialect = (url: string, ticket: string, pod: string, after: number): Dialect => {
  const address = new URL(`/v1/pods/${pod}/feed?after=${after}&ticket=${ticket}`, url);
  address.protocol = "ws:";
  return {
    address: address.href,
    // To a client that has never sent anything the local runtime ends the connection ten seconds after the server's close.
    greeting: "ping",
    hear: (text) => (text.startsWith("{") ? hearing(text) : {}),
  };
};
