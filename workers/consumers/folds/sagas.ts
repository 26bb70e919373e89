import { type ChargeRecord, chargeInput, chargeOf } from "../../../schema/charges.ts";
import { type EventBody, type LogRow, upcast } from "../../../schema/events.ts";
import { evolveSaga, type Saga, type SagaEventData } from "../../../schema/sagas.ts";
import type { Writes } from "../writes.ts";

type SagaEvent = { [T in keyof SagaEventData]: EventBody<T, SagaEventData[T]> }[keyof SagaEventData];

const isSagaEvent = (event: EventBody): boolean => event.type === "saga.began" || event.type === "saga.stepped";

/** The sagas these events of a coordinator shard go on with, which began before them. */
export const sagasBefore = (rows: Iterable<LogRow>): Set<string> => {
  const begun = new Set<string>();
  const before = new Set<string>();
  for (const { event } of rows) {
    if (!isSagaEvent(event)) continue;
    const saga = String(event.data.saga);
    if (event.type === "saga.began") begun.add(saga);
    else if (!begun.has(saga)) before.add(saga);
  }
  return before;
};

/**
 * A shard's journal into its sagas and the charges they amount to. What else a shard writes is not this fold's. Pure; throws
 * on a journal no coordinator can have written.
 */
export const foldSagas = (
  known: ReadonlyMap<string, Saga | null>,
  rows: readonly LogRow[],
): Pick<Writes, "sagas" | "sagasStaying" | "charges" | "chargesGone"> => {
  const changed = new Map<string, Saga>();
  for (const { event: stored } of rows) {
    if (!isSagaEvent(stored)) continue;
    const event = upcast(stored) as unknown as SagaEvent;
    const id = event.data.saga;
    changed.set(id, evolveSaga(changed.get(id) ?? known.get(id) ?? null, event));
  }
  const all = [...changed.values()];
  const stays = ({ id, status }: Saga): boolean => known.get(id)?.status === status;
  const charges: ChargeRecord[] = [];
  const chargesGone: Writes["chargesGone"] = [];
  for (const saga of all) {
    if (saga.kind !== "charge") continue;
    const charge = chargeOf(saga);
    if (charge !== null) charges.push(charge);
    else chargesGone.push({ pod: chargeInput(saga).pod, id: chargeInput(saga).charge });
  }
  return { sagas: all.filter((saga) => !stays(saga)), sagasStaying: all.filter(stays), charges, chargesGone };
};
