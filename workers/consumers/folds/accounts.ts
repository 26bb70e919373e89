import { parseAccount } from "../../../schema/accounts.ts";
import { type EventBody, type LogRow, upcast } from "../../../schema/events.ts";
import { formatMinor } from "../../../schema/money.ts";
import type {
  AccountEventData,
  AccountStatus,
  Counters,
  EntryRecord,
  TransferEvent,
} from "../../../schema/rpc/account.ts";
import type { AccountRow, EntryRow, Writes } from "../writes.ts";

type AccountEvent = { [T in keyof AccountEventData]: EventBody<T, AccountEventData[T]> }[keyof AccountEventData];

const UNTOUCHED: Counters = { debits_posted: "0", credits_posted: "0", debits_pending: "0", credits_pending: "0" };

const openAccount = (id: string): AccountRow => {
  const named = parseAccount(id);
  if (named === null) throw new Error(`not an account: ${id}`);
  const { kind, owner, currency } = named;
  return { id, kind, owner, currency, counters: UNTOUCHED, seq: 0, hash: "", terms: null };
};

const STATUS_AFTER: Readonly<Record<string, AccountStatus>> = {
  "account.frozen": "frozen",
  "account.unfrozen": "open",
  "account.closing": "closing",
  "account.closed": "closed",
};

/** The terms an event leaves: null while nobody has changed any. */
const termsAfter = ({ id, currency, terms }: AccountRow, event: AccountEvent): AccountRow["terms"] => {
  const floor = parseAccount(id)?.rules.floor ?? null;
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

const entryOf = (
  account: AccountRow,
  row: LogRow,
  event: EventBody<string, TransferEvent>,
  leg: TransferEvent["legs"][number],
): EntryRecord => {
  const { transfer, pod, charge } = event.data;
  return {
    id: `${account.id}/${row.seq}.${leg.index}`,
    account: account.id,
    seq: row.seq,
    type: event.type,
    debit: leg.direction === "debit" ? leg.amount : null,
    credit: leg.direction === "credit" ? leg.amount : null,
    balance: leg.balance,
    ...(pod === null ? {} : { pod }),
    transfer,
    ...(charge === null ? {} : { charge }),
    recorded_at: event.recorded_at,
    effective_at: event.effective_at,
    hash: row.hash,
  };
};

/**
 * An account's events into its counters and terms and, for each posted leg, an entry. Reservations and voids move counters only. Pure;
 * throws when the stream's name is no account's.
 */
export const foldAccount = (
  name: string,
  account: AccountRow | null,
  rows: readonly LogRow[],
): Pick<Writes, "accounts" | "entries"> => {
  let after = account ?? openAccount(name);
  const entries: EntryRow[] = [];
  for (const row of rows) {
    const event = upcast(row.event) as unknown as AccountEvent;
    const counters = "counters" in event.data ? event.data.counters : after.counters;
    after = { ...after, counters, seq: row.seq, hash: row.hash, terms: termsAfter(after, event) };
    if (event.type !== "transfer.posted") continue;
    for (const [leg, posted] of event.data.legs.entries()) {
      entries.push({
        account: after.id,
        seq: row.seq,
        leg,
        currency: after.currency,
        recordedAt: event.recorded_at,
        doc: entryOf(after, row, event, posted),
      });
    }
  }
  return { accounts: rows.length === 0 ? [] : [after], entries };
};
