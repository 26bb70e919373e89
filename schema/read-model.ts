import { getTableColumns, getTableName, sql } from "drizzle-orm";
import { index, integer, primaryKey, type SQLiteTable, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { ChargeRecord } from "./charges.ts";
import { shardOf } from "./ids.ts";
import type { Role } from "./permissions.ts";
import type { PodRecord } from "./pods.ts";
import type { AccountStatus, Counters, EntryRecord } from "./rpc/account.ts";
import type { Saga, SagaKind, SagaStatus } from "./sagas.ts";
import { streamOf } from "./streams.ts";

/**
 * The read model in D1: what lists, search and history read. Every row follows from the actors' logs and may be dropped and
 * folded again. Times are RFC 3339 texts as events carry them; a `doc` is the whole record, its columns only what is searched by.
 *
 * A row written is what a payment pays for, a thousand times the price of one read, and every index is a row more. So tables lie in
 * the order of their keys (`WITHOUT ROWID`, of which drizzle knows nothing: a new table's migration has it added by hand, and
 * `tools/d1-migrations.test.ts` looks), and what changes together is one row.
 *
 * After a change here (files already there are never edited):
 * npm run migrations -- read-model --name <what>
 */

/** The consumer whose checkpoints guard the tables below. */
export const PROJECTOR = "projector";

/** A pod without its members, which have a table of their own. */
export type PodDoc = Omit<PodRecord, "members">;

/** What operators have changed of an account; bounds are decimal strings in its currency, null for none. */
export type AccountTermsDoc = { status: AccountStatus; floor: string | null; cap: string | null };

/** Entries of one row of `entries`. */
export const ENTRIES_A_PAGE = 16;

/** A physical account after its newest event; a logical one is the sum of its stripes. */
export type AccountDoc = {
  counters: Counters;
  /** Null while they are as the account's kind opens. */
  terms: AccountTermsDoc | null;
  /** Full pages in `entries`. */
  pages: number;
  /** The newest entries, oldest first: fewer than a page, which is written once it is full. */
  open: EntryRecord[];
};

/**
 * The tables that follow from the logs, once a generation. Readers and the running projection know the names without a suffix
 * only; a rebuild fills those with `_next` and the two exchange names in one transaction. Both are therefore always alike.
 */
const generation = <S extends "" | "_next">(suffix: S) => ({
  /**
   * How far a consumer has come with a stream, the chain's hash there, and what the stream comes to where that is one record: a pod
   * (`PodDoc`) or an account (`AccountDoc`), else empty. Both move with every event, so they are one row. Led by `stream`: an
   * actor's relay asks by it alone.
   */
  checkpoints: sqliteTable(
    `checkpoints${suffix}`,
    {
      stream: text("stream").notNull(),
      consumer: text("consumer").notNull(),
      seq: integer("seq").notNull(),
      hash: text("hash").notNull(),
      doc: text("doc").notNull(),
    },
    (table) => [primaryKey({ columns: [table.stream, table.consumer] })],
  ),

  /** `joined_seq`: the pod's event that let them in, which is also the order in which members are shown. */
  members: sqliteTable(
    `members${suffix}`,
    {
      pod: text("pod").notNull(),
      user: text("user").notNull(),
      role: text("role").$type<Role>().notNull(),
      joinedSeq: integer("joined_seq").notNull(),
    },
    (table) => [
      primaryKey({ columns: [table.pod, table.user] }),
      index(`members${suffix}_by_user`).on(table.user, table.pod),
    ],
  ),

  /** Read by pod, newest first, which is the order they lie in. */
  charges: sqliteTable(
    `charges${suffix}`,
    {
      pod: text("pod").notNull(),
      id: text("id").notNull(),
      doc: text("doc", { mode: "json" }).$type<ChargeRecord>().notNull(),
    },
    (table) => [primaryKey({ columns: [table.pod, table.id] })],
  ),

  /**
   * Posted legs in the account's own order, a full page a row: entry n of an account, from 0, is in page n / 16. Those of the page
   * that is not full yet are with the account's checkpoint, which is written anyway.
   */
  entries: sqliteTable(
    `entries${suffix}`,
    {
      account: text("account").notNull(),
      page: integer("page").notNull(),
      doc: text("doc", { mode: "json" }).$type<EntryRecord[]>().notNull(),
    },
    (table) => [primaryKey({ columns: [table.account, table.page] })],
  ),

  sagas: sqliteTable(
    `sagas${suffix}`,
    {
      id: text("id").primaryKey(),
      kind: text("kind").$type<SagaKind>().notNull(),
      subject: text("subject").notNull(),
      status: text("status").$type<SagaStatus>().notNull(),
      createdAt: text("created_at").notNull(),
      doc: text("doc", { mode: "json" }).$type<Saga>().notNull(),
    },
    (table) => [
      index(`sagas${suffix}_by_subject`).on(table.subject, table.id),
      // Nearly every saga is completed, most of them before they are first projected: those pay for no index row.
      index(`sagas${suffix}_uncompleted`).on(table.status, table.id).where(sql`status <> 'completed'`),
    ],
  ),
});

export const { checkpoints, members, charges, entries, sagas } = generation("");
export const {
  checkpoints: checkpointsNext,
  members: membersNext,
  charges: chargesNext,
  entries: entriesNext,
  sagas: sagasNext,
} = generation("_next");

const ofShard = (prefix: "sag" | "chg") => (id: string) => {
  const shard = shardOf(prefix, id);
  return shard === null ? null : streamOf.saga(shard);
};

/** A table that follows from the logs: its key, its other columns, and the stream that a row follows from (null: nobody's). */
export type ProjectedTable = {
  name: string;
  key: readonly string[];
  columns: readonly string[];
  /** By what stands in the columns of the key. */
  streamOf: (...key: string[]) => string | null;
  /** The rows that are compared, as SQL; left out: all. */
  where?: string;
};

const projected = (table: SQLiteTable, key: readonly string[], owner: ProjectedTable["streamOf"]): ProjectedTable => ({
  name: getTableName(table),
  key,
  columns: Object.values(getTableColumns(table)).flatMap(({ name }) => (key.includes(name) ? [] : [name])),
  streamOf: owner,
});

/** Every table that a rebuild fills and compares. A new table of `generation` has its line here. */
export const PROJECTED: readonly ProjectedTable[] = [
  // Of a stream that comes to no record of its own there is only how far it is, and a lag is no difference.
  { ...projected(checkpoints, ["stream", "consumer"], (stream) => stream), where: "doc <> ''" },
  projected(members, ["pod", "user"], streamOf.pod),
  projected(charges, ["pod", "id"], (_pod, id) => ofShard("chg")(id)),
  projected(entries, ["account", "page"], streamOf.account),
  projected(sagas, ["id"], ofShard("sag")),
];

/**
 * One row: which incarnation of the tables this is. Every batch that projects checks `epoch` in its guard and every turn of a
 * rebuild moves it, so that nothing is written to tables that have become other tables meanwhile. Without the row: 0 and nothing.
 */
export const readModel = sqliteTable("read_model", {
  id: integer("id").primaryKey(),
  epoch: integer("epoch").notNull(),
  /** The rebuild under way. */
  rebuild: text("rebuild"),
  /** 1 while new events are projected to the next generation as well. */
  shadowed: integer("shadowed").notNull(),
  /** 1 once every stream of the checkpoints has been named in a directory. */
  named: integer("named").notNull(),
});

/** Rebuilds of the read model, newest last by id. `step` counts the writes to the row: two drivers of one rebuild cannot both go on. */
export const rebuilds = sqliteTable("rebuilds", {
  id: text("id").primaryKey(),
  step: integer("step").notNull(),
  phase: text("phase").$type<RebuildPhase>().notNull(),
  /** Where the phase stands, JSON of its own. */
  position: text("position").notNull(),
  streams: integer("streams").notNull(),
  rows: integer("rows").notNull(),
  differ: integer("differ").notNull(),
  /** The first rows that differ: tables and keys, never what is in them. */
  differences: text("differences", { mode: "json" }).$type<{ table: string; key: string }[]>().notNull(),
  error: text("error"),
  principal: text("principal").notNull(),
  startedAt: text("started_at").notNull(),
  updatedAt: text("updated_at").notNull(),
});

/** In order; `failed` ends any of them, `superseded` one whose driver was gone when the next rebuild began. */
export const REBUILD_PHASES = [
  "clearing",
  "building",
  "comparing",
  "switching",
  "sweeping",
  "done",
  "failed",
  "superseded",
] as const;
export type RebuildPhase = (typeof REBUILD_PHASES)[number];

/** Queue messages that could not be applied. `id` is the message's; `body` its JSON as it came. */
export const deadLetters = sqliteTable("dead_letters", {
  id: text("id").primaryKey(),
  queue: text("queue").notNull(),
  stream: text("stream"),
  body: text("body").notNull(),
  reason: text("reason").$type<DeadLetterReason>().notNull(),
  attempts: integer("attempts").notNull(),
  parkedAt: text("parked_at").notNull(),
  redrivenAt: text("redriven_at"),
});

/** `exhausted`: the queue gave up on it. `chain`: its events do not follow from the ones before them. */
export type DeadLetterReason = "exhausted" | "chain";
