import type { Fee } from "../charges.ts";
import type { Meta, Principal } from "../events.ts";
import type { Conversion } from "../fx.ts";
import type { MoneyJson } from "../money.ts";
import type { Rejection, Result } from "../rejections.ts";
import type { ActorRpc, Answered, CommandKey } from "./actor.ts";

/** The one desk of a deployment: its position is one, and so is its limit. */
export const DESK = "main";

/** A parsed `POST /v1/fx/quotes`: exactly one of the two amounts is given, minor-unit exact as on the wire. */
export type QuoteRequest = {
  subject: string;
  pod: string | null;
  sell: { currency: string; amount: string | null };
  buy: { currency: string; amount: string | null };
};

/** What became of a provider that was asked: its firm rate won, lost, came late, lay outside the reference band, or there was none. */
export const COMPETING_STATUSES = [
  "best",
  "beaten",
  "late",
  "off_market",
  "refused",
  "unreachable",
  "not_asked",
] as const;
export type CompetingQuote = { provider: string; status: (typeof COMPETING_STATUSES)[number]; rate?: string };

export type QuoteStatus = "open" | "accepted" | "converted" | "released" | "expired";

/** A firm quote. `fees` are what a charge at this quote will list, in the bought currency; `settled` is `buy` less those. */
export type QuoteRecord = Conversion & {
  id: string;
  subject: string;
  pod: string | null;
  status: QuoteStatus;
  provider: string;
  fees: Fee[];
  settled: MoneyJson;
  competing: CompetingQuote[];
  created_at: string;
  expires_at: string;
};

/** The rate a charge is converted at, fixed by `accept` and never changed afterwards, whatever the provider does. */
export type AcceptedTerms = Conversion & { quote: string; provider: string; fees: Fee[]; settled: MoneyJson };

/**
 * The coordinator's side of the desk. Each is a command of its own, final per saga once it said yes.
 * `accept` fixes a rate in one turn: the named quote when it is the payer's own, for this amount, pair and pod, unexpired and
 * unused; without one the desk asks its providers first. `release` gives it back; of an unknown saga it leaves a tombstone, so
 * that a late accept is refused. `convert` marks it executed and moves the position.
 */
export type DeskOp = { saga: string; principal: Principal; correlation: string } & (
  | {
      op: "accept";
      charge: string;
      payer: string;
      pod: string;
      sell: MoneyJson;
      buy_currency: string;
      quote: string | null;
    }
  | { op: "release"; reason: string }
  | { op: "convert" }
);

/**
 * Refusals of `accept`: `not_found` (unknown, or somebody else's quote), `quote_used` (also of a saga that was released),
 * `quote_expired`, `currency_mismatch` (a quote for other currencies or another pod), `amount_out_of_range` (a quote for another
 * amount, or nothing would come out), `no_firm_liquidity` (no provider, or the position's limit). A `convert` of what was released
 * and a `release` of what was converted are bugs of the caller's: `conflict`. Others (`overloaded`, `upstream_unavailable`, `internal`) say nothing of the quote: ask again.
 */
export type DeskAnswer =
  | { ok: true; op: "accept"; terms: AcceptedTerms }
  | { ok: true; op: "release" | "convert" }
  | { ok: false; rejection: Rejection };

/** Covers one conversion at a provider. `hedge` is the hedge saga, `saga` the charge saga whose conversion it covers. */
export type HedgeCall = { hedge: string; saga: string; principal: Principal; correlation: string };

/**
 * Where a hedge stands. `filled` is final and always answered the same. `unknown`: a trade may have been made; the desk asks that
 * provider by reference and sends to no other meanwhile. `refused`: the provider said no, or none gave a rate; the next call asks for a new quote.
 */
export type HedgeAnswer =
  | { outcome: "filled"; provider: string; provider_ref: string; sell: MoneyJson; buy: MoneyJson; rate: string }
  | { outcome: "refused" | "not_sent" | "unknown"; retry_after_ms: number; detail: string };

export type IndicativeRates = { base: string; as_of: string; rates: Record<string, string> };

/** A provider's measured service: shares as decimal strings 0–1, latencies in milliseconds, slippage in basis points. */
export type ProviderRecord = {
  provider: string;
  state: "closed" | "open" | "half_open";
  asked: number;
  answered: number;
  late: number;
  off_market: number;
  won: number;
  trades: number;
  filled: number;
  fill_rate: string | null;
  latency_p50_ms: number | null;
  latency_p95_ms: number | null;
  slippage_bps: string | null;
  score: string;
  sla: { deadline_ms: number; met: string | null; target: string; ok: boolean | null };
};

/** The desk's own books, signed on the credit side like the ledger's `fx` accounts; `open` is accepted and not yet converted. */
export type DeskBooks = {
  positions: { currency: string; position: string; open: string }[];
  limit: MoneyJson;
  exposure: MoneyJson;
  fills: { provider: string; currency: string; paid: string; received: string }[];
};

export type DeskRpc = ActorRpc & {
  quote(request: QuoteRequest, key: CommandKey, meta: Meta): Promise<Result<Answered<QuoteRecord>>>;
  /** Null when it is unknown or somebody else's. */
  readQuote(id: string, subject: string): Promise<QuoteRecord | null>;
  /** One answer an operation, in order; at most 256. */
  applyOps(ops: DeskOp[]): Promise<DeskAnswer[]>;
  hedge(call: HedgeCall): Promise<HedgeAnswer>;
  rates(base: string): Promise<IndicativeRates>;
  providers(): Promise<ProviderRecord[]>;
  books(): Promise<DeskBooks>;
};
