import type { Deal, Quote, QuoteTerms } from "./decide.ts";
import type { Hedge } from "./decide-hedge.ts";

const DAY_MS = 86_400_000;
/** A quote that nobody used is forgotten this long after it expired. */
export const UNUSED_KEPT_MS = DAY_MS;
/** What a saga came to is kept this long after it ended: far longer than anybody asks again. */
export const ENDED_KEPT_MS = 400 * DAY_MS;

type QuoteRow = { terms: string; expires_at: number; saga: string | null };
type DealRow = { deal: string; hedge: string | null };
type WithQuote = Exclude<Deal, { state: "tombstone" }>;

const encodeDeal = (deal: Deal): string =>
  JSON.stringify(deal.state === "tombstone" ? deal : { ...deal, eurMinor: String(deal.eurMinor) });

const decodeDeal = (text: string): Deal => {
  const deal = JSON.parse(text) as Deal & { eurMinor?: string };
  return deal.state === "tombstone" ? deal : ({ ...deal, eurMinor: BigInt(deal.eurMinor ?? "0") } as WithQuote);
};

/** When a deal's row is forgotten; null while it is accepted, or converted and not covered. */
const endOf = (deal: Deal, hedge: Hedge | null, nowMs: number): number | null => {
  const over = deal.state === "converted" ? hedge?.stage === "filled" : deal.state !== "accepted";
  return over ? nowMs + ENDED_KEPT_MS : null;
};

/** The desk's quotes and deals. Raw SQL: rows by their primary keys, inside turns, on the way of every charge. */
export class Rows {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  quote(id: string): Quote | null {
    const [row] = this.#sql.exec<QuoteRow>("SELECT terms, expires_at, saga FROM quotes WHERE id = ?", id).toArray();
    if (row === undefined) return null;
    return { terms: JSON.parse(row.terms) as QuoteTerms, expiresAt: row.expires_at, saga: row.saga };
  }

  addQuote(terms: QuoteTerms, expiresAt: number): number {
    const pruneAt = expiresAt + UNUSED_KEPT_MS;
    this.#sql.exec(
      "INSERT INTO quotes (id, subject, terms, expires_at, prune_at) VALUES (?, ?, ?, ?, ?)",
      terms.id,
      terms.subject,
      JSON.stringify(terms),
      expiresAt,
      pruneAt,
    );
    return pruneAt;
  }

  deal(saga: string): { deal: Deal; hedge: Hedge | null } | null {
    const [row] = this.#sql.exec<DealRow>("SELECT deal, hedge FROM deals WHERE saga = ?", saga).toArray();
    if (row === undefined) return null;
    return { deal: decodeDeal(row.deal), hedge: row.hedge === null ? null : (JSON.parse(row.hedge) as Hedge) };
  }

  /** Writes a deal, and marks its quote as the saga's. Answers when the rows are forgotten, null: not yet. */
  keepDeal(deal: Deal, hedge: Hedge | null, nowMs: number): number | null {
    const pruneAt = endOf(deal, hedge, nowMs);
    this.#sql.exec(
      `INSERT INTO deals (saga, state, deal, hedge, prune_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT (saga) DO UPDATE SET state = excluded.state, deal = excluded.deal, hedge = excluded.hedge, prune_at = excluded.prune_at`,
      deal.saga,
      deal.state,
      encodeDeal(deal),
      hedge === null ? null : JSON.stringify(hedge),
      pruneAt,
    );
    if (deal.state !== "tombstone") {
      this.#sql.exec("UPDATE quotes SET saga = ?, prune_at = ? WHERE id = ?", deal.saga, pruneAt, deal.quote.id);
    }
    return pruneAt;
  }

  /** Forgets at most `limit` rows of each table that are due. */
  prune(nowMs: number, limit: number): void {
    for (const [table, key] of [
      ["quotes", "id"],
      ["deals", "saga"],
    ]) {
      const due = `SELECT ${key} FROM ${table} WHERE prune_at <= ? ORDER BY prune_at LIMIT ?`;
      this.#sql.exec(`DELETE FROM ${table} WHERE ${key} IN (${due})`, nowMs, limit);
    }
  }

  /** When the next row is due to be forgotten; null: none is. */
  nextPrune(): number | null {
    const [row] = this.#sql
      .exec<{ at: number | null }>(
        "SELECT min(at) AS at FROM (SELECT min(prune_at) AS at FROM quotes UNION ALL SELECT min(prune_at) FROM deals)",
      )
      .toArray();
    return row?.at ?? null;
  }
}
