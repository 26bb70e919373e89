import { and, eq, inArray, isNull, lte } from "drizzle-orm";
import type { DrizzleSqliteDODatabase } from "drizzle-orm/durable-sqlite";
import type { Payment } from "./contract.ts";
import { answers } from "./tables.ts";

/** How long a key is remembered. */
const KEY_TTL_MS = 24 * 60 * 60 * 1000;
const PRUNE_LIMIT = 500;

export type Recall =
  | { kind: "new" }
  | { kind: "reused" }
  | { kind: "withheld"; ms: number }
  | { kind: "answered"; payment: Payment };

/**
 * Idempotency keys, each bound to one request and one answer. A key lives under the payment's reference: both come in
 * the same request, and reuse under another reference is another key.
 */
export class Answers {
  readonly #db: DrizzleSqliteDODatabase;

  constructor(db: DrizzleSqliteDODatabase) {
    this.#db = db;
  }

  /** What the key stands for at `now`; `fingerprint` undefined asks for the answer whatever the request was. */
  recall(reference: string, key: string, fingerprint: string | undefined, now: number): Recall {
    const row = this.#db
      .select()
      .from(answers)
      .where(and(eq(answers.reference, reference), eq(answers.key, key)))
      .get();
    if (!row || row.expiresAt <= now) return { kind: "new" };
    if (fingerprint !== undefined && fingerprint !== row.fingerprint) return { kind: "reused" };
    if (now < row.answerAt) return { kind: "withheld", ms: row.answerAt - now };
    if (row.payment === null) throw new Error(`the answer to ${key} is due but was never fixed`);
    return { kind: "answered", payment: JSON.parse(row.payment) as Payment };
  }

  /** Binds the key to the request. `payment` null: fixed by `fix` once the payment settles, no later than `answerAt`. */
  bind(reference: string, key: string, fingerprint: string, payment: Payment | null, answerAt: number, now: number) {
    const bound = {
      fingerprint,
      payment: payment && JSON.stringify(payment),
      answerAt,
      expiresAt: now + KEY_TTL_MS,
    };
    this.#db
      .insert(answers)
      .values({ reference, key, ...bound })
      .onConflictDoUpdate({ target: [answers.reference, answers.key], set: bound })
      .run();
  }

  /** Fixes the answer of every key still waiting for this payment to settle. */
  fix(payment: Payment) {
    this.#db
      .update(answers)
      .set({ payment: JSON.stringify(payment) })
      .where(and(eq(answers.reference, payment.reference), isNull(answers.payment)))
      .run();
  }

  /** Forgets keys past their time, a bounded number of them. */
  prune(now: number) {
    const expired = this.#db
      .select({ reference: answers.reference })
      .from(answers)
      .where(lte(answers.expiresAt, now))
      .limit(PRUNE_LIMIT);
    this.#db
      .delete(answers)
      .where(and(lte(answers.expiresAt, now), inArray(answers.reference, expired)))
      .run();
  }
}
