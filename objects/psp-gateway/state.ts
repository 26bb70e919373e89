import type { EventBody, JsonValue } from "../../schema/events.ts";
import type { BreakerState } from "../../schema/rpc/gateway.ts";
import type { Fold } from "../kit/actor.ts";

/** What a breaker stands in front of: each operation has its own, so that a stuck capture leaves the status query alone. */
export const OPERATIONS = ["capture", "query", "void", "lookup"] as const;
export type Operation = (typeof OPERATIONS)[number];

/** A breaker as its log has it. What is counted between two transitions is in memory only. */
export type Breaker = {
  state: BreakerState;
  /** How many transitions led here: a call let in before the last one has no say any more. */
  epoch: number;
  /** When it last opened, milliseconds; null while it is closed. */
  openedAt: number | null;
  /** How long it stays open, milliseconds; 0 while it is closed. */
  openMs: number;
};

export type GatewayState = { breakers: Readonly<Record<Operation, Breaker>> };

/** Data of a gateway's events: transitions, never calls. `failures` in a row led to an opening; `open_ms` is how long it lasts. */
export type GatewayEventData = {
  "breaker.opened": { connector: string; operation: Operation; failures: string; open_ms: string };
  "breaker.half_opened": { connector: string; operation: Operation };
  "breaker.closed": { connector: string; operation: Operation };
};
export type GatewayEventType = keyof GatewayEventData;

const CLOSED: Breaker = { state: "closed", epoch: 0, openedAt: null, openMs: 0 };

const initial: GatewayState = { breakers: { capture: CLOSED, query: CLOSED, void: CLOSED, lookup: CLOSED } };

const next = (breaker: Breaker, event: EventBody): Breaker => {
  const epoch = breaker.epoch + 1;
  switch (event.type) {
    case "breaker.opened": {
      const { open_ms } = event.data as GatewayEventData["breaker.opened"];
      return { state: "open", epoch, openedAt: Date.parse(event.recorded_at), openMs: Number(open_ms) };
    }
    case "breaker.half_opened":
      return { ...breaker, state: "half_open", epoch };
    case "breaker.closed":
      return { ...CLOSED, epoch };
    default:
      throw new Error(`a gateway has no event ${event.type}`);
  }
};

const evolve = (state: GatewayState, event: EventBody): GatewayState => {
  const { operation } = event.data as { operation: Operation };
  const breaker = state.breakers[operation];
  if (breaker === undefined) throw new Error(`a gateway has no operation ${operation}`);
  return { breakers: { ...state.breakers, [operation]: next(breaker, event) } };
};

const summary = ({ breakers }: GatewayState): string =>
  OPERATIONS.map((operation) => {
    const { state, epoch, openMs } = breakers[operation];
    return `${operation} ${state}/${epoch}/${openMs}`;
  }).join(" ");

export const fold: Fold<GatewayState> = {
  initial,
  evolve,
  encode: (state) => state as unknown as JsonValue,
  decode: (value) => value as unknown as GatewayState,
  summary,
};
