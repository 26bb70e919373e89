import { type ParsedAccount, parseAccount } from "../../../schema/accounts.ts";
import { entriesOf } from "../../../schema/entries.ts";
import { type EventBody, type LogRow, upcast } from "../../../schema/events.ts";
import { formatMinor } from "../../../schema/money.ts";
import { type AccountDoc, ENTRIES_A_PAGE } from "../../../schema/read-model.ts";
import type { AccountEventData, AccountStatus, Counters } from "../../../schema/rpc/account.ts";
import type { Writes } from "../writes.ts";

type AccountEvent = { [T in keyof AccountEventData]: EventBody<T, AccountEventData[T]> }[keyof AccountEventData];

const UNTOUCHED: Counters = { debits_posted: "0", credits_posted: "0", debits_pending: "0", credits_pending: "0" };

const OPENED: AccountDoc = { counters: UNTOUCHED, terms: null, pages: 0, open: [] };

const STATUS_AFTER: Readonly<Record<string, AccountStatus>> = {
  "account.frozen": "frozen",
  "account.unfrozen": "open",
  "account.closing": "closing",
  "account.closed": "closed",
};

/** The terms an event leaves: null while nobody has changed any. */
const termsAfter = (
  { currency, rules: { floor } }: ParsedAccount,
  terms: AccountDoc["terms"],
  event: AccountEvent,
): AccountDoc["terms"] => {
  const before = terms ?? {
    status: "open" as const,
    floor: floor === null ? null : formatMinor(floor, currency),
    cap: null,
  };
  if (event.type === "account.limits_changed") {
    return { ...before, floor: event.data.floor?.amount ?? null, cap: event.data.cap?.amount ?? null };
  }
  const status = event.type === "account.reopened" ? event.data.status : STATUS_AFTER[event.type];
  return status === undefined ? terms : { ...before, status };
};

/**
 * An account's events into its counters and terms and, for each posted leg, an entry; pages that are full by then leave the record.
 * Reservations and voids move counters only. Pure; throws when the stream's name is no account's.
 */
export const foldAccount = (
  name: string,
  account: AccountDoc | null,
  rows: readonly LogRow[],
): { doc: AccountDoc } & Pick<Writes, "entries"> => {
  const named = parseAccount(name);
  if (named === null) throw new Error(`not an account: ${name}`);
  let { counters, terms, pages, open } = account ?? OPENED;
  open = [...open];
  const full: Writes["entries"] = [];
  for (const row of rows) {
    const lifted = upcast(row.event);
    const event = lifted as unknown as AccountEvent;
    if ("counters" in event.data) counters = event.data.counters;
    terms = termsAfter(named, terms, event);
    if (event.type !== "transfer.posted") continue;
    for (const entry of entriesOf(name, row.seq, row.hash, lifted)) {
      open.push(entry);
      if (open.length < ENTRIES_A_PAGE) continue;
      full.push({ account: name, page: pages++, doc: open });
      open = [];
    }
  }
  return { doc: { counters, terms, pages, open }, entries: full };
};
