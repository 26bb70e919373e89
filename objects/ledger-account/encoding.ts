import type { JsonValue } from "../../schema/events.ts";
import type { MonitorBound } from "../../schema/rpc/account.ts";
import { type AccountState, physicalAccount } from "./account.ts";
import { type Side, totalsOf } from "./counters.ts";

type Encoded = {
  account: string | null;
  status: AccountState["status"];
  was_frozen?: true;
  floor: string | null;
  cap: string | null;
  counters: { debits_posted: string; credits_posted: string; debits_pending: string; credits_pending: string };
  holds: { transfer: string; saga: string; since: string; direction: Side; amount: string; aged?: true }[];
  late: { epoch: number; debits: string; credits: string };
  /** Absent in snapshots older than monitors. */
  monitors?: { id: string; bound: MonitorBound; threshold: string; triggered: boolean }[];
};

const minor = (value: bigint | null): string | null => (value === null ? null : String(value));
const parsed = (text: string | null): bigint | null => (text === null ? null : BigInt(text));

/** A snapshot of the state. */
export const encode = (state: AccountState): JsonValue => {
  const { account, status, wasFrozen, floor, cap, counters, holds, late, monitors } = state;
  const encoded: Encoded = {
    account: account?.name ?? null,
    status,
    ...(wasFrozen === undefined ? {} : { was_frozen: wasFrozen }),
    floor: minor(floor),
    cap: minor(cap),
    counters: {
      debits_posted: String(counters.debitsPosted),
      credits_posted: String(counters.creditsPosted),
      debits_pending: String(counters.debitsPending),
      credits_pending: String(counters.creditsPending),
    },
    holds: [...holds].map(([transfer, open]) => ({ transfer, ...open, amount: String(open.amount) })),
    late: { epoch: late.epoch, debits: String(late.debits), credits: String(late.credits) },
    monitors: [...monitors].map(([id, watch]) => ({ id, ...watch, threshold: String(watch.threshold) })),
  };
  return encoded;
};

/** Throws when the snapshot contradicts itself. */
export const decode = (value: JsonValue): AccountState => {
  const { account, status, was_frozen, floor, cap, counters, holds, late, monitors = [] } = value as unknown as Encoded;
  const state: AccountState = {
    account: account === null ? null : physicalAccount(account),
    status,
    ...(was_frozen === undefined ? {} : { wasFrozen: was_frozen }),
    floor: parsed(floor),
    cap: parsed(cap),
    counters: {
      debitsPosted: BigInt(counters.debits_posted),
      creditsPosted: BigInt(counters.credits_posted),
      debitsPending: BigInt(counters.debits_pending),
      creditsPending: BigInt(counters.credits_pending),
    },
    holds: new Map(holds.map(({ transfer, ...open }) => [transfer, { ...open, amount: BigInt(open.amount) }])),
    late: { epoch: late.epoch, debits: BigInt(late.debits), credits: BigInt(late.credits) },
    monitors: new Map(monitors.map(({ id, ...watch }) => [id, { ...watch, threshold: BigInt(watch.threshold) }])),
  };
  const held = totalsOf([...state.holds.values()]);
  if (held.debit !== state.counters.debitsPending || held.credit !== state.counters.creditsPending) {
    throw new Error("pending is not the sum of the holds");
  }
  return state;
};

/** Words for what an account need not have: nothing of it where there is none, so that old summaries stay as they were. */
const extras = ({ holds, monitors, wasFrozen }: AccountState): string[] => {
  let aged = 0;
  for (const hold of holds.values()) if (hold.aged) aged++;
  let triggered = 0;
  for (const monitor of monitors.values()) if (monitor.triggered) triggered++;
  return [
    ...(wasFrozen ? ["was frozen"] : []),
    ...(aged === 0 ? [] : [`aged ${aged}`]),
    ...(monitors.size === 0 ? [] : [`monitors ${triggered}/${monitors.size}`]),
  ];
};

/** Checked against the fold when the account wakes. */
export const summary = (state: AccountState): string => {
  const { account, status, floor, cap, counters, holds, late } = state;
  return [
    account?.name ?? "unopened",
    status,
    `bounds ${floor ?? "-"}..${cap ?? "-"}`,
    `posted ${counters.debitsPosted}/${counters.creditsPosted}`,
    `pending ${counters.debitsPending}/${counters.creditsPending} in ${holds.size}`,
    `late ${late.epoch}: ${late.debits}/${late.credits}`,
    ...extras(state),
  ].join(", ");
};
