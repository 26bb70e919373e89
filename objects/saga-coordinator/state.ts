import type { EventBody, JsonValue } from "../../schema/events.ts";
import { isLive, type SagaEventData } from "../../schema/sagas.ts";
import type { Fold } from "../kit/actor.ts";
import { type IdList, withId, withoutId } from "./id-list.ts";

/**
 * A shard's own state: where it stands in the cuts, how many sagas it began and ended, and which have not ended. The sagas themselves
 * are rows, each the fold of its own entries (`evolveSaga`), so that a shard holds as many as its storage does.
 */
export type ShardState = {
  /** Legs first let out from now on carry this tag. */
  cutEpoch: number;
  began: number;
  ended: number;
  parked: number;
  /** May still be driven: found here without their ids being known, for an index of theirs would be two rows a saga. */
  live: IdList;
  /** Stopped for a person. */
  stopped: IdList;
  /** No transfer begun from now on claims a moment before this one, RFC 3339; null: no period was ever closed. */
  closedUntil: string | null;
};

const initial: ShardState = {
  cutEpoch: 1,
  began: 0,
  ended: 0,
  parked: 0,
  live: [],
  stopped: [],
  closedUntil: null,
};

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
  const { saga, status, stray } = event.data as unknown as SagaEventData["saga.stepped"];
  const live = isLive({ status }) ? withId(state.live, saga) : withoutId(state.live, saga);
  const stopped = status === "parked" ? withId(state.stopped, saga) : withoutId(state.stopped, saga);
  const standing = { ...state, live, stopped };
  // Something came to light about a saga that had ended and was counted, or goes back and is counted when it has.
  if (stray !== undefined) return standing;
  if (status === "completed" || status === "compensated") return { ...standing, ended: state.ended + 1 };
  return status === "parked" ? { ...standing, parked: state.parked + 1 } : standing;
};

export const fold: Fold<ShardState> = {
  initial,
  evolve,
  encode: ({ live, stopped, ...counts }) => ({ ...counts, live: [...live], stopped: [...stopped] }),
  decode: (value: JsonValue) => ({ ...initial, ...(value as Partial<ShardState>) }),
  summary: ({ cutEpoch, began, ended, parked, live, stopped, closedUntil }) =>
    `${cutEpoch}/${began}/${ended}/${parked}/${live.length}/${stopped.length}${closedUntil === null ? "" : `/closed ${closedUntil}`}`,
};
