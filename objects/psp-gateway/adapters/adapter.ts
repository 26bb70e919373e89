import type { ConnectorRules } from "../../../schema/connectors.ts";
import type { GatewayAnswer, GatewayCall, InstrumentAnswer } from "../../../schema/rpc/gateway.ts";

export type CaptureCall = Extract<GatewayCall, { call: "capture" }>;

/**
 * What one call to a provider came to. `fault`: the provider, or the way to it, failed us; a decline, a conflict or a *not found*
 * is an answer and no fault.
 */
export type Attempt<A> = { answer: A; fault: boolean };

/**
 * What a payment provider must offer. An adapter never throws: whatever happens is one of the answers. It answers `not_sent` only
 * where the provider cannot have acted, and a final state only where the provider said so of this very reference; everything else
 * is `unknown`. No instrument token and no text of the provider's or the runtime's choosing goes into a `detail`.
 */
export type PspAdapter = {
  readonly rules: ConnectorRules;
  /** Whether the provider knows an instrument; its fingerprint as the provider makes it. */
  lookup(token: string, signal: AbortSignal): Promise<Attempt<InstrumentAnswer>>;
  capture(call: CaptureCall, signal: AbortSignal): Promise<Attempt<GatewayAnswer>>;
  query(reference: string, signal: AbortSignal): Promise<Attempt<GatewayAnswer>>;
  void(reference: string, signal: AbortSignal): Promise<Attempt<GatewayAnswer>>;
};
