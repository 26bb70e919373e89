import { parseAccount } from "./accounts.ts";
import { parseId } from "./ids.ts";
import type { MoneyJson } from "./money.ts";

/**
 * A watch on an account's posted balance (normal side). `above` is triggered while the balance is over the threshold, `below`
 * while it is under it; at the threshold neither is.
 */
export type MonitorRecord = { id: string; account: string; state: "triggered" | "resolved" } & (
  | { above: MoneyJson }
  | { below: MoneyJson }
);

/** The id of a monitor: it carries the name of its account, so that a path holding nothing but the id finds its actor. */
export const monitorId = (id: string, account: string): string =>
  `${id}.${Buffer.from(account, "utf8").toString("base64url")}`;

/** The physical account in a monitor's id; null when it is malformed, which callers answer like an unknown one. */
export const accountOfMonitor = (text: string): string | null => {
  const [id = "", encoded = "", ...rest] = text.split(".");
  if (parseId("mon", id) === null || rest.length > 0) return null;
  const name = Buffer.from(encoded, "base64url").toString("utf8");
  // Another spelling of the same name would be another id of the same monitor.
  if (monitorId(id, name) !== text) return null;
  const account = parseAccount(name);
  return account === null || (account.rules.stripes > 1 && account.stripe === null) ? null : name;
};
