import type { RiskDecision } from "../../schema/charges.ts";
import type { Assessment, AssessmentState } from "./decide.ts";

type Row = {
  saga: string;
  state: AssessmentState;
  decision: string;
  charge: string | null;
  eur_minor: string;
  instrument: string | null;
};

/** The answers kept by saga. Raw SQL: every charge of a person reads and writes here, several times. */
export class Assessments {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  find(saga: string): Assessment | null {
    const [row] = this.#sql
      .exec<Row>("SELECT saga, state, decision, charge, eur_minor, instrument FROM assessments WHERE saga = ?", saga)
      .toArray();
    if (row === undefined) return null;
    return {
      saga: row.saga,
      state: row.state,
      decision: JSON.parse(row.decision) as RiskDecision,
      charge: row.charge,
      eurMinor: BigInt(row.eur_minor),
      instrument: row.instrument,
    };
  }

  keep(assessment: Assessment, nowMs: number): void {
    const endedAt = assessment.state === "reserved" ? null : nowMs;
    this.#sql.exec(
      `INSERT INTO assessments (saga, state, decision, charge, eur_minor, instrument, ended_at) VALUES (?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (saga) DO UPDATE SET state = excluded.state, ended_at = excluded.ended_at`,
      assessment.saga,
      assessment.state,
      JSON.stringify(assessment.decision),
      assessment.charge,
      String(assessment.eurMinor),
      assessment.instrument,
      endedAt,
    );
  }

  /** When the oldest ended saga ended, milliseconds; null when there is none. */
  oldestEnd(): number | null {
    const [row] = this.#sql
      .exec<{ ended_at: number | null }>("SELECT min(ended_at) AS ended_at FROM assessments")
      .toArray();
    return row?.ended_at ?? null;
  }

  /** Forgets at most `limit` sagas that ended before `beforeMs`; how many. */
  prune(beforeMs: number, limit: number): number {
    const old = "SELECT saga FROM assessments WHERE ended_at < ? LIMIT ?";
    const { rowsWritten } = this.#sql.exec(`DELETE FROM assessments WHERE saga IN (${old})`, beforeMs, limit);
    return rowsWritten;
  }
}
