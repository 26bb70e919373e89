import type { EventBody } from "./events.ts";
import type { EntryRecord, TransferEvent } from "./rpc/account.ts";

/** The entries that a posting comes to, one a leg. */
export const entriesOf = (account: string, seq: number, hash: string, event: EventBody): EntryRecord[] => {
  const { transfer, pod, charge, legs } = event.data as unknown as TransferEvent;
  return legs.map(({ index, direction, amount, balance }) => ({
    id: `${account}/${seq}.${index}`,
    account,
    seq,
    type: event.type,
    debit: direction === "debit" ? amount : null,
    credit: direction === "credit" ? amount : null,
    balance,
    ...(pod === null ? {} : { pod }),
    transfer,
    ...(charge === null ? {} : { charge }),
    recorded_at: event.recorded_at,
    effective_at: event.effective_at,
    hash,
  }));
};
