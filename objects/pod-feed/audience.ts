import type { ServerFrame } from "../../schema/feed.ts";
import type { Served } from "./decide.ts";
import type { Place } from "./delivery.ts";
import { textOf } from "./frames.ts";
import { onlineIn, type Seat } from "./state.ts";

/** What a hibernating object offers of its sockets. */
export type Sockets = Pick<DurableObjectState, "acceptWebSocket" | "getWebSockets">;

/**
 * The open sockets of a feed, with their seats, and who is online by them. Everything is read from the attachments each time:
 * an object that has slept finds all as it was.
 */
export class Audience {
  readonly #sockets: Sockets;

  constructor(sockets: Sockets) {
    this.#sockets = sockets;
  }

  /** Sockets, those included that are being closed. */
  get size(): number {
    return this.#sockets.getWebSockets().length;
  }

  get isEmpty(): boolean {
    return !this.#sockets.getWebSockets().some((socket) => this.seatOf(socket) !== null);
  }

  seats(): Seat[] {
    return this.#open().map(([, seat]) => seat);
  }

  places(): Place[] {
    return this.#open().map(([socket, seat]) => ({ seat, put: (served) => this.put(socket, served) }));
  }

  /** The seat of an open socket; null when it is over. */
  seatOf(socket: WebSocket): Seat | null {
    const seat = socket.deserializeAttachment() as Seat | null;
    return seat === null || seat.over ? null : seat;
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
      socket.serializeAttachment(seat);
      if (closing === null) return;
      socket.close(closing.code, closing.reason);
    } catch {
      // It went away under our hands: it gets nothing more, and its own close is on its way here.
      socket.serializeAttachment({ ...seat, over: true });
    }
    this.#farewell(seat);
  }

  /** A socket that went by itself. */
  leave(socket: WebSocket): void {
    const seat = this.seatOf(socket);
    if (seat === null) return;
    const over = { ...seat, over: true };
    socket.serializeAttachment(over);
    this.#farewell(over);
  }

  #farewell({ user, operator }: Seat): void {
    if (!operator && !this.#isOnline(user)) this.#announce(user, "offline");
  }

  #isOnline(user: string): boolean {
    return this.#sockets.getWebSockets(user).some((socket) => this.seatOf(socket)?.operator === false);
  }

  #announce(user: string, state: "online" | "offline"): void {
    const text = textOf({ type: "presence", user, state });
    for (const [socket, seat] of this.#open()) {
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

  #open(): [WebSocket, Seat][] {
    return this.#sockets.getWebSockets().flatMap((socket): [WebSocket, Seat][] => {
      const seat = this.seatOf(socket);
      return seat === null ? [] : [[socket, seat]];
    });
  }
}
