import { setTimeout as delay } from "node:timers/promises";

export interface Answer<T> {
  readonly status: number;
  readonly headers: Headers;
  /** The parsed body when it is JSON, its text otherwise. */
  readonly body: T;
}

export interface CallOptions {
  /** Sent as `Idempotency-Key`. */
  readonly key?: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** Calls to one server as one caller. A string body is sent as it is, anything else as JSON. */
export interface Api {
  get<T = unknown>(path: string, options?: CallOptions): Promise<Answer<T>>;
  post<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<Answer<T>>;
  put<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<Answer<T>>;
  patch<T = unknown>(path: string, body?: unknown, options?: CallOptions): Promise<Answer<T>>;
  delete<T = unknown>(path: string, options?: CallOptions): Promise<Answer<T>>;
}

/** An `Api` over fetch; without a token the calls carry no `Authorization`. */
export function api(url: string, token?: string): Api {
  async function call<T>(method: string, path: string, body: unknown, options: CallOptions = {}): Promise<Answer<T>> {
    const response = await fetch(new URL(path, url), {
      method,
      redirect: "manual",
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { "content-type": "application/json" }),
        ...(options.key === undefined ? {} : { "idempotency-key": options.key }),
        ...options.headers,
      },
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
    });
    const text = await response.text();
    const isJson = /[/+]json\b/.test(response.headers.get("content-type") ?? "") && text !== "";
    return { status: response.status, headers: response.headers, body: (isJson ? JSON.parse(text) : text) as T };
  }
  return {
    get: (path, options) => call("GET", path, undefined, options),
    post: (path, body, options) => call("POST", path, body, options),
    put: (path, body, options) => call("PUT", path, body, options),
    patch: (path, body, options) => call("PATCH", path, body, options),
    delete: (path, options) => call("DELETE", path, undefined, options),
  };
}

/** Asks again and again until the answer satisfies; rejects with the last answer when the deadline (ms) passes first. */
export async function poll<T>(ask: () => Promise<T>, until: (answer: T) => boolean, deadlineMs = 15_000): Promise<T> {
  const deadline = Date.now() + deadlineMs;
  for (let pause = 10; ; pause = Math.min(pause * 1.5, 250)) {
    const answer = await ask();
    if (until(answer)) return answer;
    if (Date.now() > deadline) {
      const shown = JSON.stringify(answer, (_, value) => (typeof value === "bigint" ? String(value) : value));
      throw new Error(`not within ${deadlineMs} ms; the last answer was ${shown}`);
    }
    await delay(pause);
  }
}
