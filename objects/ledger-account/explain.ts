import { type EventBody, type LogRow, upcast } from "../../schema/events.ts";
import { formatMinor, fromMinor, type MoneyJson } from "../../schema/money.ts";
import type { AccountEventData, ExplainedLine, Explanation } from "../../schema/rpc/account.ts";
import type { Turn } from "../kit/actor.ts";
import type { History } from "../kit/history.ts";
import { type AccountState, availableOf, headroomOf } from "./account.ts";
import { balanceOf, opposite, pendingOn } from "./counters.ts";
import { newestUpTo, readUpTo } from "./past-events.ts";
import { holdOf } from "./view.ts";

/** Lines in one page; the legs of one event stay together. */
export const MAX_LINES = 200;

type Told = { [T in keyof AccountEventData]: EventBody<T, AccountEventData[T]> }[keyof AccountEventData];
/** The account as it was when it was asked. */
type ExplainedNow = Omit<Explanation, "stopped" | "page" | "lines" | "next">;

const eventOf = ({ event }: LogRow): Told => upcast(event) as unknown as Told;
const isOneOf = (types: readonly string[]) => {
  const wanted = new Set(types);
  return ({ event }: LogRow): boolean => wanted.has(event.type);
};

/** What moves a balance, or what may be moved. Holds are shown as they stand, monitors change nothing. */
const isTold = isOneOf([
  "transfer.posted",
  "account.opened",
  "account.frozen",
  "account.unfrozen",
  "account.closing",
  "account.reopened",
  "account.closed",
  "account.limits_changed",
]);

/** What of an explanation is the account as it is now: of one turn. Null when the account was never opened. */
export const explainNow = ({ state, head }: Pick<Turn<AccountState>, "state" | "head">): ExplainedNow | null => {
  const { account, counters } = state;
  if (account === null) return null;
  const { name, currency, normalSide } = account;
  const figure = (minor: bigint): string => formatMinor(minor, currency);
  const posted = figure(balanceOf(counters, normalSide));
  const headroom = headroomOf(state, normalSide);
  return {
    account: name,
    currency,
    normal_side: normalSide,
    status: state.status,
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
  };
};

/**
 * Why the balance is what it is, from the log itself: a page of lines after `after`, each with the balance it leads to, and what
 * of the whole is available now. The lines end where the log ended when that was asked.
 */
export const explain = async (
  now: ExplainedNow,
  history: History,
  after: number,
  limit: number,
): Promise<Explanation> => {
  const from = Math.max(0, Math.trunc(after));
  const wanted = Math.max(1, Math.min(MAX_LINES, Math.trunc(limit)));
  const opening = await openingOf(history, now, Math.min(from, now.seq));
  const { lines, more } = await readLines(history, opening, from, now.seq, wanted);
  const to = more ? (lines.at(-1)?.seq ?? from) : Math.max(from, now.seq);
  return {
    ...now,
    stopped: now.status === "open" ? null : await stoppedBy(history, now.seq),
    page: { after: from, to, opening: opening.amount, closing: lines.at(-1)?.balance.amount ?? opening.amount },
    lines,
    next: more ? to : null,
  };
};

/** Operators' words on a status; the end of a closing account comes by itself and is the closing's doing. */
const isStatusWord = isOneOf(["account.frozen", "account.unfrozen", "account.closing", "account.reopened"]);

/** The newest of them. */
const stoppedBy = async (history: History, head: number): Promise<Explanation["stopped"]> => {
  const row = await newestUpTo(history, head, isStatusWord);
  if (row === null) return null;
  const { principal, recorded_at, data } = eventOf(row);
  return { by: principal.user, reason: "reason" in data ? (data.reason ?? null) : null, since: recorded_at };
};

const isPosting = isOneOf(["transfer.posted"]);

/** The posted balance at a seq: what the newest posting up to it left. */
const openingOf = async (history: History, { currency }: ExplainedNow, seq: number): Promise<MoneyJson> => {
  const row = await newestUpTo(history, seq, isPosting);
  const event = row === null ? null : eventOf(row);
  const last = event?.type === "transfer.posted" ? event.data.legs.at(-1) : undefined;
  return last?.balance ?? fromMinor(0n, currency);
};

const readLines = async (history: History, opening: MoneyJson, after: number, head: number, limit: number) => {
  const lines: ExplainedLine[] = [];
  for (let at = after; at < head; ) {
    const rows = await readUpTo(history, at, head);
    for (const row of rows.filter(isTold)) {
      const told = linesOf(row.seq, eventOf(row), lines.at(-1)?.balance ?? opening);
      if (lines.length > 0 && lines.length + told.length > limit) return { lines, more: true };
      lines.push(...told);
    }
    at += rows.length;
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
