import { type EventBody, upcast } from "../../schema/events.ts";
import { formatMinor, fromMinor, type MoneyJson } from "../../schema/money.ts";
import type { AccountEventData, ExplainedLine, Explanation } from "../../schema/rpc/account.ts";
import type { Turn } from "../kit/actor.ts";
import { type AccountState, availableOf, headroomOf, type PhysicalAccount } from "./account.ts";
import { balanceOf, opposite, pendingOn } from "./counters.ts";
import { holdOf } from "./view.ts";

/** Lines in one page; the legs of one event stay together. */
export const MAX_LINES = 200;

/** What moves a balance, or what may be moved. Holds are shown as they stand, monitors change nothing. */
const TOLD = [
  "transfer.posted",
  "account.opened",
  "account.frozen",
  "account.unfrozen",
  "account.closing",
  "account.reopened",
  "account.closed",
  "account.limits_changed",
];

type Row = { seq: number; body: string };
type Told = { [T in keyof AccountEventData]: EventBody<T, AccountEventData[T]> }[keyof AccountEventData];

const eventOf = ({ body }: Row): Told => upcast(JSON.parse(body) as EventBody) as unknown as Told;

/**
 * Why the balance is what it is, from the log itself: a page of lines after `after`, each with the balance it leads to, and what
 * of the whole is available now. State and lines are of one turn. Null when the account was never opened.
 */
export const explain = (
  { state, head, sql }: Pick<Turn<AccountState>, "state" | "head" | "sql">,
  after: number,
  limit: number,
): Explanation | null => {
  const { account, counters } = state;
  if (account === null) return null;
  const from = Math.max(0, Math.trunc(after));
  const wanted = Math.max(1, Math.min(MAX_LINES, Math.trunc(limit)));
  const { name, currency, normalSide } = account;
  const figure = (minor: bigint): string => formatMinor(minor, currency);
  const opening = openingOf(sql, account, from);
  const { lines, more } = readLines(sql, opening, from, wanted);
  const to = more ? (lines.at(-1)?.seq ?? from) : Math.max(from, head.seq);
  const posted = figure(balanceOf(counters, normalSide));
  const headroom = headroomOf(state, normalSide);
  return {
    account: name,
    currency,
    normal_side: normalSide,
    status: state.status,
    stopped: state.status === "open" ? null : stoppedBy(sql),
    seq: head.seq,
    head_hash: head.hash,
    balance: posted,
    available: {
      amount: figure(availableOf(state, normalSide)),
      posted,
      pending: figure(pendingOn(counters, opposite(normalSide))),
      floor: state.floor === null ? null : figure(state.floor),
    },
    headroom:
      headroom === null || state.cap === null
        ? null
        : {
            amount: figure(headroom),
            cap: figure(state.cap),
            posted,
            pending_in: figure(pendingOn(counters, normalSide)),
          },
    holds: [...state.holds].map(([transfer, open]) => ({
      ...holdOf(transfer, open, currency),
      aged: open.aged === true,
    })),
    page: { after: from, to, opening: opening.amount, closing: lines.at(-1)?.balance.amount ?? opening.amount },
    lines,
    next: more ? to : null,
  };
};

/** Operators' words on a status; the end of a closing account comes by itself and is the closing's doing. */
const STATUS_WORDS = ["account.frozen", "account.unfrozen", "account.closing", "account.reopened"];

/** The newest of them. */
const stoppedBy = (sql: SqlStorage): Explanation["stopped"] => {
  const [row] = sql
    .exec<Row>(
      "SELECT seq, body FROM events WHERE body ->> '$.type' IN (SELECT value FROM json_each(?)) ORDER BY seq DESC LIMIT 1",
      JSON.stringify(STATUS_WORDS),
    )
    .toArray();
  if (row === undefined) return null;
  const { principal, recorded_at, data } = eventOf(row);
  return { by: principal.user, reason: "reason" in data ? (data.reason ?? null) : null, since: recorded_at };
};

/** The posted balance at a seq: what the newest posting up to it left. */
const openingOf = (sql: SqlStorage, { currency }: PhysicalAccount, seq: number): MoneyJson => {
  const [row] = sql
    .exec<Row>(
      "SELECT seq, body FROM events WHERE seq <= ? AND body ->> '$.type' = 'transfer.posted' ORDER BY seq DESC LIMIT 1",
      seq,
    )
    .toArray();
  const event = row === undefined ? null : eventOf(row);
  const last = event?.type === "transfer.posted" ? event.data.legs.at(-1) : undefined;
  return last?.balance ?? fromMinor(0n, currency);
};

const readLines = (sql: SqlStorage, opening: MoneyJson, after: number, limit: number) => {
  const rows = sql
    .exec<Row>(
      "SELECT seq, body FROM events WHERE seq > ? AND body ->> '$.type' IN (SELECT value FROM json_each(?)) ORDER BY seq LIMIT ?",
      after,
      JSON.stringify(TOLD),
      limit + 1,
    )
    .toArray();
  const lines: ExplainedLine[] = [];
  for (const row of rows) {
    const told = linesOf(row.seq, eventOf(row), lines.at(-1)?.balance ?? opening);
    if (lines.length > 0 && lines.length + told.length > limit) return { lines, more: true };
    lines.push(...told);
  }
  return { lines, more: false };
};

const linesOf = (seq: number, event: Told, balance: MoneyJson): ExplainedLine[] => {
  const line: ExplainedLine = {
    seq,
    type: event.type,
    debit: null,
    credit: null,
    balance,
    transfer: null,
    saga: null,
    charge: null,
    pod: null,
    reason: "reason" in event.data ? (event.data.reason ?? null) : null,
    by: event.principal.user,
    recorded_at: event.recorded_at,
  };
  if (event.type === "account.limits_changed") {
    const { floor, cap } = event.data;
    return [{ ...line, floor: floor?.amount ?? null, cap: cap?.amount ?? null }];
  }
  if (event.type !== "transfer.posted") return [line];
  const { transfer, saga, charge, pod, legs } = event.data;
  return legs.map((leg) => ({
    ...line,
    transfer,
    saga,
    charge,
    pod,
    [leg.direction]: leg.amount,
    balance: leg.balance,
  }));
};
