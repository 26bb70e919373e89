import WebSocket from "ws";

/** An event as a socket was told of it. */
export type Told = { seq: number; recordedAtMs: number };

/** What one text of a server's means to whoever listens. */
export type Heard = {
  /** The socket is in: from now on it is told events. */
  joined?: true;
  /** It is not let in, and why. */
  refused?: string;
  event?: Told;
  /** What has to be said in return. */
  answer?: string;
};

/** How a server's feed is spoken: all that the two sides do not have in common. */
export type Dialect = {
  /** Where, `ws:`. */
  address: string;
  /** Said as soon as the connection stands. */
  greeting?: string;
  hear(text: string): Heard;
};

/** Reads a text once where it comes many times in a row, as an event does that a thousand sockets are told. */
export const readOnce = <T>(read: (text: string) => T): ((text: string) => T) => {
  let last: { text: string; said: T } | null = null;
  return (text) => {
    if (last?.text !== text) last = { text, said: read(text) };
    return last.said;
  };
};

/** One socket that listens. It is the same on either side, so that what it costs is: as little as can be, or it would be what is measured. */
export class Listener {
  /** The seqs of the events that came, in the order they came. */
  readonly seqs: number[] = [];
  readonly #socket: WebSocket;
  #tell: (event: Told) => void = () => undefined;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** Rejects when it is not let in. */
  static open({ address, greeting, hear }: Dialect): Promise<Listener> {
    const socket = new WebSocket(address, { perMessageDeflate: false });
    const listener = new Listener(socket);
    return new Promise((joined, refused) => {
      const fail = (why: string) => refused(new Error(`the feed was not opened: ${why}`));
      socket.on("message", (data) => {
        const heard = hear(data.toString());
        if (heard.answer !== undefined) socket.send(heard.answer);
        if (heard.event !== undefined) listener.#hear(heard.event);
        else if (heard.joined) joined(listener);
        else if (heard.refused !== undefined) fail(heard.refused);
      });
      socket.on("open", () => {
        if (greeting !== undefined) socket.send(greeting);
      });
      socket.on("error", () => fail("the connection failed"));
      socket.on("close", (code) => fail(`closed with ${code}`));
    });
  }

  /** Calls this with each event that comes from now on, as it comes. */
  onEvent(tell: (event: Told) => void): void {
    this.#tell = tell;
  }

  /** Hangs up. */
  close(): void {
    this.#socket.close();
  }

  #hear(event: Told): void {
    this.seqs.push(event.seq);
    this.#tell(event);
  }
}
