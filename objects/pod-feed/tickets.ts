import { createHash } from "node:crypto";
import { FEED_LIMITS, TICKET_PATTERN, TICKET_TTL_MS } from "../../schema/feed.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import type { Bearer } from "../../schema/rpc/feed.ts";

/** How many random bytes a ticket carries. */
export const TICKET_BYTES = 32;
/** Dead tickets thrown away when one is issued. */
const PRUNE_BATCH = 100;

type Row = { user: string; operator: number; token_ends_at: number };

/** A ticket has enough random bits that a plain hash gives nothing away. */
const hashOf = (ticket: string): string => createHash("sha256").update(ticket, "utf8").digest("hex");

/** The unspent tickets of a pod. Each is one row, which spending deletes. `now` is real time, milliseconds. */
export class Tickets {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Keeps a ticket made of these random bytes; answers it and when it dies. Refuses a person with too many unspent. */
  issue(
    { user, operator, token_ends_at }: Bearer,
    secret: Uint8Array,
    now: number,
  ): Result<{ ticket: string; expiresAt: number }> {
    this.#sql.exec(
      "DELETE FROM tickets WHERE hash IN (SELECT hash FROM tickets WHERE expires_at <= ? LIMIT ?)",
      now,
      PRUNE_BATCH,
    );
    const [unspent] = this.#sql
      .exec<{ n: number }>("SELECT count(*) AS n FROM tickets WHERE user = ? AND expires_at > ?", user, now)
      .toArray();
    if ((unspent?.n ?? 0) >= FEED_LIMITS.tickets) {
      return reject("rate_limited", "too many tickets are unspent", { retry_after: TICKET_TTL_MS / 1000 });
    }
    const ticket = Buffer.from(secret).toString("base64url");
    const expiresAt = Math.min(now + TICKET_TTL_MS, token_ends_at);
    this.#sql.exec(
      "INSERT INTO tickets (hash, user, operator, token_ends_at, expires_at) VALUES (?, ?, ?, ?, ?)",
      hashOf(ticket),
      user,
      operator ? 1 : 0,
      token_ends_at,
      expiresAt,
    );
    return accept({ ticket, expiresAt });
  }

  /** Whose ticket this is, which with this is spent; null when it was never issued, has been spent, or has died. */
  redeem(ticket: string, now: number): Bearer | null {
    if (!TICKET_PATTERN.test(ticket)) return null;
    const [row] = this.#sql
      .exec<Row>(
        "DELETE FROM tickets WHERE hash = ? AND expires_at > ? RETURNING user, operator, token_ends_at",
        hashOf(ticket),
        now,
      )
      .toArray();
    return row === undefined ? null : { ...row, operator: row.operator === 1 };
  }
}
