import type { JsonObject, Meta } from "../../schema/events.ts";
import { evolveSaga, isLive, type Saga, type SagaWord, sagaBegan, sagaStepped } from "../../schema/sagas.ts";
import { streamOf } from "../../schema/streams.ts";
import type { Turn } from "../kit/actor.ts";
import { postedLegs, redirectedLegs, transferOf } from "./calls/accounts.ts";
import { nextLook } from "./decide.ts";
import { accountsOf } from "./definitions/ledger-transfer.ts";
import type { ShardState } from "./state.ts";

export type ShardTurn = Turn<ShardState>;

/** The timer that will not let a live saga be forgotten. */
export const SAGA_TIMER = "saga";
/** The timer that tells a pod how a charge of its stands: parked, or taken up again. */
export const TELL_TIMER = "tell";
/** A saga that is being driven is looked at again this long after it began; a crash is noticed no later. Milliseconds. */
export const WATCHDOG_MS = 10_000;

export const loadSaga = (sql: SqlStorage, id: string): Saga | null => {
  const [row] = sql.exec<{ doc: string }>("SELECT doc FROM sagas WHERE id = ?", id).toArray();
  return row === undefined ? null : (JSON.parse(row.doc) as Saga);
};

/** How many sagas are live, counted no further than `limit`. */
export const countLive = (sql: SqlStorage, limit: number): number => {
  const query = "SELECT count(*) AS live FROM (SELECT 1 FROM sagas WHERE live = 1 LIMIT ?)";
  return sql.exec<{ live: number }>(query, limit).toArray()[0]?.live ?? 0;
};

/** Live sagas after `after` in id order, at most `limit`. */
export const liveSagas = (sql: SqlStorage, after: string, limit: number): string[] =>
  sql
    .exec<{ id: string }>("SELECT id FROM sagas WHERE live = 1 AND id > ? ORDER BY id LIMIT ?", after, limit)
    .toArray()
    .map((row) => row.id);

const eventMeta = (saga: Saga) => ({ principal: saga.principal, correlation: saga.correlation, causation: saga.id });

/** Writes the first entry of a saga: journal, row and timer in the commit that also holds its first intent. */
export const journalBegin = (turn: ShardTurn, saga: Saga): Saga => {
  const data = sagaBegan(saga);
  const event = turn.append("saga.began", data as unknown as JsonObject, eventMeta(saga));
  return store(turn, null, evolveSaga(null, { type: "saga.began", recorded_at: event.recorded_at, data }));
};

/** On whose word a saga is changed: what is journalled of it, and who gave it. */
export type Said = { word: SagaWord; meta: Meta };

/** Writes what became of a saga. The row is the fold of the entries, so the entry is folded, not the draft stored. */
export const journalStep = (turn: ShardTurn, before: Saga, after: Saga, said?: Said): Saga => {
  const data = sagaStepped(before, after, said?.word);
  const meta = said === undefined ? eventMeta(before) : { ...said.meta, causation: before.id };
  const event = turn.append("saga.stepped", data as unknown as JsonObject, meta);
  const saga = store(turn, before, evolveSaga(before, { type: "saga.stepped", recorded_at: event.recorded_at, data }));
  // Accounts that were not known when the saga began; a cut that does not ask them would miss what they hold.
  if (namesMore(before, saga)) nameActors(turn, accountsNamedBy(saga).map(streamOf.account));
  // Told by a timer, so that no crash keeps it from the pod.
  if (saga.kind === "charge" && saga.stops !== before.stops) turn.timers.set(TELL_TIMER, saga.id, turn.now);
  return saga;
};

/** True when a step made legs known (an accepted rate, a filled hedge) or sent one to suspense. */
const namesMore = (before: Saga, after: Saga): boolean =>
  redirectedLegs(after) > redirectedLegs(before) || transferOf(after).legs.length > transferOf(before).legs.length;

const store = (turn: ShardTurn, before: Saga | null, saga: Saga): Saga => {
  const [live, tag, doc] = [isLive(saga), openTag(saga), JSON.stringify(saga)];
  if (before === null) {
    turn.sql.exec(
      "INSERT INTO sagas (id, kind, status, live, open_tag, doc) VALUES (?, ?, ?, ?, ?, ?)",
      saga.id,
      saga.kind,
      saga.status,
      live ? 1 : 0,
      tag,
      doc,
    );
  } else if (live === isLive(before) && tag === openTag(before)) {
    // SQLite writes the index of every column it is told to set, changed or not, and each is a row that is paid for.
    turn.sql.exec("UPDATE sagas SET status = ?, doc = ? WHERE id = ?", saga.status, doc, saga.id);
  } else {
    turn.sql.exec(
      "UPDATE sagas SET status = ?, live = ?, open_tag = ?, doc = ? WHERE id = ?",
      saga.status,
      live ? 1 : 0,
      tag,
      doc,
      saga.id,
    );
  }
  keepTimer(turn, saga, live);
  return saga;
};

/** The tag while a leg that was let out may be unacknowledged: the legs a cut has to ask about. */
const openTag = (saga: Saga): number | null => {
  const post = saga.steps.find((step) => step.name === "post");
  return saga.tag === null || post?.status === "done" || saga.status === "compensated" ? null : saga.tag;
};

/** One timer a live saga, written only when it has to fire earlier than it would: most steps leave it as it is. */
const keepTimer = (turn: ShardTurn, saga: Saga, live: boolean): void => {
  if (!live) {
    turn.timers.clear(SAGA_TIMER, saga.id);
    return;
  }
  const wanted = nextLook(saga, turn.now, WATCHDOG_MS);
  const standing = turn.timers.dueAt(SAGA_TIMER, saga.id);
  if (standing === null || wanted < standing || standing <= turn.now) turn.timers.set(SAGA_TIMER, saga.id, wanted);
};

/** Legs of transfers tagged at most `epoch` that some account may not have acknowledged. */
export const openTransfers = (sql: SqlStorage, epoch: number) =>
  sql
    .exec<{ doc: string }>("SELECT doc FROM sagas WHERE open_tag IS NOT NULL AND open_tag <= ? ORDER BY id", epoch)
    .toArray()
    .map((row) => JSON.parse(row.doc) as Saga);

/** Names actors in the shard's directory, so that verification and cuts find them. */
export const nameActors = (turn: ShardTurn, streams: readonly string[]): void => {
  turn.sql.exec(
    "INSERT OR IGNORE INTO directory (stream) SELECT value FROM json_each(?)",
    JSON.stringify([...new Set(streams)]),
  );
};

export const accountsNamedBy = (saga: Saga): string[] => accountsOf(postedLegs(saga));
