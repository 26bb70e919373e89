import { fromMinor } from "../../schema/money.ts";
import type { AccountState, Monitor } from "./account.ts";
import { balanceOf } from "./counters.ts";
import type { NewEvent } from "./decide.ts";

const CONSEQUENCES: ReadonlySet<string> = new Set(["monitor.triggered", "monitor.resolved", "account.closed"]);

/** Whether an event of this type is only ever written because of the one before it. */
export const isConsequence = (type: string): boolean => CONSEQUENCES.has(type);

/** Whether a balance, minor units of the normal side, lies beyond what a monitor watches for; at the threshold it does not. */
export const isBeyond = ({ bound, threshold }: Pick<Monitor, "bound" | "threshold">, balance: bigint): boolean =>
  bound === "above" ? balance > threshold : balance < threshold;

/**
 * What follows by itself from where an account stands, in the order it is written: monitors whose threshold the balance has
 * crossed, then the end of a closing account that is empty. Nothing, once it is written: so each crossing is told once, each way.
 */
export const consequences = (state: AccountState): NewEvent[] => {
  const { account, status, holds, monitors, counters } = state;
  if (account === null || (monitors.size === 0 && status !== "closing")) return [];
  const balance = balanceOf(counters, account.normalSide);
  const events: NewEvent[] = [];
  for (const [monitor, watch] of monitors) {
    const beyond = isBeyond(watch, balance);
    if (beyond === watch.triggered) continue;
    const data = { account: account.name, monitor, balance: fromMinor(balance, account.currency) };
    events.push({ type: beyond ? "monitor.triggered" : "monitor.resolved", data });
  }
  if (status === "closing" && balance === 0n && holds.size === 0) {
    events.push({ type: "account.closed", data: { account: account.name } });
  }
  return events;
};
