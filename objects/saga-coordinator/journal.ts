import type { JsonObject, Meta } from "../../schema/events.ts";
import { evolveSaga, isLive, type Saga, type SagaWord, sagaBegan, sagaStepped } from "../../schema/sagas.ts";
import { streamOf } from "../../schema/streams.ts";
import type { Turn } from "../kit/actor.ts";
import { postedLegs, redirectedLegs, transferOf } from "./calls/accounts.ts";
import { nextLook } from "./decide.ts";
import { accountsOf } from "./definitions/ledger-transfer.ts";
import { type IdList, idsAfter } from "./id-list.ts";
import type { ShardState } from "./state.ts";

export type ShardTurn = Turn<ShardState>;

/** The timer of a live saga that is to be looked at, at a moment of its own. */
export const SAGA_TIMER = "saga";
/** The one timer of all live sagas that have none of their own. */
export const WATCH_TIMER = "watch";
/** The timer that tells a pod how a charge of its stands: parked, or taken up again. */
export const TELL_TIMER = "tell";
/** How often the watch looks whether all live sagas are driven: one that nobody drives is noticed no later. Milliseconds. */
export const WATCHDOG_MS = 10_000;

/** A saga that was taken up and is due all the same is looked at again no sooner. Milliseconds. */
const AGAIN_MS = 50;

/** Sagas whose reading is remembered, of all shards of this process: more than are under way at once. */
const MOST_READ = 2_000;

/** What was last read of a saga, or written, and its text: true for as long as its row has this text, whatever was undone meanwhile. */
const read = new Map<string, { doc: string; saga: Saga }>();

const remember = (doc: string, saga: Saga): Saga => {
  if (read.size >= MOST_READ) read.clear();
  read.set(saga.id, { doc, saga });
  return saga;
};

export const loadSaga = (sql: SqlStorage, id: string): Saga | null => {
  const [row] = sql.exec<{ doc: string }>("SELECT doc FROM sagas WHERE id = ?", id).toArray();
  if (row === undefined) return null;
  const known = read.get(id);
  return known?.doc === row.doc ? known.saga : remember(row.doc, JSON.parse(row.doc) as Saga);
};

/** Live sagas without a timer of their own, after `after` in id order, at most `limit`. */
export const watchedSagas = (sql: SqlStorage, { live }: ShardState, after: string, limit: number): IdList => {
  const timed = sql.exec<{ key: string }>("SELECT key FROM timers WHERE kind = ?", SAGA_TIMER).toArray();
  const ids = new Set(timed.map(({ key }) => key));
  const watched = ids.size === 0 ? live : live.filter((id) => !ids.has(id));
  return idsAfter(watched, after, limit);
};

const eventMeta = (saga: Saga) => ({ principal: saga.principal, correlation: saga.correlation, causation: saga.id });

/** Writes the first entry of a saga: journal, row and timer in the commit that also holds its first intent. */
export const journalBegin = (turn: ShardTurn, saga: Saga, scope: string | null): Saga => {
  const data = sagaBegan(saga);
  const event = turn.append("saga.began", data as unknown as JsonObject, eventMeta(saga));
  return store(turn, null, evolveSaga(null, { type: "saga.began", recorded_at: event.recorded_at, data }), scope);
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

const store = (turn: ShardTurn, before: Saga | null, saga: Saga, scope: string | null = null): Saga => {
  const [tag, doc] = [openTag(saga), JSON.stringify(saga)];
  if (before === null) {
    turn.sql.exec(
      "INSERT INTO sagas (id, kind, status, open_tag, scope, doc) VALUES (?, ?, ?, ?, ?, ?)",
      saga.id,
      saga.kind,
      saga.status,
      tag,
      scope,
      doc,
    );
  } else {
    turn.sql.exec("UPDATE sagas SET status = ?, open_tag = ?, doc = ? WHERE id = ?", saga.status, tag, doc, saga.id);
  }
  keepTimer(turn, saga);
  return remember(doc, saga);
};

/** The tag while a leg that was let out may be unacknowledged: the legs a cut has to ask about. */
const openTag = (saga: Saga): number | null => {
  const post = saga.steps.find((step) => step.name === "post");
  return saga.tag === null || post?.status === "done" || saga.status === "compensated" ? null : saga.tag;
};

/** When a live saga is to be looked at, where that is a moment of its own; null: the watch sees to it. Epoch milliseconds. */
const ownMoment = (saga: Saga, now: number): number | null => {
  const wanted = nextLook(saga, now, WATCHDOG_MS);
  return wanted === now + WATCHDOG_MS ? null : wanted;
};

/**
 * What will not let a live saga be forgotten. Most are under way and end soon: the shard's one watch sees to all of those. One with
 * a moment of its own has a timer of its own, written only when it has to fire earlier than it would.
 */
const keepTimer = (turn: ShardTurn, saga: Saga): void => {
  if (!isLive(saga)) {
    turn.timers.clear(SAGA_TIMER, saga.id);
    return;
  }
  const own = ownMoment(saga, turn.now);
  const standing = turn.timers.dueAt(SAGA_TIMER, saga.id);
  if (own === null && standing === null) {
    keepWatch(turn);
    return;
  }
  const wanted = own ?? turn.now + WATCHDOG_MS;
  if (standing === null || wanted < standing || standing <= turn.now) turn.timers.set(SAGA_TIMER, saga.id, wanted);
};

const keepWatch = (turn: ShardTurn): void => {
  if (turn.timers.dueAt(WATCH_TIMER, "") === null) turn.timers.set(WATCH_TIMER, "", turn.now + WATCHDOG_MS);
};

/** A saga that is being driven when its moment comes needs no timer of its own. */
export const leaveToWatch = (turn: ShardTurn, id: string): void => {
  turn.timers.clear(SAGA_TIMER, id);
  keepWatch(turn);
};

/** After a look at a saga: when it is looked at again, if it is. */
export const lookAgain = (turn: ShardTurn, id: string): void => {
  const saga = loadSaga(turn.sql, id);
  if (saga === null || !isLive(saga)) {
    turn.timers.clear(SAGA_TIMER, id);
    return;
  }
  const own = ownMoment(saga, turn.now);
  if (own === null) leaveToWatch(turn, id);
  else turn.timers.set(SAGA_TIMER, id, Math.max(turn.now + AGAIN_MS, own));
};

/** After the watch has looked: it goes on while a saga relies on it. */
export const watchOn = (turn: ShardTurn): void => {
  if (watchedSagas(turn.sql, turn.state, "", 1).length === 0) turn.timers.clear(WATCH_TIMER, "");
  else turn.timers.set(WATCH_TIMER, "", turn.now + WATCHDOG_MS);
};

/** Transfers tagged at most `epoch` with a leg that some account may not have acknowledged: of sagas that are live, or stopped for a person. */
export const openTransfers = ({ sql, state }: Pick<ShardTurn, "sql" | "state">, epoch: number): Saga[] =>
  sql
    .exec<{ doc: string }>(
      "SELECT doc FROM sagas WHERE id IN (SELECT value FROM json_each(?)) AND open_tag <= ? ORDER BY id",
      JSON.stringify([...state.live, ...state.stopped]),
      epoch,
    )
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
