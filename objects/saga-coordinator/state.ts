import type { EventBody, JsonValue } from "../../schema/events.ts";
import type { SagaEventData } from "../../schema/sagas.ts";
import type { Fold } from "../kit/actor.ts";

/**
 * A shard's own state: where it stands in the cuts, and how many sagas it began and ended. The sagas themselves are rows, each
 * the fold of its own entries (`evolveSaga`), so that a shard holds as many as its storage does.
 */
export type ShardState = {
  /** Legs first let out from now on carry this tag. */
  cutEpoch: number;
  began: number;
  ended: number;
  parked: number;
  /** No transfer begun from now on claims a moment before this one, RFC 3339; null: no period was ever closed. */
  closedUntil: string | null;
};

const initial: ShardState = { cutEpoch: 1, began: 0, ended: 0, parked: 0, closedUntil: null };

const evolve = (state: ShardState, event: EventBody): ShardState => {
  switch (event.type) {
    case "saga.began":
      return stepped({ ...state, began: state.began + 1 }, event);
    case "saga.stepped":
      return stepped(state, event);
    case "cut.moved":
      return { ...state, cutEpoch: Number(event.data.epoch) };
    case "period.closed":
      return { ...state, closedUntil: String(event.data.until) };
    case "webhook.unmatched":
      return state;
    default:
      throw new Error(`a coordinator shard knows no ${event.type}`);
  }
};

const stepped = (state: ShardState, event: EventBody): ShardState => {
  const { status, stray } = event.data as unknown as SagaEventData["saga.stepped"];
  // The saga had ended, or goes back as it did: only what came to light about it is new.
  if (stray !== undefined) return state;
  if (status === "completed" || status === "compensated") return { ...state, ended: state.ended + 1 };
  return status === "parked" ? { ...state, parked: state.parked + 1 } : state;
};

export const fold: Fold<ShardState> = {
  initial,
  evolve,
  encode: (state) => ({ ...state }),
  decode: (value: JsonValue) => ({ ...initial, ...(value as Partial<ShardState>) }),
  summary: ({ cutEpoch, began, ended, parked, closedUntil }) =>
    `${cutEpoch}/${began}/${ended}/${parked}${closedUntil === null ? "" : `/closed ${closedUntil}`}`,
};
