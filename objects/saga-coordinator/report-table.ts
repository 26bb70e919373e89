export type ReportKind = "cut" | "verify";

/** A value may be 2 MB of UTF-8 on the platform: a third of that in UTF-16 units always fits. Names and reasons are ASCII, so no character is cut in two. */
const PART = 600_000;

/**
 * Reports as they are kept: JSON, in parts where it is long, for a cut names every account there is. The first part has the
 * report's id, the others the id, a slash and their number.
 */
export class ReportTable {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  read<T>(id: string): T | null {
    const parts = this.#sql
      .exec<{ doc: string }>(
        "SELECT doc FROM reports WHERE id = ?1 OR (id > ?1 || '/' AND id < ?1 || '0') ORDER BY id",
        id,
      )
      .toArray();
    return parts.length === 0 ? null : (JSON.parse(parts.map(({ doc }) => doc).join("")) as T);
  }

  /** In place of what was kept under that id. To be called where nothing else happens between its statements. */
  write(id: string, kind: ReportKind, report: unknown): void {
    const text = JSON.stringify(report);
    this.#sql.exec("DELETE FROM reports WHERE id > ?1 || '/' AND id < ?1 || '0'", id);
    for (let from = 0; from < text.length; from += PART) {
      this.#sql.exec(
        "INSERT INTO reports (id, kind, doc) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET doc = excluded.doc",
        from === 0 ? id : `${id}/${String(from / PART).padStart(4, "0")}`,
        kind,
        text.slice(from, from + PART),
      );
    }
  }
}
