import type { Bearer } from "../../schema/rpc/feed.ts";

/**
 * What a feed knows of a socket. It rides in the socket's attachment, is renewed in the turn that sends, and survives hibernation
 * with the socket; when the object is reset both are gone, and the client comes again with `?after=`. Times: real, milliseconds.
 */
export type Seat = {
  user: string;
  operator: boolean;
  /** When the token ends. */
  ends_at: number;
  /** At this seq the pod said that the user may read it: what its log tells of their role up to here is history. */
  joined: number;
  /** The last seq sent. */
  sent: number;
  /** The last seq acknowledged; where the client began, before its first ack. */
  acked: number;
  /** Since when the socket waits for an ack with its window full; null: it does not. */
  stalled_at: number | null;
  /** The log tells further on that the user may no longer read: until the socket has come there it gets the log and nothing else. */
  leaving: boolean;
  /** Closed from our side: nothing more goes out. */
  over: boolean;
};

/** The seat after the client has told how far it has come. What it cannot have seen yet it does not acknowledge. */
export const acknowledged = (seat: Seat, seq: number): Seat => {
  const acked = Math.max(seat.acked, Math.min(seq, seat.sent));
  return acked === seat.acked ? seat : { ...seat, acked, stalled_at: null };
};

/** The seat under a new token of the same person; null when it is somebody else's, or of another kind. */
export const renewed = (seat: Seat, bearer: Bearer, endsAt: number): Seat | null =>
  bearer.user === seat.user && bearer.operator === seat.operator ? { ...seat, ends_at: endsAt } : null;

/** Who is online, told of to others: members. An operator looks in unannounced. */
export const onlineIn = (seats: readonly Seat[]): Set<string> =>
  new Set(seats.filter(({ operator, over }) => !operator && !over).map(({ user }) => user));
