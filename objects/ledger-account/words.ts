import type { AccountAnswer, AccountOp } from "../../schema/rpc/account.ts";
import type { Word, WordState } from "./decide.ts";

/** Transfers asked about in one statement. */
const CHUNK = 1_000;

/** What the account has said of each transfer. */
export type WordBook = {
  find(transfer: string): Word | null;
  /** Keeps the first word on a transfer, or the one that follows from it. */
  keep(op: AccountOp, word: Word, at: string): void;
};

type Row = { state: WordState; body_hash: string; answer: string; legs: string; posts: string | null };

/** The words in SQLite. Raw statements: one read and one write for every operation, where a query builder's work would show. */
export const wordBook = (sql: SqlStorage): WordBook => ({
  find(transfer) {
    const [row] = sql
      .exec<Row>("SELECT state, body_hash, answer, legs, posts FROM transfers WHERE transfer = ?", transfer)
      .toArray();
    if (row === undefined) return null;
    const answer = JSON.parse(row.answer) as AccountAnswer;
    return { state: row.state, bodyHash: row.body_hash, answer, legs: row.legs, posts: row.posts };
  },
  keep(op, word, at) {
    sql.exec(
      `INSERT INTO transfers (transfer, body_hash, saga, state, answer, legs, posts, charge, pod, at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
       ON CONFLICT (transfer) DO UPDATE SET state = excluded.state, answer = excluded.answer, posts = excluded.posts, at = excluded.at`,
      op.transfer,
      word.bodyHash,
      op.saga,
      word.state,
      JSON.stringify(word.answer),
      word.legs,
      word.posts,
      op.charge,
      op.pod,
      at,
    );
  },
});

/** Which of these transfers the account has posted. */
export const postedAmong = (sql: SqlStorage, transfers: readonly string[]): string[] => {
  const found: string[] = [];
  for (let at = 0; at < transfers.length; at += CHUNK) {
    const rows = sql.exec<{ transfer: string }>(
      "SELECT transfer FROM transfers WHERE state = 'posted' AND transfer IN (SELECT value FROM json_each(?))",
      JSON.stringify(transfers.slice(at, at + CHUNK)),
    );
    for (const { transfer } of rows) found.push(transfer);
  }
  return found;
};
