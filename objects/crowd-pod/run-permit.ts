import type { Meta } from "../../schema/events.ts";
import type { PermitAnswer, PermitOp } from "../../schema/rpc/pod.ts";
import type { Turn } from "../kit/actor.ts";
import { decidePermit, type PermitRow } from "./decide-permits.ts";
import { record } from "./run-command.ts";
import type { PodState } from "./state.ts";

/** The most operations in one call. */
export const MAX_PERMIT_OPS = 256;

type Stored = { state: PermitRow["state"]; admitted: string | null; announced: string | null; ended: string | null };

const answerIn = (text: string | null): PermitAnswer | null =>
  text === null ? null : (JSON.parse(text) as PermitAnswer);
const textOf = (answer: PermitAnswer | null): string | null => (answer === null ? null : JSON.stringify(answer));

// Raw SQL: a row by its primary key on the way of every charge, twice.

const findRow = (sql: SqlStorage, saga: string): PermitRow | null => {
  const [row] = sql
    .exec<Stored>("SELECT state, admitted, announced, ended FROM permits WHERE saga = ?", saga)
    .toArray();
  if (row === undefined) return null;
  const { state, admitted, announced, ended } = row;
  return { state, admitted: answerIn(admitted), announced: answerIn(announced), ended: answerIn(ended) };
};

/** Whether a saga has been answered here before: then it is answered the same again, however full the pod. */
export const isAnswered = (sql: SqlStorage, saga: string): boolean => findRow(sql, saga) !== null;

const writeRow = (sql: SqlStorage, saga: string, { state, admitted, announced, ended }: PermitRow): void => {
  sql.exec(
    "INSERT OR REPLACE INTO permits (saga, state, admitted, announced, ended) VALUES (?, ?, ?, ?, ?)",
    saga,
    state,
    textOf(admitted),
    textOf(announced),
    textOf(ended),
  );
};

const COLUMN = {
  admit: "admitted",
  announce_review: "announced",
  release: "ended",
  conclude: "ended",
} as const satisfies Record<Exclude<PermitOp["op"], "announce_standing">, keyof PermitRow>;

/** The turn of one operation of the coordinator: decided once for its saga, its answer stored with its events. */
export const runPermit = (turn: Turn<PodState>, op: PermitOp, meta: Meta): PermitAnswer => {
  const row = findRow(turn.sql, op.saga);
  const decision = decidePermit(turn.state, row, op);
  if (decision.do === "answer") return decision.answer;
  if (decision.do === "tell" || op.op === "announce_standing") {
    if (decision.do === "tell") record(turn, decision.events, meta);
    return { ok: true, seq: turn.head.seq, member_since: null };
  }
  if (decision.do === "apply") record(turn, decision.events, meta);
  const answer: PermitAnswer =
    decision.do === "refuse"
      ? { ok: false, rejection: decision.rejection }
      : { ok: true, seq: turn.head.seq, member_since: decision.memberSince };
  writeRow(turn.sql, op.saga, {
    ...(row ?? { admitted: null, announced: null, ended: null }),
    state: decision.do === "refuse" ? "refused" : decision.state,
    [COLUMN[op.op]]: answer,
  });
  return answer;
};
