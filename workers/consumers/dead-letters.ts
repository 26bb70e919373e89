import { desc, isNull, sql } from "drizzle-orm";
import { drizzle } from "drizzle-orm/d1";
import { groupsOf } from "../../schema/groups.ts";
import { type DeadLetterReason, deadLetters } from "../../schema/read-model.ts";
import type { RunMessage } from "../../schema/run-message.ts";
import { clipLimit, keyPart, type Listing, oneOf, type Page, toListing } from "../read-model/page.ts";
import type { ConsumerEnv } from "./env.ts";
import { metric } from "./metrics.ts";

/** Most messages one redrive sends. */
export const MAX_REDRIVE = 100;
/** A queue takes 256 kB in one call; some of it is the platform's. */
const MAX_SEND_BYTES = 200_000;
const utf8 = new TextEncoder();
/** Statements of one D1 batch. */
const PARKED_AT_ONCE = 50;

/** A queue message that could not be applied, as operators read it. */
export type DeadLetter = {
  id: string;
  queue: string;
  stream: string | null;
  body: unknown;
  reason: DeadLetterReason;
  attempts: number;
  parked_at: string;
  redriven_at: string | null;
};

const streamIn = (body: unknown): string | null => {
  const stream = typeof body === "object" && body !== null && "stream" in body ? body.stream : null;
  return typeof stream === "string" ? stream.slice(0, 200) : null;
};

/** Keeps messages in their table, each once by its id however often it is delivered, and counts them. Acknowledging is the caller's. */
export const park = async (
  db: D1Database,
  queue: string,
  messages: readonly Message[],
  reason: DeadLetterReason,
  now: number,
): Promise<void> => {
  const insert = db.prepare(
    `INSERT INTO dead_letters (id, queue, stream, body, reason, attempts, parked_at) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (id) DO NOTHING`,
  );
  const at = new Date(now).toISOString();
  for (let from = 0; from < messages.length; from += PARKED_AT_ONCE) {
    await db.batch(
      messages.slice(from, from + PARKED_AT_ONCE).map(({ id, body, attempts }) => {
        // A body that is no JSON at all (undefined) still has to stand somewhere.
        return insert.bind(id, queue, streamIn(body), JSON.stringify(body) ?? "null", reason, attempts, at);
      }),
    );
  }
  for (const { id, body, attempts } of messages) {
    metric("dead_letters.parked", 1, { queue, reason, message: id, stream: streamIn(body) ?? "", attempts });
  }
};

/** The consumer of the queue "events-dead": parks what the queue gave up on. A batch that cannot be kept is delivered again. */
export const parkBatch = async (
  batch: MessageBatch<unknown>,
  env: Pick<ConsumerEnv, "READ_MODEL">,
  now: number = Date.now(),
): Promise<void> => {
  await park(env.READ_MODEL, batch.queue, batch.messages, "exhausted", now);
  batch.ackAll();
};

/** Parked messages, newest first, redriven ones included. */
export const listDeadLetters = async (db: D1Database, page: Page): Promise<Listing<DeadLetter>> => {
  const limit = clipLimit(page.limit);
  const before =
    page.after === null
      ? undefined
      : sql`(${deadLetters.parkedAt}, ${deadLetters.id}) < (${keyPart(page.after)}, ${keyPart(page.after, 1)})`;
  const rows = await drizzle(db)
    .select()
    .from(deadLetters)
    .where(before)
    .orderBy(desc(deadLetters.parkedAt), desc(deadLetters.id))
    .limit(limit + 1);
  return toListing(
    rows,
    limit,
    (row) => [row.parkedAt, row.id],
    ({ parkedAt, redrivenAt, body, ...row }) => ({
      ...row,
      body: JSON.parse(body),
      parked_at: parkedAt,
      redriven_at: redrivenAt,
    }),
  );
};

/**
 * Sends parked messages to the events queue again and marks them: those named, or the oldest that were never redriven. At most
 * 100 a call; answers how many. Safe to repeat: what has been applied is skipped by its checkpoint, what fails is parked anew.
 */
export const redrive = async (
  env: Pick<ConsumerEnv, "READ_MODEL" | "EVENTS">,
  choice: { ids: readonly string[] } | { all: true; limit: number },
  now: number = Date.now(),
): Promise<number> => {
  const db = drizzle(env.READ_MODEL);
  const wanted =
    "ids" in choice ? oneOf(deadLetters.id, choice.ids.slice(0, MAX_REDRIVE)) : isNull(deadLetters.redrivenAt);
  const rows = await db
    .select({ id: deadLetters.id, body: deadLetters.body })
    .from(deadLetters)
    .where(wanted)
    .orderBy(deadLetters.parkedAt, deadLetters.id)
    .limit("ids" in choice ? MAX_REDRIVE : clipLimit(choice.limit, MAX_REDRIVE));
  // A message is at most 128 kB, and so is in a call that the queue takes.
  for (const group of groupsOf(rows, ({ body }) => utf8.encode(body).length, { size: MAX_SEND_BYTES })) {
    await env.EVENTS.sendBatch(group.map(({ body }) => ({ body: JSON.parse(body) as RunMessage })));
    await db
      .update(deadLetters)
      .set({ redrivenAt: new Date(now).toISOString() })
      .where(
        oneOf(
          deadLetters.id,
          group.map(({ id }) => id),
        ),
      );
  }
  return rows.length;
};
