import { integer, primaryKey, sqliteTable, text } from "drizzle-orm/sqlite-core";

export * from "../kit/tables.ts";

/** Every saga of the shard: the fold of its journal entries, and what is searched by. */
export const sagas = sqliteTable("sagas", {
  id: text("id").primaryKey(),
  kind: text("kind").notNull(),
  status: text("status").notNull(),
  /** Set while a leg is out that some account may not have acknowledged: the cut epoch of the commit that let it out. */
  openTag: integer("open_tag"),
  /** Of the command whose answer its end fixes; null: nobody's. */
  scope: text("scope"),
  doc: text("doc").notNull(),
});

/** One row an idempotent command: which saga it began, and the first answer once that is fixed. */
export const commands = sqliteTable("commands", {
  scope: text("scope").primaryKey(),
  /** What the command made: a saga, or the id that was claimed. */
  target: text("target").notNull(),
  request: text("request").notNull(),
  requestId: text("request_id").notNull(),
  /** open, 201, 202 or problem. */
  status: text("status").notNull(),
  answer: text("answer"),
  createdAt: integer("created_at").notNull(),
});

/** Webhooks by the provider's own event id: each is taken once, and stored before it is acted on. */
export const inbox = sqliteTable(
  "inbox",
  {
    provider: text("provider").notNull(),
    event: text("event").notNull(),
    saga: text("saga").notNull(),
    type: text("type").notNull(),
    payload: text("payload").notNull(),
    receivedAt: integer("received_at").notNull(),
    /** applied, or kept: it came too late or for something this version does not act on. */
    fate: text("fate").notNull(),
  },
  (table) => [primaryKey({ columns: [table.provider, table.event] })],
);

/** Every actor the shard ever named, so that all of them can be found without the read model. */
export const directory = sqliteTable("directory", { stream: text("stream").primaryKey() });

/** What a cut found under way: stored in the turn that moved the epoch, handed out in pages. */
export const cutTransfers = sqliteTable(
  "cut_transfers",
  {
    epoch: integer("epoch").notNull(),
    transfer: text("transfer").notNull(),
    legs: text("legs").notNull(),
  },
  (table) => [primaryKey({ columns: [table.epoch, table.transfer] })],
);

/** Shard 0: finished cuts (newest kept) and verification runs, a long one in parts (`report-table.ts`). */
export const reports = sqliteTable("reports", {
  id: text("id").primaryKey(),
  kind: text("kind").notNull(),
  doc: text("doc").notNull(),
});
