import { asc, eq, lte, min } from "drizzle-orm";
import type { DrizzleSqliteDODatabase } from "drizzle-orm/durable-sqlite";
import type { Payment } from "./contract.ts";
import { type Announcement, nextAttemptAt } from "./decide.ts";
import { deliveries } from "./tables.ts";
import type { Delivery } from "./webhooks.ts";

/** How many deliveries one alarm takes on. */
const BATCH = 24;

const columns = {
  seq: deliveries.seq,
  eventId: deliveries.eventId,
  body: deliveries.body,
  attempts: deliveries.attempts,
};

/** The webhooks still owed to the merchant, in the same storage as the payments they tell of. */
export class Outbox {
  readonly #db: DrizzleSqliteDODatabase;
  readonly #newEventId: () => string;

  constructor(db: DrizzleSqliteDODatabase, newEventId: () => string) {
    this.#db = db;
    this.#newEventId = newEventId;
  }

  /** Owes the merchant these events; returns the delivery to be made before the HTTP answer, if there is one. */
  owe(announcements: readonly Announcement[], payment: Payment, metadata: Record<string, string>): Delivery | null {
    let inline: Delivery | null = null;
    for (const { type, occurredAt, deliverAt, firstInline } of announcements) {
      const eventId = this.#newEventId();
      const timestamp = new Date(occurredAt).toISOString();
      const body = JSON.stringify({ type, timestamp, data: { ...payment, metadata } });
      deliverAt.forEach((dueAt, copy) => {
        const row = this.#db.insert(deliveries).values({ eventId, body, attempts: 0, dueAt }).returning(columns).get();
        if (firstInline && copy === 0) inline = row;
      });
    }
    return inline;
  }

  /** What is due, oldest first, a bounded number. */
  due(now: number): Delivery[] {
    return this.#db
      .select(columns)
      .from(deliveries)
      .where(lte(deliveries.dueAt, now))
      .orderBy(asc(deliveries.dueAt), asc(deliveries.seq))
      .limit(BATCH)
      .all();
  }

  /** When the next delivery is due, if any is owed. */
  nextDueAt(): number | null {
    return (
      this.#db
        .select({ dueAt: min(deliveries.dueAt) })
        .from(deliveries)
        .get()?.dueAt ?? null
    );
  }

  /** Records how an attempt went: strikes what arrived, puts off what did not, drops what never will. */
  record(delivery: Delivery, arrived: boolean, now: number) {
    const attempts = delivery.attempts + 1;
    const dueAt = arrived ? null : nextAttemptAt(attempts, now);
    if (dueAt !== null) {
      this.#db.update(deliveries).set({ attempts, dueAt }).where(eq(deliveries.seq, delivery.seq)).run();
      return;
    }
    if (!arrived) console.warn(`psp: gave up delivering ${delivery.eventId} after ${attempts} attempts`);
    this.#db.delete(deliveries).where(eq(deliveries.seq, delivery.seq)).run();
  }
}
