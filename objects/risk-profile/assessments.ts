import type { RiskDecision } from "../../schema/charges.ts";
import type { Assessment, AssessmentState } from "./decide.ts";

type Row = {
  saga: string;
  state: AssessmentState;
  decision: string;
  charge: string | null;
  eur_minor: string;
  instrument: string | null;
  at: number;
};

/** The answers kept by saga. Raw SQL: every charge of a person reads and writes here, several times. */
export class Assessments {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  find(saga: string): Assessment | null {
    const [row] = this.#sql
      .exec<Row>(
        "SELECT saga, state, decision, charge, eur_minor, instrument, at FROM assessments WHERE saga = ?",
        saga,
      )
      .toArray();
    if (row === undefined) return null;
    return {
      saga: row.saga,
      state: row.state,
      decision: JSON.parse(row.decision) as RiskDecision,
      charge: row.charge,
      eurMinor: BigInt(row.eur_minor),
      instrument: row.instrument,
      at: row.at,
    };
  }

  keep(assessment: Assessment): void {
    this.#sql.exec(
      `INSERT INTO assessments (saga, state, decision, charge, eur_minor, instrument, at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (saga) DO UPDATE SET state = excluded.state`,
      assessment.saga,
      assessment.state,
      JSON.stringify(assessment.decision),
      assessment.charge,
      String(assessment.eurMinor),
      assessment.instrument,
      assessment.at,
    );
  }

  /** When the oldest that is kept was given, epoch milliseconds; null when there is none. */
  oldest(): number | null {
    const [row] = this.#sql.exec<{ at: number | null }>("SELECT min(at) AS at FROM assessments").toArray();
    return row?.at ?? null;
  }

  /** Forgets at most `limit` answers given before `beforeMs`; how many. */
  prune(beforeMs: number, limit: number): number {
    const old = "SELECT saga FROM assessments WHERE at < ? LIMIT ?";
    const { rowsWritten } = this.#sql.exec(`DELETE FROM assessments WHERE saga IN (${old})`, beforeMs, limit);
    return rowsWritten;
  }
}
