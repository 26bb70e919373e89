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
} from "./windows.ts";

/**
 * What a person has under way and behind them, as far as the rules look back. It holds no list of sagas: every event carries
 * the amount it reserves or gives back, so the size is bounded by the windows.
 */
export type RiskState = {
  /** EUR minor units of open reservations, however old. */
  reserved: bigint;
  /** How many reservations those are. */
  open: number;
  settled: readonly AmountBucket[];
  declines: readonly InstrumentDeclines[];
};

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
  /** `eur_equivalent`: what was given back; null when nothing had been reserved, and a late assessment will be refused. */
  "risk.released": { saga: string; charge: string | null; eur_equivalent: MoneyJson | null };
  "risk.settled": {
    saga: string;
    charge: string;
    outcome: "succeeded" | "declined";
    eur_equivalent: MoneyJson;
    instrument: string | null;
  };
};

const NOTHING: RiskState = { reserved: 0n, open: 0, settled: [], declines: [] };

const giveBack = (state: RiskState, amount: MoneyJson): RiskState => {
  const reserved = state.reserved - toMinor(amount);
  if (reserved < 0n || state.open === 0) throw new Error("a reservation was given back that was never made");
  return { ...state, reserved, open: state.open - 1 };
};

const evolve = (before: RiskState, event: EventBody): RiskState => {
  const at = Date.parse(event.recorded_at);
  const state: RiskState = {
    ...before,
    settled: pruneAmounts(before.settled, at),
    declines: pruneDeclines(before.declines, at),
  };
  switch (event.type) {
    case "risk.assessed": {
      const data = event.data as RiskEventData["risk.assessed"];
      if (data.outcome === "decline") return state;
      return { ...state, reserved: state.reserved + toMinor(data.eur_equivalent), open: state.open + 1 };
    }
    case "risk.released": {
      const data = event.data as RiskEventData["risk.released"];
      return data.eur_equivalent === null ? state : giveBack(state, data.eur_equivalent);
    }
    case "risk.settled": {
      const data = event.data as RiskEventData["risk.settled"];
      const ended = giveBack(state, data.eur_equivalent);
      if (data.outcome === "succeeded") {
        return { ...ended, settled: addAmount(ended.settled, at, toMinor(data.eur_equivalent)) };
      }
      if (data.instrument === null) return ended;
      return { ...ended, declines: addDecline(ended.declines, at, data.instrument) };
    }
    default:
      throw new Error(`a risk profile has no event ${event.type}`);
  }
};

type Encoded = {
  reserved: string;
  open: number;
  settled: [grain: number, minor: string][];
  declines: [instrument: string, buckets: [grain: number, count: number][]][];
};

const encode = ({ reserved, open, settled, declines }: RiskState): JsonValue =>
  ({
    reserved: String(reserved),
    open,
    settled: settled.map(({ grain, minor }) => [grain, String(minor)]),
    declines: declines.map(({ instrument, buckets }) => [
      instrument,
      buckets.map(({ grain, count }) => [grain, count]),
    ]),
  }) satisfies Encoded;

const decode = (value: JsonValue): RiskState => {
  const { reserved, open, settled, declines } = value as Encoded;
  return {
    reserved: BigInt(reserved),
    open,
    settled: settled.map(([grain, minor]) => ({ grain, minor: BigInt(minor) })),
    declines: declines.map(([instrument, buckets]) => ({
      instrument,
      buckets: buckets.map(([grain, count]) => ({ grain, count })),
    })),
  };
};

const summary = ({ reserved, open, settled, declines }: RiskState): string => {
  const counted = settled.reduce((sum, { minor }) => sum + minor, 0n);
  const declined = declines.reduce((sum, { buckets }) => buckets.reduce((total, { count }) => total + count, sum), 0);
  return `reserved ${reserved}/${open} settled ${counted}/${settled.length} declines ${declined}/${declines.length}`;
};

export const fold: Fold<RiskState> = { initial: NOTHING, evolve, encode, decode, summary };
