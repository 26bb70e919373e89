import { createHash } from "node:crypto";
import canonicalize from "canonicalize";

/** Who did it. `user` is the pseudonymous subject of a token, `operator` for an operator acting on a pod, `system` for the house. */
export type Principal = { user: string; client_id: string };

export const SYSTEM: Principal = { user: "system", client_id: "crowdpay" };

/** What travels with every command into an actor and from there into every event. */
export type Meta = {
  principal: Principal;
  /** The request id of the HTTP call, or the saga that caused this. */
  correlation: string;
  /** The id of the event, saga or webhook that caused this command; null when a person did. */
  causation: string | null;
  traceparent?: string;
};

export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue | undefined };
export type JsonObject = { [key: string]: JsonValue | undefined };

/** The stored body of an event: what is hashed. Integers are strings; money is as on the wire; nothing personal in clear. */
export type EventBody<T extends string = string, D = JsonObject> = {
  stream: string;
  seq: string;
  id: string;
  type: T;
  version: string;
  recorded_at: string;
  effective_at: string;
  correlation: string;
  causation: string | null;
  principal: Principal;
  data: D;
};

/** One row of a log as it is read: the body unchanged, and its place in the chain (lower-case hex). */
export type LogRow = { seq: number; event: EventBody; prev_hash: string; hash: string };

export const GENESIS_HASH = "0".repeat(64);

/** An event's data holds at most this many bytes of UTF-8. */
export const MAX_EVENT_DATA_BYTES = 32 * 1024;

/** RFC 8785 text of a JSON value. */
export const canonicalJson = (value: unknown): string => {
  const text = canonicalize(value);
  if (text === undefined) throw new Error("value has no JSON form");
  return text;
};

/** `SHA-256(prev_hash (32 bytes) ‖ UTF-8 body)`, hex. Synchronous, so that it has a place inside a storage transaction. */
export const chainHash = (prevHash: string, body: string): string =>
  createHash("sha256").update(prevHash, "hex").update(body, "utf8").digest("hex");

/** SHA-256 of the canonical text of a value, hex: what two commands are compared by. */
export const bodyHash = (value: unknown): string =>
  createHash("sha256").update(canonicalJson(value), "utf8").digest("hex");

/** One run of one stream, `from` … in order; `head` is the stream's newest seq when it was sent (a beacon has no events). */
export type Run = { stream: string; from: number; head: number; events: LogRow[] };

type Upcaster = (data: JsonObject) => JsonObject;

/**
 * Chains of upcasters by event type: index 0 lifts version 1 to version 2, and so on. History is never rewritten; old versions
 * are lifted when they are read.
 */
const UPCASTERS: Readonly<Record<string, readonly Upcaster[]>> = {};

/** The version a new event of this type is written with. */
export const currentVersion = (type: string): string => String((UPCASTERS[type]?.length ?? 0) + 1);

/** The event lifted to the current version of its type. The stored body stays as it is. */
export const upcast = (event: EventBody): EventBody => {
  const chain = UPCASTERS[event.type] ?? [];
  const from = Number(event.version) - 1;
  if (from >= chain.length) return event;
  const data = chain.slice(from).reduce((lifted, step) => step(lifted), event.data);
  return { ...event, version: currentVersion(event.type), data };
};
