import type { EventBody, JsonObject, JsonValue } from "../../schema/events.ts";
import type { IdSource } from "../../schema/ids.ts";
import type { EventLog, EventMeta, Head } from "./event-log.ts";
import type { StoredEvent } from "./log-rows.ts";
import type { Timers } from "./timers.ts";

/** How an actor's state follows from its log. All pure. */
export type Fold<S> = {
  initial: S;
  /** The state after an event, lifted to its current version. */
  evolve(state: S, event: EventBody): S;
  encode(state: S): JsonValue;
  decode(value: JsonValue): S;
  /**
   * A short text that two equal states share and, as far as money goes, two different ones do not: checked on waking. Its wording
   * is stored, so it never changes: a deployment that worded it differently would find fault with every actor.
   */
  summary(state: S): string;
};

/** What a command sees and does inside its savepoint. */
export type Turn<S> = {
  /** The draft: earlier commands of the same commit, and this one's own events, are in it. */
  readonly state: S;
  readonly head: Head;
  readonly now: number;
  readonly sql: SqlStorage;
  readonly timers: Timers;
  readonly ids: IdSource;
  /** Adds an event to the commit and folds it into the draft. */
  append(type: string, data: JsonObject, meta: EventMeta): EventBody;
};

export type Command<S, T> = (turn: Turn<S>) => T;

/** The state after some events, the last one's place, and those of them that the commit is still to write. */
export type Draft<S> = { state: S; head: Head; unwritten: readonly StoredEvent[] };

/** SQLite's word on a statement that was wrong: it is undone with its savepoint, like any other throw. */
const STATEMENT_ERRORS = new Set(["CONSTRAINT", "ERROR", "MISMATCH", "RANGE", "TOOBIG"]);

/** Any other storage error means nothing is known of what was written: the object resets, and every caller tries again. */
export const isStorageFault = (error: unknown): boolean => {
  const code = /\bSQLITE_([A-Z]+)/.exec(error instanceof Error ? error.message : "")?.[1];
  return code !== undefined && !STATEMENT_ERRORS.has(code);
};

/** What a turn is made of, beside the draft it begins with. */
export type Place = Pick<Turn<unknown>, "now" | "sql" | "timers" | "ids"> & { log: EventLog };

/** The turn of one command, as long as `isOpen` says so, and its draft, which is the turn's own until somebody takes it. */
export const openTurn = <S>(
  place: Place,
  fold: Fold<S>,
  from: Draft<S>,
  isOpen: () => boolean,
): { turn: Turn<S>; draft: () => Draft<S> } => {
  const { log, now, sql, timers, ids } = place;
  let { state, head } = from;
  const appended: StoredEvent[] = [];
  const turn: Turn<S> = {
    get state() {
      return state;
    },
    get head() {
      return head;
    },
    now,
    sql,
    timers,
    ids,
    append(type, data, meta) {
      if (!isOpen()) throw new Error(`event ${type} after its turn`);
      const next = log.next(head, type, data, meta);
      state = fold.evolve(state, next.event);
      head = next.head;
      appended.push(next.stored);
      return next.event;
    },
  };
  return { turn, draft: () => ({ state, head, unwritten: [...from.unwritten, ...appended] }) };
};
