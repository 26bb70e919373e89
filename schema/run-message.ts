import { chainHash, type EventBody, type LogRow, type Principal, type Run } from "./events.ts";

/**
 * A run as it travels, its events as their actor stored and hashed them: a line each, of canonical text, which holds no line break. Nobody
 * takes them apart on the way, and what is hashed at the end is what was hashed at the start. A beacon has no events and no hashes.
 */
export type RunMessage = {
  stream: string;
  /** Of the first event, and of the stream's newest when it was sent. */
  from: number;
  head: number;
  /** The chain's hash before the first event, and after the last. */
  prev_hash: string;
  hash: string;
  events: string;
};

/** Bounds of one message. A character of a canonical text is three bytes at most once it is escaped, and the platform takes 128 kB a message. */
export const MAX_RUN_EVENTS = 64;
export const MAX_RUN_CHARS = 40_000;

/** Tells of a stream's newest event without bringing any. */
export const beacon = (stream: string, from: number, head: number): RunMessage => ({
  stream,
  from,
  head,
  prev_hash: "",
  hash: "",
  events: "",
});

const linesIn = ({ events }: Pick<RunMessage, "events">): string[] => (events === "" ? [] : events.split("\n"));

/** How many events a message brings. */
export const countOf = (message: Pick<RunMessage, "events">): number => linesIn(message).length;

/**
 * The shape of a message, by hand: a schema library took longer over each event than all that is done with it. What an event
 * says is not looked into, for its hash is of every byte of it.
 */
type Shape<T> = { readonly [K in keyof Required<T>]: (value: unknown) => boolean };

const isText = (value: unknown): boolean => typeof value === "string";
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isHash = (value: unknown): boolean => typeof value === "string" && /^([0-9a-f]{64})?$/.test(value);
const isInteger = (least: number) => (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;

/** True of a record that has these fields and no other, each as it should be. */
const isShaped = <T>(shape: Shape<T>) => {
  const fields = Object.entries<(value: unknown) => boolean>(shape);
  return (value: unknown): value is T =>
    isRecord(value) &&
    Object.keys(value).length === fields.length &&
    fields.every(([name, holds]) => Object.hasOwn(value, name) && holds(value[name]));
};

const isPrincipal = isShaped<Principal>({ user: isText, client_id: isText });

const isBody = isShaped<EventBody>({
  stream: isText,
  seq: (value) => typeof value === "string" && /^[1-9][0-9]*$/.test(value),
  id: isText,
  type: isText,
  version: isText,
  recorded_at: isText,
  effective_at: isText,
  correlation: isText,
  causation: (value) => value === null || isText(value),
  principal: isPrincipal,
  data: isRecord,
});

const isMessage = isShaped<RunMessage>({
  stream: (value) => typeof value === "string" && value.length >= 1 && value.length <= 200,
  from: isInteger(1),
  head: isInteger(0),
  prev_hash: isHash,
  hash: isHash,
  events: isText,
});

const bodyIn = (line: string): EventBody | null => {
  try {
    const body: unknown = JSON.parse(line);
    return isBody(body) ? body : null;
  } catch {
    return null;
  }
};

/**
 * What a message brings, numbered from where it says it begins and hashed anew; `asHashed`: the chain ends where it says. Null where
 * it is of another shape, of too many events, or has a line that is no event. Whether they are the stream's own is not asked.
 */
export const openRun = (message: unknown): { run: Run; asHashed: boolean } | null => {
  if (!isMessage(message)) return null;
  const { stream, from, head } = message;
  const lines = linesIn(message);
  if (lines.length > MAX_RUN_EVENTS) return null;
  const events: LogRow[] = [];
  let prevHash = message.prev_hash;
  for (const line of lines) {
    const event = bodyIn(line);
    if (event === null) return null;
    const hash = chainHash(prevHash, line);
    events.push({ seq: from + events.length, event, prev_hash: prevHash, hash });
    prevHash = hash;
  }
  return { run: { stream, from, head, events }, asHashed: prevHash === message.hash };
};
