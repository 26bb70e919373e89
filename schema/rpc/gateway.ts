import type { MoneyJson } from "../money.ts";
import type { ActorRpc } from "./actor.ts";

/** One call to the provider on behalf of a saga's step. `reference` is ours, and the provider finds a payment by it. */
export type GatewayCall =
  | {
      call: "capture";
      reference: string;
      key: string;
      amount: MoneyJson;
      /** In clear, in memory only: the coordinator opened it for this call. */
      instrument: string;
      charge: string;
      pod: string;
    }
  | { call: "query"; reference: string }
  | { call: "void"; reference: string };

/** What the provider says of a payment, in the provider's order of ranks. */
export type ProviderState = "pending" | "authorised" | "captured" | "failed" | "voided";

export type GatewayAnswer =
  | {
      outcome: "state";
      state: ProviderState;
      provider_ref: string;
      amount: MoneyJson | null;
      decline_reason: string | null;
    }
  | { outcome: "not_found" }
  /** A void by our reference held: the reference can never be captured any more. */
  | { outcome: "voided" }
  /** Known not to have left the house, or refused before it was looked at: breaker open, bulkhead full, 429, 401. */
  | { outcome: "not_sent"; retry_after_ms: number; detail: string }
  /** May have arrived. */
  | { outcome: "unknown"; detail: string };

export type InstrumentAnswer = { known: true; fingerprint: string } | { known: false } | { known: null };

export type QuarantineEntry = { reason: string; source: string; body: string; received_at: string };

export type GatewayRpc = ActorRpc & {
  /**
   * Makes calls to the provider, side by side; `answered` is told of each when its answer is there. Over when all are: they are at most as many
   * as one call of the platform may have connections.
   */
  execute(calls: GatewayCall[], answered: (index: number, answer: GatewayAnswer) => void): Promise<void>;
  /** Whether the connector knows an instrument; `known: null` when it cannot say now. */
  lookupInstrument(token: string): Promise<InstrumentAnswer>;
  /** Keeps what could not be verified or routed, bounded by the connector's quota. */
  quarantine(entry: QuarantineEntry): Promise<void>;
  describe(): Promise<GatewayRecord>;
};

export type BreakerState = "closed" | "open" | "half_open";

export type GatewayRecord = {
  connector: string;
  breakers: { operation: string; state: BreakerState; failures: number; opened_at: string | null }[];
  in_flight: number;
  quarantined: number;
  /** Entries that had to make room for newer ones. */
  quarantine_dropped: number;
};
