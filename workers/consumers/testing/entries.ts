/** How many entries of an account the tables hold, or of all accounts: in full pages and in the ones that are not full yet. */
export const entriesIn = async (db: D1Database, account = "%", suffix: "" | "_next" = ""): Promise<number> => {
  const row = await db
    .prepare(
      `SELECT coalesce((SELECT sum(json_array_length(doc)) FROM entries${suffix} WHERE account LIKE ?1), 0)
         + coalesce((SELECT sum(json_array_length(doc, '$.open')) FROM checkpoints${suffix}
             WHERE stream LIKE 'account/' || ?1 AND doc <> ''), 0) AS n`,
    )
    .bind(account)
    .first<{ n: number }>();
  return row?.n ?? 0;
};
