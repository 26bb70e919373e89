import type { RiskOutcome } from "../../schema/charges.ts";
import type { EventBody, JsonValue } from "../../schema/events.ts";
import { type MoneyJson, toMinor } from "../../schema/money.ts";
import type { Fold } from "../kit/actor.ts";
import {
  type AmountBucket,
  addAmount,
  addDecline,
  type InstrumentDeclines,
  pruneAmounts,
  pruneDeclines,
  takeAmount,
} from "./windows.ts";

/**
 * What a person has asked for, as far as the rules look back. It holds no list of sagas: every event carries the amount it counts or
 * takes out, so the size is bounded by the windows.
 */
export type RiskState = {
  /** Payments by the moment they were assessed at; one that came to nothing is taken out again. */
  amounts: readonly AmountBucket[];
  declines: readonly InstrumentDeclines[];
};

/** What a payment was counted for, and when, RFC 3339: where it is to be taken out. */
type Counted = { at: string; eur_equivalent: MoneyJson };

/** Data of a profile's events. An instrument is there by its fingerprint only. */
export type RiskEventData = {
  "risk.assessed": {
    saga: string;
    charge: string;
    pod: string;
    outcome: RiskOutcome;
    score: string;
    reasons: string[];
    amount: MoneyJson;
    eur_equivalent: MoneyJson;
    instrument: string | null;
  };
  /** `counted` null: nothing was, and a late assessment will be refused. */
  "risk.released": { saga: string; charge: string | null; counted: Counted | null };
  "risk.declined": { saga: string; charge: string; counted: Counted; instrument: string | null };
};

const NOTHING: RiskState = { amounts: [], declines: [] };

const takeOut = (state: RiskState, { at, eur_equivalent }: Counted): RiskState => ({
  ...state,
  amounts: takeAmount(state.amounts, Date.parse(at), toMinor(eur_equivalent)),
});

const evolve = (before: RiskState, event: EventBody): RiskState => {
  const at = Date.parse(event.recorded_at);
  const state: RiskState = {
    amounts: pruneAmounts(before.amounts, at),
    declines: pruneDeclines(before.declines, at),
  };
  switch (event.type) {
    case "risk.assessed": {
      const data = event.data as RiskEventData["risk.assessed"];
      if (data.outcome === "decline") return state;
      return { ...state, amounts: addAmount(state.amounts, at, toMinor(data.eur_equivalent)) };
    }
    case "risk.released": {
      const { counted } = event.data as RiskEventData["risk.released"];
      return counted === null ? state : takeOut(state, counted);
    }
    case "risk.declined": {
      const { counted, instrument } = event.data as RiskEventData["risk.declined"];
      const without = takeOut(state, counted);
      if (instrument === null) return without;
      return { ...without, declines: addDecline(without.declines, at, instrument) };
    }
    default:
      throw new Error(`a risk profile has no event ${event.type}`);
  }
};

type Encoded = {
  amounts: [grain: number, minor: string][];
  declines: [instrument: string, buckets: [grain: number, count: number][]][];
};

const encode = ({ amounts, declines }: RiskState): JsonValue =>
  ({
    amounts: amounts.map(({ grain, minor }) => [grain, String(minor)]),
    declines: declines.map(({ instrument, buckets }) => [
      instrument,
      buckets.map(({ grain, count }) => [grain, count]),
    ]),
  }) satisfies Encoded;

const decode = (value: JsonValue): RiskState => {
  const { amounts, declines } = value as Encoded;
  return {
    amounts: amounts.map(([grain, minor]) => ({ grain, minor: BigInt(minor) })),
    declines: declines.map(([instrument, buckets]) => ({
      instrument,
      buckets: buckets.map(([grain, count]) => ({ grain, count })),
    })),
  };
};

const summary = ({ amounts, declines }: RiskState): string => {
  const counted = amounts.reduce((sum, { minor }) => sum + minor, 0n);
  const declined = declines.reduce((sum, { buckets }) => buckets.reduce((total, { count }) => total + count, sum), 0);
  return `counted ${counted}/${amounts.length} declines ${declined}/${declines.length}`;
};

export const fold: Fold<RiskState> = { initial: NOTHING, evolve, encode, decode, summary };
