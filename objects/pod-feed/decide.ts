import { CLOSE, FEED_LIMITS, MAX_SITTING_MS, type ServerFrame } from "../../schema/feed.ts";
import { mayInPod } from "../../schema/permissions.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { Bearer } from "../../schema/rpc/feed.ts";
import type { Standing } from "../../schema/rpc/pod.ts";
import type { Frame } from "./frames.ts";
import type { Seat } from "./state.ts";

/** How long a socket with a full window is waited for before it is closed, milliseconds: an ack may be on its way. */
export const PATIENCE_MS = 2_000;

export type Closing = { code: number; reason: string };

/** When a socket under this token ends, milliseconds: never later than an hour from now. */
export const sittingEnds = (bearer: Bearer, now: number): number =>
  Math.min(bearer.token_ends_at, now + MAX_SITTING_MS);

/** Whether the token has not ended. The edge believes one for a minute longer, for clocks that differ; a feed could not keep it open. */
export const stillGood = (bearer: Bearer, now: number): Result<null> =>
  bearer.token_ends_at > now
    ? accept(null)
    : reject("unauthenticated", "the token has expired", { reason: "invalid_token" });

export type Arrival = { bearer: Bearer; after: number; standing: Standing | null; sockets: number; now: number };
export type Welcome = { seat: Seat; frames: ServerFrame[] };

/**
 * Whether somebody may listen, by what the pod has just said of them at a seq of its log, and what they hear first. `after`
 * beyond the head: the client holds what this log never had, and goes on from the head.
 */
export const admit = ({ bearer, after, standing, sockets, now }: Arrival): Result<Welcome> => {
  const good = stillGood(bearer, now);
  if (!good.ok) return good;
  if (standing === null) return reject("not_found", "no such pod");
  const { role, seq, epoch } = standing;
  if (!bearer.operator && (role === null || !mayInPod(role, "pod.read"))) {
    return reject("forbidden", `the role ${role ?? "none"} may not do this`, { reason: "role_may_not_pod.read" });
  }
  if (sockets >= FEED_LIMITS.sockets) {
    return reject("overloaded", "too many are listening to this pod", { retry_after: 5 });
  }
  const from = Math.min(after, seq);
  return accept({
    seat: {
      user: bearer.user,
      operator: bearer.operator,
      ends_at: sittingEnds(bearer, now),
      joined: seq,
      sent: from,
      acked: from,
      stalled_at: null,
      leaving: false,
      over: false,
    },
    frames: [{ type: "hello", epoch, seq }, ...(after > seq ? [{ type: "resync" as const, from: seq }] : [])],
  });
};

export type Served = { seat: Seat; texts: string[]; closing: Closing | null };

const ended = (seat: Seat, texts: string[], code: number, reason: string): Served => ({
  seat: { ...seat, over: true },
  texts,
  closing: { code, reason },
});

const tokenEnded = (seat: Seat): Served => ended(seat, [], CLOSE.tokenEnded, "token ended");

/**
 * What goes out to a socket when these events, consecutive in the log, are at hand: those that follow what it has, until its
 * window is full. The log is obeyed as it goes: the event that ends the user's right to read is the last they get.
 */
export const serve = (seat: Seat, frames: readonly Frame[], now: number): Served => {
  const texts: string[] = [];
  let { sent } = seat;
  if (seat.over) return { seat, texts, closing: null };
  // The alarm may be late; what goes out may not.
  if (seat.ends_at <= now) return tokenEnded(seat);
  for (const frame of frames) {
    if (frame.seq <= sent) continue;
    if (frame.seq !== sent + 1) break;
    if (sent - seat.acked >= FEED_LIMITS.window) {
      return { seat: { ...seat, sent, stalled_at: seat.stalled_at ?? now }, texts, closing: null };
    }
    texts.push(frame.text);
    sent = frame.seq;
    if (!seat.operator && frame.expels === seat.user && sent > seat.joined) {
      return ended({ ...seat, sent }, texts, CLOSE.notAMember, "no longer a member");
    }
  }
  return { seat: { ...seat, sent }, texts, closing: null };
};

/** Whether one of these events, which the socket has not come to yet, will end its user's right to read. */
export const willLeave = (seat: Seat, frames: readonly Frame[]): boolean =>
  !seat.operator && frames.some(({ seq, expels }) => expels === seat.user && seq > seat.joined && seq > seat.sent);

/** Whether a socket's time is up: its token has ended, or it has had its window full for too long. Null: it goes on. */
export const overdue = (seat: Seat, now: number): Served | null => {
  if (seat.over) return null;
  if (seat.ends_at <= now) return tokenEnded(seat);
  if (seat.stalled_at !== null && seat.stalled_at + PATIENCE_MS <= now) {
    return ended(seat, [], CLOSE.tooSlow, String(seat.sent));
  }
  return null;
};

/** When the next of these sockets may be overdue; null without any. */
export const nextLook = (seats: readonly Seat[]): number | null => {
  const times = seats
    .filter(({ over }) => !over)
    .map(({ ends_at, stalled_at }) => Math.min(ends_at, stalled_at === null ? ends_at : stalled_at + PATIENCE_MS));
  return times.length === 0 ? null : times.reduce((earliest, time) => Math.min(earliest, time));
};

/** The seats that have something to get and room for it. */
const isBehind = ({ over, stalled_at, sent }: Seat, head: number): boolean =>
  !over && stalled_at === null && sent < head;

/** So many sockets make a crowd wait a millisecond more for what else is committed: about what sending to them costs beside the frames. */
const SOCKETS_A_MS = 50;

/** How long after sending to so many sockets the pod is held up before it tells again, milliseconds. */
export const gatherMs = (sockets: number): number => Math.floor(sockets / SOCKETS_A_MS);

/** Events read from the pod at once. At 32 kB of data an event a page stays well below what one call may carry. */
export const PAGE = 200;

/** Where the log is read next: events with seq > after, at most `limit`. */
export type Page = { after: number; limit: number };

/**
 * The page that is read next, for all who are at its place; null when everybody has everything. From the lowest place up and
 * then round again, so that one who begins at the beginning does not hold up the rest. Nothing is read that nobody there has
 * room for: a client that acknowledges one event at a time is not read a whole page for each.
 */
export const nextPage = (seats: readonly Seat[], head: number, last: number): Page | null => {
  let lowest: number | null = null;
  let higher: number | null = null;
  for (const seat of seats) {
    if (!isBehind(seat, head)) continue;
    if (lowest === null || seat.sent < lowest) lowest = seat.sent;
    if (seat.sent > last && (higher === null || seat.sent < higher)) higher = seat.sent;
  }
  const after = higher ?? lowest;
  if (after === null) return null;
  const room = seats
    .filter((seat) => seat.sent === after && isBehind(seat, head))
    .reduce((most, { sent, acked }) => Math.max(most, FEED_LIMITS.window - (sent - acked)), 1);
  return { after, limit: Math.min(room, PAGE) };
};
