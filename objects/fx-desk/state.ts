import type { EventBody, JsonValue } from "../../schema/events.ts";
import { type MoneyJson, toMinor } from "../../schema/money.ts";
import type { Fold } from "../kit/actor.ts";
import type { Asked, DeskEvent } from "./events.ts";
import {
  afterAsking,
  afterFill,
  afterRefusal,
  afterTrading,
  NEW_PROVIDER,
  type ProviderStats,
} from "./provider-stats.ts";

/** One currency of the desk's position, minor units, credit positive. `open`: what accepted conversions will add to it. */
export type Position = { readonly position: bigint; readonly open: bigint };

/** What has gone to a provider and come from it, one currency, minor units. */
export type Fills = { readonly paid: bigint; readonly received: bigint };

/** Bounded by currencies and providers: quotes and sagas are rows, and every event carries the figures it moves. */
export type DeskState = {
  readonly positions: ReadonlyMap<string, Position>;
  /** Euro cents at the reference rates of their day, of all that is accepted or converted and not yet hedged. */
  readonly exposure: bigint;
  /** Accepted and not yet converted; converted and not yet hedged. */
  readonly accepted: number;
  readonly unhedged: number;
  /** By provider and currency, as `lp-good EUR`. */
  readonly fills: ReadonlyMap<string, Fills>;
  readonly providers: ReadonlyMap<string, ProviderStats>;
};

const FLAT: Position = { position: 0n, open: 0n };
const NOTHING: Fills = { paid: 0n, received: 0n };

const initial: DeskState = {
  positions: new Map(),
  exposure: 0n,
  accepted: 0,
  unhedged: 0,
  fills: new Map(),
  providers: new Map(),
};

const changed = <V>(map: ReadonlyMap<string, V>, key: string, none: V, change: (value: V) => V): Map<string, V> =>
  new Map(map).set(key, change(map.get(key) ?? none));

/** What a conversion does to the position: the customer's money comes in, the bought amount goes out. `times` −1 undoes it. */
const moved = (
  positions: DeskState["positions"],
  { sell, debit }: { sell: MoneyJson; debit: MoneyJson },
  of: keyof Position,
  times: 1n | -1n,
): DeskState["positions"] => {
  const add = (by: bigint) => (at: Position) => ({ ...at, [of]: at[of] + by });
  const sold = changed(positions, sell.currency, FLAT, add(times * toMinor(sell)));
  return changed(sold, debit.currency, FLAT, add(times * -toMinor(debit)));
};

const withProvider = (state: DeskState, name: string, change: (stats: ProviderStats) => ProviderStats): DeskState => ({
  ...state,
  providers: changed(state.providers, name, NEW_PROVIDER, change),
});

const asked = (state: DeskState, answers: readonly Asked[], atMs: number): DeskState =>
  answers.reduce((after, one) => withProvider(after, one.provider, (stats) => afterAsking(stats, one, atMs)), state);

const less = (state: DeskState, amount: MoneyJson, of: "accepted" | "unhedged"): DeskState => {
  const exposure = state.exposure - toMinor(amount);
  if (exposure < 0n || state[of] === 0) throw new Error("what was never taken on cannot end");
  return { ...state, exposure, [of]: state[of] - 1 };
};

const evolve = (state: DeskState, event: EventBody): DeskState => {
  const at = Date.parse(event.recorded_at);
  // An event of a log that has been verified: its type says what its data is.
  const told = { type: event.type, data: event.data } as unknown as DeskEvent;
  switch (told.type) {
    case "providers.asked":
      return asked(state, told.data.asked, at);
    case "quote.given":
      return asked(state, told.data.competing, at);
    case "quote.accepted":
      return {
        ...state,
        positions: moved(state.positions, told.data, "open", 1n),
        exposure: state.exposure + toMinor(told.data.eur_equivalent),
        accepted: state.accepted + 1,
      };
    case "quote.released": {
      const given = told.data.given_back;
      if (given === null) return state;
      const ended = less(state, given.eur_equivalent, "accepted");
      return { ...ended, positions: moved(state.positions, given, "open", -1n) };
    }
    case "quote.converted": {
      if (state.accepted === 0) throw new Error("a conversion of nothing accepted");
      const opened = moved(state.positions, told.data, "open", -1n);
      return {
        ...state,
        positions: moved(opened, told.data, "position", 1n),
        accepted: state.accepted - 1,
        unhedged: state.unhedged + 1,
      };
    }
    case "hedge.intended": {
      const after = asked(state, told.data.asked, at);
      return withProvider(after, told.data.provider, afterTrading);
    }
    case "hedge.filled":
      return filled(state, told.data);
    case "hedge.refused":
      return withProvider(state, told.data.provider, afterRefusal);
    default:
      throw new Error(`a desk has no event ${event.type}`);
  }
};

type Filled = Extract<DeskEvent, { type: "hedge.filled" }>["data"];

/** A fill takes what was sold out of the position, and brings what was bought. */
const filled = (state: DeskState, { provider, sell, buy, slippage, eur_equivalent }: Filled): DeskState => {
  const ended = less(state, eur_equivalent, "unhedged");
  const paid = changed(ended.fills, `${provider} ${sell.currency}`, NOTHING, (at) => ({
    ...at,
    paid: at.paid + toMinor(sell),
  }));
  const fills = changed(paid, `${provider} ${buy.currency}`, NOTHING, (at) => ({
    ...at,
    received: at.received + toMinor(buy),
  }));
  const positions = moved(ended.positions, { sell, debit: buy }, "position", -1n);
  return withProvider({ ...ended, fills, positions }, provider, (stats) => afterFill(stats, Number(slippage)));
};

type Encoded = {
  positions: [currency: string, position: string, open: string][];
  exposure: string;
  accepted: number;
  unhedged: number;
  fills: [key: string, paid: string, received: string][];
  providers: [name: string, stats: ProviderStats][];
};

const encode = (state: DeskState): JsonValue => {
  const encoded: Encoded = {
    positions: [...state.positions].map(([currency, { position, open }]) => [currency, String(position), String(open)]),
    exposure: String(state.exposure),
    accepted: state.accepted,
    unhedged: state.unhedged,
    fills: [...state.fills].map(([key, { paid, received }]) => [key, String(paid), String(received)]),
    providers: [...state.providers],
  };
  return encoded as unknown as JsonValue;
};

const decode = (value: JsonValue): DeskState => {
  const encoded = value as unknown as Encoded;
  return {
    positions: new Map(
      encoded.positions.map(([currency, position, open]) => [
        currency,
        { position: BigInt(position), open: BigInt(open) },
      ]),
    ),
    exposure: BigInt(encoded.exposure),
    accepted: encoded.accepted,
    unhedged: encoded.unhedged,
    fills: new Map(
      encoded.fills.map(([key, paid, received]) => [key, { paid: BigInt(paid), received: BigInt(received) }]),
    ),
    providers: new Map(encoded.providers),
  };
};

const inOrder = <V>(map: ReadonlyMap<string, V>): [string, V][] =>
  [...map].sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

const summary = ({ positions, exposure, accepted, unhedged, fills }: DeskState): string => {
  const held = inOrder(positions).map(([currency, { position, open }]) => `${currency} ${position}/${open}`);
  const traded = inOrder(fills).map(([key, { paid, received }]) => `${key} ${paid}/${received}`);
  return `exposure ${exposure} of ${accepted}+${unhedged}; ${held.join(" ")}; ${traded.join(" ")}`;
};

export const fold: Fold<DeskState> = { initial, evolve, encode, decode, summary };
