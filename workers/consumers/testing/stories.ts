import { parseAccount } from "../../../schema/accounts.ts";
import type { ChargeInput } from "../../../schema/charges.ts";
import { formatMinor } from "../../../schema/money.ts";
import type { PodEventData, PodEventType } from "../../../schema/pods.ts";
import type { TransferEvent } from "../../../schema/rpc/account.ts";
import { type JournalStep, type Saga, type SagaEventData, type SagaStatus, sagaBegan } from "../../../schema/sagas.ts";
import type { Said } from "./logs.ts";

const pod = <T extends PodEventType>(type: T, data: PodEventData[T]): Said => ({ type, data });

/** A pod of ann's, as its actor tells of its making. */
export const podMade = (id: string, name = "Trip", currencies = ["EUR"]): Said[] => [
  pod("pod.created", {
    pod: id,
    name,
    type: "pool",
    currencies,
    home_currency: currencies[0] ?? "EUR",
    timezone: "UTC",
    goal: null,
    owner: "ann",
  }),
  pod("member.joined", { pod: id, user: "ann", role: "owner", invitation: null }),
];
export const joined = (id: string, user: string): Said =>
  pod("member.joined", { pod: id, user, role: "member", invitation: "inv_1" });
export const removed = (id: string, user: string): Said =>
  pod("member.removed", { pod: id, user, role: "member", left: true });
export const promoted = (id: string, user: string): Said =>
  pod("member.role_changed", { pod: id, user, from: "member", to: "treasurer" });
export const renamed = (id: string, name: string): Said => pod("pod.updated", { pod: id, name });
export const frozen = (id: string): Said => pod("pod.frozen", { pod: id, reason: null });
export const unfrozen = (id: string): Said => pod("pod.unfrozen", { pod: id, reason: null });

/** An account that receives the amounts (minor units), one transfer of one leg each. */
export const creditsTo = (account: string, amounts: readonly bigint[], charge: string | null = null): Said[] => {
  const { currency, owner, kind } = parseAccount(account) ?? { currency: "EUR", owner: null, kind: "fee" };
  const money = (minor: bigint) => ({ amount: formatMinor(minor, currency), currency });
  let posted = 0n;
  const transfers = amounts.map((amount, index): Said => {
    posted += amount;
    const data: TransferEvent = {
      transfer: `trf_${index + 1}`,
      saga: `sag_${index + 1}`,
      charge,
      pod: kind === "pod" ? owner : null,
      body_hash: "",
      tag: "1",
      legs: [{ index: "1", direction: "credit", amount: money(amount), balance: money(posted) }],
      counters: {
        debits_posted: "0",
        credits_posted: String(posted),
        debits_pending: "0",
        credits_pending: "0",
      },
    };
    return { type: "transfer.posted", data };
  });
  return [{ type: "account.opened", data: { account, currency } }, ...transfers];
};

const step = (name: string, status: Saga["steps"][number]["status"]): Saga["steps"][number] => ({
  name,
  status,
  phase: "forward",
  attempts: 1,
  started_at: null,
  ended_at: null,
  next_at: null,
  last_sent_at: null,
  first_sent_at: null,
  error: null,
  result: null,
});

/** A charge's saga as it begins. */
/** `shown`: somebody may be told of the charge, as from its door on. */
export const chargeBegan = (saga: string, charge: string, podId: string, subject = "ann", shown = true): Said => {
  const input: ChargeInput = {
    charge,
    pod: podId,
    payer: subject,
    amount: { amount: "10.00", currency: "EUR" },
    settled: { amount: "9.85", currency: "EUR" },
    fees: [{ name: "psp", amount: { amount: "0.15", currency: "EUR" } }],
    source: { type: "wallet" },
    description: null,
    transfer: `trf_${saga}`,
    legs: [],
  };
  const data = sagaBegan({
    id: saga,
    kind: "charge",
    version: 1,
    subject,
    status: "running",
    epoch: 1,
    cursor: 0,
    input: input as unknown as Saga["input"],
    steps: [step("admit", "intent"), step("post", "pending")],
    tag: null,
    failure: null,
    shown,
    parked_reason: null,
    principal: { user: subject, client_id: "tests" },
    correlation: "req_test",
    deadline_at: "2026-01-01T00:05:00.000Z",
    created_at: "",
    updated_at: "",
  });
  return { type: "saga.began", data };
};

/** The journal's next word on a saga. */
export const stepped = (
  saga: string,
  status: SagaStatus,
  changes: Partial<SagaEventData["saga.stepped"]> = {},
): Said => {
  const done: JournalStep = { ...step("admit", "done"), attempts: "1" };
  const data: SagaEventData["saga.stepped"] = {
    saga,
    status,
    epoch: "2",
    cursor: "1",
    changed: [{ index: "0", step: done }],
    tag: null,
    failure: null,
    shown: true,
    parked_reason: null,
    deadline_at: "2026-01-01T00:05:00.000Z",
    ...changes,
  };
  return { type: "saga.stepped", data };
};
