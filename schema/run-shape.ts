import type { EventBody, LogRow, Principal, Run } from "./events.ts";

/**
 * The shape of a queue message, by hand: a schema library took longer over each event than all that is done with it. What an event
 * says is not looked into, for its hash is of every byte of it.
 */
type Shape<T> = { readonly [K in keyof Required<T>]: (value: unknown) => boolean };

const isText = (value: unknown): boolean => typeof value === "string";
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value);
const isInteger = (least: number) => (value: unknown) => Number.isSafeInteger(value) && (value as number) >= least;

/** True of a record that has these fields and no other, each as it should be. */
const isShaped = <T>(shape: Shape<T>) => {
  const fields = Object.entries<(value: unknown) => boolean>(shape);
  return (value: unknown): boolean =>
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

const isRow = isShaped<LogRow>({ seq: isInteger(1), event: isBody, prev_hash: isText, hash: isText });

const hasRunShape = isShaped<Run>({
  stream: (value) => typeof value === "string" && value.length >= 1 && value.length <= 200,
  from: isInteger(1),
  head: isInteger(0),
  events: (value) => Array.isArray(value) && value.every(isRow),
});

/** True of what an actor may send, as far as its shape goes: whether its events are its own and as hashed is not asked. */
export const isRun = (value: unknown): value is Run => hasRunShape(value);
