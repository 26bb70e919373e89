import { request } from "node:http";
import type { ServerFrame } from "../../schema/feed.ts";
import { type Api, poll } from "./client.ts";

export type { ServerFrame } from "../../schema/feed.ts";
export type Closed = { readonly code: number; readonly reason: string };
type FrameOf<T extends ServerFrame["type"]> = Extract<ServerFrame, { type: T }>;

const DEADLINE_MS = 30_000;

/** A ticket for a pod's feed, as the caller. */
export async function feedTicket(caller: Api, pod: string): Promise<string> {
  const answer = await caller.post<{ ticket: string }>(`/v1/pods/${pod}/feed-tickets`, {});
  if (answer.status !== 201) throw new Error(`no ticket but ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body.ticket;
}

/** One connection to a pod's feed. It keeps every frame it was sent, in order. */
export class FeedClient {
  readonly frames: ServerFrame[] = [];
  /** Text that is no frame: a `pong` for each `ping`, the first of which is sent at once. */
  readonly texts: string[] = [];
  readonly #socket: WebSocket;
  #closed: Closed | null = null;

  private constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      if (text.startsWith("{")) this.frames.push(JSON.parse(text) as ServerFrame);
      else this.texts.push(text);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.#closed = { code, reason };
    });
  }

  /** Connects with a fresh ticket of the caller's; the first event is the one after `after`. Rejects when it is refused. */
  static async open(url: string, caller: Api, pod: string, after = 0): Promise<FeedClient> {
    return FeedClient.openWith(url, await feedTicket(caller, pod), pod, after);
  }

  static async openWith(url: string, ticket: string, pod: string, after = 0): Promise<FeedClient> {
    const address = new URL(`/v1/pods/${pod}/feed?after=${after}&ticket=${ticket}`, url);
    address.protocol = "ws:";
    const socket = new WebSocket(address.href);
    // Listening before it is open: the first frames come with the answer.
    const client = new FeedClient(socket);
    await new Promise<void>((resolve, reject) => {
      socket.addEventListener("open", () => {
        // To a client that has never sent anything the local runtime ends the connection ten seconds after the server's close.
        socket.send("ping");
        resolve();
      });
      socket.addEventListener("error", () => reject(new Error("the feed was not opened")));
    });
    return client;
  }

  /** How the connection ended; null while it is open. */
  get closed(): Closed | null {
    return this.#closed;
  }

  of<T extends ServerFrame["type"]>(type: T): FrameOf<T>[] {
    return this.frames.filter((frame): frame is FrameOf<T> => frame.type === type);
  }

  /** The seqs of the events that came, in the order they came. */
  get seqs(): number[] {
    return this.of("event").map(({ seq }) => seq);
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  /** From now on acknowledges each event that comes whose seq is a multiple of this. */
  acknowledgeEvery(count: number): void {
    this.#socket.addEventListener("message", () => {
      const last = this.frames.at(-1);
      if (last?.type === "event" && last.seq % count === 0) this.send({ type: "ack", seq: last.seq });
    });
  }

  /** Hangs up. */
  close(): void {
    this.#socket.close();
  }

  /** Waits until the frames that came satisfy; rejects, showing the last of them, when they do not in time (ms). */
  async until(satisfied: (client: FeedClient) => boolean, deadlineMs = DEADLINE_MS): Promise<FeedClient> {
    await poll(
      async () => ({ closed: this.#closed, frames: this.frames.length, last: this.frames.at(-1) }),
      () => satisfied(this),
      deadlineMs,
    );
    return this;
  }

  untilSeq(seq: number, deadlineMs = DEADLINE_MS): Promise<FeedClient> {
    return this.until(({ frames }) => frames.some((frame) => frame.type === "event" && frame.seq >= seq), deadlineMs);
  }

  async untilClosed(deadlineMs = DEADLINE_MS): Promise<Closed> {
    await this.until(({ closed }) => closed !== null, deadlineMs);
    return this.#closed as Closed;
  }
}

/** What one person sees of a pod over many connections, each going on where the one before broke off. */
export class Follower {
  readonly seen: FrameOf<"event">[] = [];
  readonly #pod: string;
  #client: FeedClient | null = null;

  constructor(pod: string) {
    this.#pod = pod;
  }

  /** The last seq seen; 0 before the first. */
  get last(): number {
    return this.seen.at(-1)?.seq ?? 0;
  }

  async connect(url: string, caller: Api): Promise<FeedClient> {
    this.#client = await FeedClient.open(url, caller, this.#pod, this.last);
    return this.#client;
  }

  /** Keeps what has come, and hangs up in the middle of whatever comes next. Answers the last seq seen. */
  drop(): number {
    this.seen.push(...(this.#client?.of("event") ?? []));
    this.#client?.close();
    this.#client = null;
    return this.last;
  }
}

export type Knocked = { status: number; headers: Record<string, unknown>; body: unknown };

/** Asks for an upgrade with headers of one's own, as no WebSocket of this runtime can, and hangs up if it is granted. */
export function knock(url: string, path: string, headers: Record<string, string> = {}): Promise<Knocked> {
  return new Promise((resolve, reject) => {
    const asked = request(new URL(path, url).href, {
      headers: {
        connection: "Upgrade",
        upgrade: "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": Buffer.alloc(16, 1).toString("base64"),
        ...headers,
      },
    });
    asked.once("upgrade", ({ statusCode = 0, headers }, socket) => {
      socket.destroy();
      resolve({ status: statusCode, headers, body: null });
    });
    asked.once("response", (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (chunk: string) => {
        text += chunk;
      });
      response.once("end", () => {
        const isJson = String(response.headers["content-type"]).includes("json");
        resolve({
          status: response.statusCode ?? 0,
          headers: response.headers,
          body: isJson ? JSON.parse(text) : text,
        });
      });
    });
    asked.once("error", reject);
    asked.end();
  });
}
