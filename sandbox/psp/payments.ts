import { and, asc, eq, gt, isNotNull, lte, min, type SQL } from "drizzle-orm";
import type { DrizzleSqliteDODatabase } from "drizzle-orm/durable-sqlite";
import { zeroLike } from "../money.ts";
import type { BooksRow, Payment, PaymentStatus } from "./contract.ts";
import type { Standing } from "./decide.ts";
import { attempts, payments, voidedReferences } from "./tables.ts";

export type PaymentRow = typeof payments.$inferSelect;

const SETTLE_LIMIT = 100;

/** The provider's payments in one shard, and what it remembers of references that never became one. */
export class Payments {
  readonly #db: DrizzleSqliteDODatabase;

  constructor(db: DrizzleSqliteDODatabase) {
    this.#db = db;
  }

  byReference(reference: string): PaymentRow | undefined {
    return this.#db.select().from(payments).where(eq(payments.reference, reference)).get();
  }

  insert(row: typeof payments.$inferInsert): PaymentRow {
    return this.#db.insert(payments).values(row).returning().get();
  }

  /** Ends the wait for a decision and stores what the payment has become. */
  update(row: PaymentRow, standing: Standing): PaymentRow {
    return this.#db
      .update(payments)
      .set({ ...standing, settleAt: null })
      .where(eq(payments.seq, row.seq))
      .returning()
      .get();
  }

  /** Pending payments whose decision is due, oldest first, a bounded number. */
  toSettle(now: number): PaymentRow[] {
    return this.#db
      .select()
      .from(payments)
      .where(and(isNotNull(payments.settleAt), lte(payments.settleAt, now)))
      .orderBy(asc(payments.settleAt), asc(payments.seq))
      .limit(SETTLE_LIMIT)
      .all();
  }

  nextSettleAt(): number | null {
    return (
      this.#db
        .select({ settleAt: min(payments.settleAt) })
        .from(payments)
        .where(isNotNull(payments.settleAt))
        .get()?.settleAt ?? null
    );
  }

  /** At most `limit` payments after `afterSeq`, oldest first. */
  list(filter: { pod?: string; charge?: string }, afterSeq: number, limit: number): PaymentRow[] {
    const conditions: SQL[] = [gt(payments.seq, afterSeq)];
    if (filter.pod !== undefined) conditions.push(eq(payments.pod, filter.pod));
    if (filter.charge !== undefined) conditions.push(eq(payments.charge, filter.charge));
    return this.#db
      .select()
      .from(payments)
      .where(and(...conditions))
      .orderBy(asc(payments.seq))
      .limit(limit)
      .all();
  }

  failuresOf(reference: string): number {
    return this.#db.select().from(attempts).where(eq(attempts.reference, reference)).get()?.failures ?? 0;
  }

  recordFailure(reference: string, failures: number) {
    this.#db
      .insert(attempts)
      .values({ reference, failures })
      .onConflictDoUpdate({ target: attempts.reference, set: { failures } })
      .run();
  }

  isBurnt(reference: string): boolean {
    return (
      this.#db.select().from(voidedReferences).where(eq(voidedReferences.reference, reference)).get() !== undefined
    );
  }

  burn(reference: string, voidedAt: number) {
    this.#db.insert(voidedReferences).values({ reference, voidedAt }).onConflictDoNothing().run();
  }
}

/** The payment as the merchant sees it. */
export function paymentOf(row: PaymentRow): Payment {
  return {
    id: row.id,
    reference: row.reference,
    status: row.status,
    amount: { amount: row.amount, currency: row.currency },
    ...(row.declineReason === null ? {} : { decline_reason: row.declineReason }),
  };
}

const booksStatus: Record<PaymentStatus, BooksRow["status"]> = {
  authorised: "pending",
  captured: "captured",
  failed: "failed",
  pending: "pending",
  voided: "failed",
};

/** The payment as a line of the provider's books. */
export function booksRowOf(row: PaymentRow): BooksRow {
  const amount = { amount: row.amount, currency: row.currency };
  return {
    charge: row.charge,
    reference: row.id,
    key: row.key,
    status: booksStatus[row.status],
    amount,
    refunded: zeroLike(amount),
  };
}
