import type { z } from "zod";
import { accept, type InputError, type Refused, type Result, reject } from "../../schema/rejections.ts";

/** The most a JSON body may hold, bytes. */
export const MAX_BODY = 256 * 1024;
/** How much of a refused body is read to the end, and for how long. */
const MAX_DRAIN = 8 * 1024 * 1024;
const MAX_DRAIN_MS = 2_000;
/** Objects and arrays inside each other, at most. */
const MAX_DEPTH = 16;
const MAX_ERRORS = 20;
const MAX_DETAIL = 200;

type Reader = ReadableStreamDefaultReader<Uint8Array>;

/**
 * Reads on without keeping anything: a client that finds its connection closed while it is still sending never hears the
 * refusal. Bounded, so that nobody is listened to for ever.
 */
const drain = async (reader: Reader): Promise<void> => {
  const deadline = Date.now() + MAX_DRAIN_MS;
  let size = 0;
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    size += step.value.byteLength;
    if (size > MAX_DRAIN || Date.now() > deadline) return reader.cancel();
  }
};

/** Drains a body that nothing has read. A client that goes away meanwhile is nobody's loss. */
export const discardBody = async ({ body, bodyUsed }: Request): Promise<void> => {
  if (body === null || bodyUsed) return;
  await drain(body.getReader()).catch(() => undefined);
};

/** The raw body, at most `limit` bytes. Counted while it is read: a length that was announced is only a claim. */
export const readBytes = async (request: Request, limit: number): Promise<Result<Uint8Array<ArrayBuffer>>> => {
  const tooLarge = () => reject("payload_too_large", `a body may hold at most ${limit} bytes`);
  if (Number(request.headers.get("content-length") ?? 0) > limit) return tooLarge();
  if (request.body === null) return accept(new Uint8Array());
  const chunks: Uint8Array[] = [];
  let size = 0;
  const reader: Reader = request.body.getReader();
  for (let step = await reader.read(); !step.done; step = await reader.read()) {
    size += step.value.byteLength;
    if (size > limit) {
      await drain(reader);
      return tooLarge();
    }
    chunks.push(step.value);
  }
  return accept(new Uint8Array(Buffer.concat(chunks)));
};

export const invalid = (errors: InputError[]): Refused =>
  reject("invalid_request", "the request is not well-formed", { errors });

/** RFC 6901 pointer of a path into a value. */
const pointerOf = (path: readonly PropertyKey[]): string =>
  path.map((part) => `/${String(part).replaceAll("~", "~0").replaceAll("/", "~1")}`).join("");

const clip = (text: string): string => (text.length > MAX_DETAIL ? `${text.slice(0, MAX_DETAIL)}…` : text);

/** The first place that no text of ours may hold or that lies too deep; null when there is none. */
const firstFlaw = (value: unknown, path: PropertyKey[] = []): InputError | null => {
  if (typeof value === "string") {
    return value.isWellFormed() ? null : { pointer: pointerOf(path), detail: "must be well-formed Unicode" };
  }
  if (typeof value !== "object" || value === null) return null;
  if (path.length >= MAX_DEPTH)
    return { pointer: pointerOf(path), detail: `must not be nested deeper than ${MAX_DEPTH}` };
  for (const [key, item] of Object.entries(value)) {
    // A parsed object has it as a field of its own, and every object made from that would lose it without a word.
    if (key === "__proto__") return { pointer: pointerOf([...path, key]), detail: "is not a known field" };
    if (!key.isWellFormed()) return { pointer: pointerOf(path), detail: "must have well-formed field names" };
    const flaw = firstFlaw(item, [...path, key]);
    if (flaw !== null) return flaw;
  }
  return null;
};

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** A JSON object from raw bytes: UTF-8, of bounded depth, every text well-formed. */
export const parseJsonObject = (bytes: Uint8Array): Result<Record<string, unknown>> => {
  let value: unknown;
  try {
    value = JSON.parse(utf8.decode(bytes));
  } catch {
    return invalid([{ pointer: "", detail: "must be JSON in UTF-8" }]);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    return invalid([{ pointer: "", detail: "must be a JSON object" }]);
  }
  const flaw = firstFlaw(value);
  return flaw === null ? accept(value as Record<string, unknown>) : invalid([flaw]);
};

/** The input errors of a failed parse. `root` is put before every pointer: "" for bodies, "/query" for query parameters. */
export const inputErrors = (error: z.core.$ZodError, root: string): InputError[] =>
  error.issues
    .flatMap((issue) =>
      issue.code === "unrecognized_keys"
        ? issue.keys.map((key) => ({ pointer: root + pointerOf([...issue.path, key]), detail: "is not a known field" }))
        : [{ pointer: root + pointerOf(issue.path), detail: issue.message }],
    )
    .slice(0, MAX_ERRORS)
    .map(({ pointer, detail }) => ({ pointer: clip(pointer), detail: clip(detail) }));

const isJson = (contentType: string | null): boolean => {
  const [type = "", ...parameters] = (contentType ?? "").toLowerCase().split(";");
  const charset = parameters.map((parameter) => parameter.trim()).find((parameter) => parameter.startsWith("charset="));
  return type.trim() === "application/json" && (charset === undefined || /^charset="?utf-8"?$/.test(charset));
};

/**
 * Reads and parses a JSON body of at most `limit` bytes by its schema. An empty one stands for `{}`, so that commands which take
 * nothing need none.
 */
export const readBody = async <T extends z.ZodType>(
  request: Request,
  schema: T,
  limit = MAX_BODY,
): Promise<Result<z.output<T>>> => {
  const contentType = request.headers.get("content-type");
  // The type is judged first: of a body in another language there is nothing to read.
  if (contentType !== null && !isJson(contentType)) {
    return reject("unsupported_media_type", "a body must be application/json in UTF-8");
  }
  const bytes = await readBytes(request, limit);
  if (!bytes.ok) return bytes;
  if (bytes.value.byteLength > 0 && contentType === null) {
    return reject("unsupported_media_type", "a body must be application/json in UTF-8");
  }
  const json = bytes.value.byteLength === 0 ? accept({}) : parseJsonObject(bytes.value);
  if (!json.ok) return json;
  const parsed = schema.safeParse(json.value);
  return parsed.success ? accept(parsed.data) : invalid(inputErrors(parsed.error, ""));
};

/** Parses query parameters by their schema; of a repeated one the first counts. */
export const readQuery = <T extends z.ZodType>(url: URL, schema: T): Result<z.output<T>> => {
  const first: Record<string, string> = {};
  for (const [name, value] of url.searchParams) if (!Object.hasOwn(first, name)) first[name] = value;
  const parsed = schema.safeParse(first);
  return parsed.success ? accept(parsed.data) : invalid(inputErrors(parsed.error, "/query"));
};
