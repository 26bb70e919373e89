import { SYSTEM } from "../../schema/events.ts";
import { fromMinor } from "../../schema/money.ts";
import type { Turn } from "../kit/actor.ts";
import type { AccountState } from "./account.ts";

export const AGING_TIMER = "aging";

/** A hold older than this is told of, once: a saga ends every hold, and one that lives so long wants a person. Milliseconds. */
export const HOLD_AGES_MS = 24 * 3_600_000;

/** Holds told of in one commit; the rest come in the next, at once. */
export const AGED_PER_TURN = 256;

type Watching = Pick<Turn<AccountState>, "state" | "timers">;

/** How many open holds were told of as old. */
export const agedHolds = ({ holds }: Pick<AccountState, "holds">): number => {
  let aged = 0;
  for (const hold of holds.values()) if (hold.aged) aged++;
  return aged;
};

/** When the next hold grows old, milliseconds; null when there is none that was not told of. */
export const nextAging = ({ holds }: Pick<AccountState, "holds">): number | null => {
  let next: number | null = null;
  for (const { since, aged } of holds.values()) {
    const due = Date.parse(since) + HOLD_AGES_MS;
    if (!aged && (next === null || due < next)) next = due;
  }
  return next;
};

/** Sees to it that the holds are looked at. One timer an account, left alone while it stands: most holds end long before it. */
export const watchHolds = ({ state, timers }: Watching): void => {
  if (timers.dueAt(AGING_TIMER, "") !== null) return;
  const due = nextAging(state);
  if (due !== null) timers.set(AGING_TIMER, "", due);
};

/** The timer's turn: tells of every hold that has grown old, and comes back for the next. It ends none: that is the saga's to do. */
export const tellOfOldHolds = (turn: Pick<Turn<AccountState>, "state" | "timers" | "now" | "append">): void => {
  const { account, holds } = turn.state;
  const old = [...holds].filter(([, { since, aged }]) => !aged && Date.parse(since) + HOLD_AGES_MS <= turn.now);
  for (const [transfer, { saga, since, direction, amount }] of old.slice(0, AGED_PER_TURN)) {
    if (account === null) throw new Error("a hold of an account that was never opened");
    turn.append(
      "hold.aged",
      { account: account.name, transfer, saga, since, direction, amount: fromMinor(amount, account.currency) },
      { principal: SYSTEM, correlation: saga, causation: saga },
    );
  }
  const due = nextAging(turn.state);
  if (due === null) turn.timers.clear(AGING_TIMER, "");
  else turn.timers.set(AGING_TIMER, "", due);
};
