import { chargeInput, chargeOf } from "../../../schema/charges.ts";
import { type EventBody, type LogRow, upcast } from "../../../schema/events.ts";
import { evolveSaga, type Saga, type SagaEventData } from "../../../schema/sagas.ts";
import type { Writes } from "../writes.ts";

type SagaEvent = { [T in keyof SagaEventData]: EventBody<T, SagaEventData[T]> }[keyof SagaEventData];

const isSagaEvent = (event: EventBody): boolean => event.type === "saga.began" || event.type === "saga.stepped";

/** The sagas these events of a coordinator shard speak of. */
export const touchedSagas = (rows: readonly LogRow[]): Set<string> =>
  new Set(rows.flatMap(({ event }) => (isSagaEvent(event) ? [String(event.data.saga)] : [])));

/**
 * A shard's journal into its sagas and the charges they amount to. What else a shard writes is not this fold's. Pure; throws
 * on a journal no coordinator can have written.
 */
export const foldSagas = (
  known: ReadonlyMap<string, Saga>,
  rows: readonly LogRow[],
): Pick<Writes, "sagas" | "charges" | "chargesGone"> => {
  const changed = new Map<string, Saga>();
  for (const { event: stored } of rows) {
    if (!isSagaEvent(stored)) continue;
    const event = upcast(stored) as unknown as SagaEvent;
    const id = event.data.saga;
    changed.set(id, evolveSaga(changed.get(id) ?? known.get(id) ?? null, event));
  }
  const sagas = [...changed.values()];
  const writes: Pick<Writes, "sagas" | "charges" | "chargesGone"> = { sagas, charges: [], chargesGone: [] };
  for (const saga of sagas) {
    if (saga.kind !== "charge") continue;
    const charge = chargeOf(saga);
    if (charge === null) writes.chargesGone.push(chargeInput(saga).charge);
    else writes.charges.push(charge);
  }
  return writes;
};
