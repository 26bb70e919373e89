import { connect, type Socket } from "node:net";

/** One request, as the load sends it. Text is ASCII. */
export type Request = {
  method: "GET" | "POST" | "PATCH";
  path: string;
  token: string;
  /** Sent as `Idempotency-Key`. */
  key?: string;
  /** Seconds the answer is waited for, sent as `Prefer`; the server's own patience when absent. */
  wait?: number;
  body?: unknown;
};

/** The longest a server waits before it says that something is still under way: a latency that long is one, and no refusal. */
export const PATIENCE_S = 30;

export type Reply = { status: number; body: string };

const CONTENT_LENGTH = /\r\ncontent-length: (\d+)\r\n/i;

/** An answer's head and body from the bytes that came, or null while they are not whole. Answers carry a length or are chunked. */
export const parseReply = (text: string): { reply: Reply; length: number } | null => {
  const head = text.indexOf("\r\n\r\n");
  if (head < 0) return null;
  const status = Number(text.slice(9, 12));
  const length = CONTENT_LENGTH.exec(text.slice(0, head + 2))?.[1];
  if (length !== undefined) {
    const end = head + 4 + Number(length);
    return text.length < end ? null : { reply: { status, body: text.slice(head + 4, end) }, length: end };
  }
  const parts: string[] = [];
  for (let at = head + 4; ; ) {
    const line = text.indexOf("\r\n", at);
    if (line < 0) return null;
    const size = Number.parseInt(text.slice(at, line), 16);
    if (text.length < line + 2 + size + 2) return null;
    if (size === 0) return { reply: { status, body: parts.join("") }, length: line + 4 };
    parts.push(text.slice(line + 2, line + 2 + size));
    at = line + 2 + size + 2;
  }
};

export const requestText = (host: string, { method, path, token, key, wait, body }: Request): string => {
  const content = body === undefined ? "" : JSON.stringify(body);
  const headers = [
    `${method} ${path} HTTP/1.1`,
    `host: ${host}`,
    `authorization: Bearer ${token}`,
    ...(key === undefined ? [] : [`idempotency-key: ${key}`]),
    ...(wait === undefined ? [] : [`prefer: wait=${wait}`]),
    ...(body === undefined ? [] : ["content-type: application/json", `content-length: ${content.length}`]),
  ];
  return `${headers.join("\r\n")}\r\n\r\n${content}`;
};

/**
 * A keep-alive connection with one request under way at a time. Cheaper than any HTTP client, so that on a small machine the server is
 * what is measured. A connection that breaks fails its request and connects again for the next.
 */
export class Wire {
  readonly #host: string;
  readonly #hostname: string;
  readonly #port: number;
  #socket: Socket | null = null;
  #text = "";
  #waiting: PromiseWithResolvers<Reply> | null = null;

  constructor(url: string) {
    const { host, hostname, port } = new URL(url);
    this.#host = host;
    this.#hostname = hostname;
    this.#port = Number(port);
  }

  send(request: Request): Promise<Reply> {
    if (this.#waiting !== null) throw new Error("one request at a time");
    const waiting = Promise.withResolvers<Reply>();
    this.#waiting = waiting;
    this.#open().write(requestText(this.#host, request));
    return waiting.promise;
  }

  close(): void {
    this.#socket?.destroy();
  }

  #open(): Socket {
    if (this.#socket !== null && !this.#socket.destroyed) return this.#socket;
    const socket = connect({ host: this.#hostname, port: this.#port, noDelay: true });
    this.#text = "";
    socket.setEncoding("latin1");
    socket.on("data", (chunk: string) => {
      this.#text += chunk;
      const parsed = parseReply(this.#text);
      if (parsed === null) return;
      this.#text = this.#text.slice(parsed.length);
      this.#take()?.resolve(parsed.reply);
    });
    const broken = (error?: Error) => {
      if (this.#socket !== socket) return;
      this.#socket = null;
      this.#take()?.reject(error ?? new Error("the connection was closed"));
    };
    socket.on("error", broken);
    socket.on("close", () => broken());
    this.#socket = socket;
    return socket;
  }

  #take(): PromiseWithResolvers<Reply> | null {
    const waiting = this.#waiting;
    this.#waiting = null;
    return waiting;
  }
}

/** An answer that was not hoped for, in a line: its status and code, and why. */
export const refusal = ({ status, body }: Reply): string => {
  const code = /"code":"(\w+)"/.exec(body)?.[1];
  return `${status}${code === undefined ? "" : ` ${code}`}: ${body.slice(0, 200)}`;
};

export const isAccepted = ({ status }: Reply): boolean => status === 202;
