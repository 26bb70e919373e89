import { z } from "zod";
import type { EventBody } from "./events.ts";
import { type Refused, reject } from "./rejections.ts";

/** The live feed of a pod as its clients meet it: frames of text, one JSON object each, over a WebSocket. */

export type ServerFrame =
  /** First of all. `seq`: the log's head; `epoch`: its incarnation, another one should the log ever begin anew. */
  | { type: "hello"; epoch: string; seq: number }
  /** The event as the log holds it. From `after + 1`, without gap or double. */
  | { type: "event"; seq: number; event: EventBody }
  /** Of members other than oneself; whoever is online when one joins is told first. */
  | { type: "presence"; user: string; state: "online" | "offline" }
  /** `after` lay ahead of the log: drop what is held past `from`, the next event is `from + 1`. */
  | { type: "resync"; from: number }
  /** The token was renewed, and ends then. */
  | { type: "auth"; expires_at: string }
  /** A frame of the client's was not taken; nothing else has changed. */
  | { type: "error"; code: "invalid_request" | "unauthenticated"; detail: string };

const seq = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER);

export const clientFrame = z.discriminatedUnion("type", [
  z.object({ type: z.literal("ack"), seq }),
  z.object({ type: z.literal("auth"), ticket: z.string() }),
]);
export type ClientFrame = z.output<typeof clientFrame>;

/** Why the feed closes a socket. 4008's reason is the last seq that was sent, in decimal. */
export const CLOSE = { tokenEnded: 4001, notAMember: 4003, tooSlow: 4008, tooLarge: 1009, notText: 1003 } as const;

export const FEED_LIMITS = {
  /** Events sent beyond the last acknowledged one, or beyond `after`. */
  window: 1_000,
  /** Sockets of one pod. */
  sockets: 4_000,
  /** Unspent tickets of one person for one pod. */
  tickets: 1_000,
  /** Characters of a client's frame. */
  frame: 1_024,
} as const;

/** How long a ticket may be spent, milliseconds. */
export const TICKET_TTL_MS = 60_000;

/** A socket lives at most this long without a renewal, whatever its token says, milliseconds. */
export const MAX_SITTING_MS = 3_600_000;

/** A ticket: 256 random bits. Which pod it is for, the path says. */
export const TICKET_PATTERN = /^[A-Za-z0-9_-]{43}$/;

/** One refusal for a ticket that is none, is another pod's, was spent, or has died. */
export const badTicket = (): Refused =>
  reject("unauthenticated", "the ticket is unknown, spent or too old", { reason: "invalid_token" });
