import type { ServerFrame } from "../../schema/feed.ts";
import type { Served } from "./decide.ts";
import type { Place } from "./delivery.ts";
import { textOf } from "./frames.ts";
import { onlineIn, type Seat } from "./state.ts";

/** What a hibernating object offers of its sockets. */
export type Sockets = Pick<DurableObjectState, "acceptWebSocket" | "getWebSockets">;

/** As its attachment has it. */
const openSeat = (socket: WebSocket): Seat | null => {
  const seat = socket.deserializeAttachment() as Seat | null;
  return seat === null || seat.over ? null : seat;
};

/**
 * The open sockets of a feed, with their seats, and who is online by them. An object that has slept reads all from the attachments,
 * once; from then on each change of a seat is made here and there in the same turn, for it may be put to sleep after any.
 */
export class Audience {
  readonly #sockets: Sockets;
  /** Null: not yet read. */
  #seated: Map<WebSocket, Seat> | null = null;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  /** Sockets, those included that are being closed. */
  get size(): number {
    return this.#sockets.getWebSockets().length;
  }

  get isEmpty(): boolean {
    return this.#open.size === 0;
  }

  seats(): Seat[] {
    return [...this.#open.values()];
  }

  places(): Place[] {
    return Array.from(this.#open, ([socket, seat]) => ({ seat, put: (served) => this.put(socket, served) }));
  }

  /** The seat of an open socket; null when it is over. */
  seatOf(socket: WebSocket): Seat | null {
    // What has gone is no longer among the sockets, and it may be its close that wakes the object.
    return this.#open.get(socket) ?? openSeat(socket);
  }

  /** Takes a socket in: greets it, tells it who is online, and tells the others when it is its user's first. */
  join(socket: WebSocket, seat: Seat, greeting: readonly ServerFrame[]): void {
    const online = onlineIn(this.seats());
    this.#sockets.acceptWebSocket(socket, [seat.user]);
    const roster = [...online].filter((user) => user !== seat.user);
    const frames = [...greeting, ...roster.map((user): ServerFrame => ({ type: "presence", user, state: "online" }))];
    this.put(socket, { seat, texts: frames.map(textOf), closing: null });
    if (!seat.operator && !online.has(seat.user)) this.#announce(seat.user, "online");
  }

  /** Sends what is to be sent, remembers where the socket is, and closes it where its time is up. */
  put(socket: WebSocket, { seat, texts, closing }: Served): void {
    try {
      for (const text of texts) socket.send(text);
      this.#remember(socket, seat);
      if (closing === null) return;
      socket.close(closing.code, closing.reason);
    } catch {
      // It went away under our hands: it gets nothing more, and its own close is on its way here.
      this.#remember(socket, { ...seat, over: true });
    }
    this.#farewell(seat);
  }

  /** A socket that went by itself. */
  leave(socket: WebSocket): void {
    const seat = this.seatOf(socket);
    if (seat === null) return;
    this.#remember(socket, { ...seat, over: true });
    this.#farewell(seat);
  }

  get #open(): Map<WebSocket, Seat> {
    this.#seated ??= new Map(
      this.#sockets.getWebSockets().flatMap((socket): [WebSocket, Seat][] => {
        const seat = openSeat(socket);
        return seat === null ? [] : [[socket, seat]];
      }),
    );
    return this.#seated;
  }

  #remember(socket: WebSocket, seat: Seat): void {
    socket.serializeAttachment(seat);
    if (seat.over) this.#open.delete(socket);
    else this.#open.set(socket, seat);
  }

  #farewell({ user, operator }: Seat): void {
    if (!operator && !this.#isOnline(user)) this.#announce(user, "offline");
  }

  #isOnline(user: string): boolean {
    return this.#sockets.getWebSockets(user).some((socket) => this.seatOf(socket)?.operator === false);
  }

  #announce(user: string, state: "online" | "offline"): void {
    const text = textOf({ type: "presence", user, state });
    for (const [socket, seat] of this.#open) {
      if (seat.user !== user && !seat.leaving) this.#tell(socket, text);
    }
  }

  #tell(socket: WebSocket, text: string): void {
    try {
      socket.send(text);
    } catch {
      // Gone: its own close tells.
    }
  }
}
