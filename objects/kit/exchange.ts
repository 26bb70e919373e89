export type Fetch = (url: string, init: RequestInit) => Promise<Response>;

/** The runtime's own, looked up at each call, so that a test may put another in its place. */
export const globalFetch: Fetch = (url, init) => globalThis.fetch(url, init);

/** A provider's answer is read up to this many bytes; a longer one is as good as none. */
export const MAX_ANSWER_BYTES = 64 * 1024;
const DEFAULT_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 10 * 60 * 1000;

/** One HTTP exchange: what was answered, or that no whole answer came. `json` undefined: the body was not JSON. */
export type Exchange =
  | { kind: "answered"; status: number; json: unknown; retryAfterMs: number }
  | { kind: "broken"; detail: string };

/**
 * Sends one request and reads the whole answer under one deadline. The runtime has one error for a refused connection, a reset
 * and a hang-up in the middle ("Network connection lost."), and an opaque one for a name or certificate that fails, so a broken
 * exchange never says that nothing was sent.
 */
export const exchange = async (
  fetch: Fetch,
  url: string,
  init: RequestInit,
  signal: AbortSignal,
): Promise<Exchange> => {
  try {
    // A redirect is not followed: it would carry the credentials to wherever it points.
    const response = await fetch(url, { ...init, redirect: "manual", signal });
    const text = await readBounded(response);
    if (text === null) return { kind: "broken", detail: "the answer was too long" };
    return {
      kind: "answered",
      status: response.status,
      json: parseJson(text),
      retryAfterMs: retryAfter(response.headers.get("retry-after")),
    };
  } catch {
    return { kind: "broken", detail: signal.aborted ? "no answer in time" : "the connection was lost" };
  }
};

const readBounded = async (response: Response): Promise<string | null> => {
  if (response.body === null) return "";
  const reader = response.body.getReader();
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return text + decoder.decode();
    bytes += value.byteLength;
    if (bytes > MAX_ANSWER_BYTES) {
      await reader.cancel();
      return null;
    }
    text += decoder.decode(value, { stream: true });
  }
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

/** `Retry-After` in milliseconds: seconds or an HTTP date, at most ten minutes; a second when there is none. */
const retryAfter = (header: string | null): number => {
  if (header === null) return DEFAULT_RETRY_MS;
  const ms = /^\d{1,9}$/.test(header) ? Number(header) * 1000 : Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? DEFAULT_RETRY_MS : Math.min(LONGEST_RETRY_MS, Math.max(DEFAULT_RETRY_MS, ms));
};
