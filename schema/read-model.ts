import { sql } from "drizzle-orm";
import { index, integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AccountKind } from "./accounts.ts";
import type { ChargeRecord, ChargeStatus } from "./charges.ts";
import type { Role } from "./permissions.ts";
import type { PodRecord, PodStatus } from "./pods.ts";
import type { AccountStatus, Counters, EntryRecord } from "./rpc/account.ts";
import type { Saga, SagaKind, SagaStatus } from "./sagas.ts";

/**
 * The read model in D1: what lists, search and history read. Every row follows from the actors' logs and may be dropped and
 * folded again. Times are RFC 3339 texts as events carry them; a `doc` is the whole record, its columns only what is searched by.
 *
 * After a change here (files already there are never edited):
 * drizzle-kit generate --dialect=sqlite --schema=./schema/read-model.ts --out=./schema/migrations --name=<what>
 */

/** The consumer whose checkpoints guard the tables below. */
export const PROJECTOR = "projector";

/** How far a consumer has come with a stream, and the chain's hash there. Led by `stream`: an actor's relay asks by it alone. */
export const checkpoints = sqliteTable(
  "checkpoints",
  {
    stream: text("stream").notNull(),
    consumer: text("consumer").notNull(),
    seq: integer("seq").notNull(),
    hash: text("hash").notNull(),
    updatedAt: text("updated_at").notNull(),
  },
  (table) => [primaryKey({ columns: [table.stream, table.consumer] })],
);

/** A pod without its members, which have a table of their own. */
export type PodDoc = Omit<PodRecord, "members">;

export const pods = sqliteTable("pods", {
  id: text("id").primaryKey(),
  status: text("status").$type<PodStatus>().notNull(),
  createdAt: text("created_at").notNull(),
  seq: integer("seq").notNull(),
  logHead: text("log_head").notNull(),
  doc: text("doc", { mode: "json" }).$type<PodDoc>().notNull(),
});

/** `joined_seq`: the pod's event that let them in, which is also the order in which members are shown. */
export const members = sqliteTable(
  "members",
  {
    pod: text("pod").notNull(),
    user: text("user").notNull(),
    role: text("role").$type<Role>().notNull(),
    joinedSeq: integer("joined_seq").notNull(),
  },
  (table) => [primaryKey({ columns: [table.pod, table.user] }), index("members_by_user").on(table.user, table.pod)],
);

export const charges = sqliteTable(
  "charges",
  {
    id: text("id").primaryKey(),
    pod: text("pod").notNull(),
    payer: text("payer").notNull(),
    status: text("status").$type<ChargeStatus>().notNull(),
    createdAt: text("created_at").notNull(),
    doc: text("doc", { mode: "json" }).$type<ChargeRecord>().notNull(),
  },
  (table) => [index("charges_by_pod").on(table.pod, table.id)],
);

/** What operators have changed of an account; bounds are decimal strings in its currency, null for none. */
export type AccountTermsDoc = { status: AccountStatus; floor: string | null; cap: string | null };

/** An account's counters after its newest event. One row a physical account: a logical one is the sum of its stripes. */
export const accounts = sqliteTable(
  "accounts",
  {
    id: text("id").primaryKey(),
    kind: text("kind").$type<AccountKind>().notNull(),
    /** The pod, user or connector in the account's name. */
    owner: text("owner"),
    currency: text("currency").notNull(),
    counters: text("counters", { mode: "json" }).$type<Counters>().notNull(),
    seq: integer("seq").notNull(),
    hash: text("hash").notNull(),
    /** Null while they are as the account's kind opens. */
    terms: text("terms", { mode: "json" }).$type<AccountTermsDoc>(),
  },
  (table) => [index("accounts_by_owner").on(table.kind, table.owner)],
);

/** One row a posted leg, in the account's own order. It is read by account only, so the key is the one index it pays for. */
export const entries = sqliteTable(
  "entries",
  {
    account: text("account").notNull(),
    seq: integer("seq").notNull(),
    leg: integer("leg").notNull(),
    currency: text("currency").notNull(),
    recordedAt: text("recorded_at").notNull(),
    doc: text("doc", { mode: "json" }).$type<EntryRecord>().notNull(),
  },
  (table) => [primaryKey({ columns: [table.account, table.seq, table.leg] })],
);

export const sagas = sqliteTable(
  "sagas",
  {
    id: text("id").primaryKey(),
    kind: text("kind").$type<SagaKind>().notNull(),
    subject: text("subject").notNull(),
    status: text("status").$type<SagaStatus>().notNull(),
    createdAt: text("created_at").notNull(),
    doc: text("doc", { mode: "json" }).$type<Saga>().notNull(),
  },
  (table) => [
    index("sagas_by_subject").on(table.subject, table.id),
    // Nearly every saga is completed, most of them before they are first projected: those pay for no index row.
    index("sagas_uncompleted").on(table.status, table.id).where(sql`status <> 'completed'`),
  ],
);

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
