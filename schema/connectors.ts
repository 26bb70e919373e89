/**
 * What a payment provider promises of its own API: the coordinator's rules for an unknown outcome are decided by these, not by
 * the adapter's code. Every adapter passes one conformance suite against its row.
 */
export type ConnectorRules = {
  /** How long the provider remembers an idempotency key, milliseconds; after it a call is never repeated, only asked about. */
  keyTtlMs: number;
  /** True when the provider replays a stored 5xx for a repeated key, so that repeating can never heal. */
  replaysErrors: boolean;
  /** The provider's code for "this key is being worked on". */
  inFlightCode: string;
  /** The provider finds a payment by our reference. */
  findByReference: boolean;
  /** A payment may stay invisible to a query for this long after it was made, milliseconds. */
  visibilityLagMs: number;
  /** A void by our reference makes the reference unusable for ever, whether the payment is known or not. */
  voidByReference: boolean;
  /** An attempt without an answer is given up, its outcome unknown, after this long, milliseconds. */
  timeoutMs: number;
};

export const CONNECTORS = {
  sandbox: {
    keyTtlMs: 24 * 60 * 60 * 1000,
    replaysErrors: false,
    inFlightCode: "in_flight",
    findByReference: true,
    visibilityLagMs: 2_000,
    voidByReference: true,
    timeoutMs: 4_000,
  },
} as const satisfies Record<string, ConnectorRules>;

export type ConnectorName = keyof typeof CONNECTORS;

/** The connector that instruments without another prefix belong to. */
export const DEFAULT_CONNECTOR: ConnectorName = "sandbox";

export const isConnector = (name: string): name is ConnectorName => Object.hasOwn(CONNECTORS, name);
