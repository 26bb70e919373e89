import { z } from "zod";
import { CONNECTORS } from "../../../schema/connectors.ts";
import { canonicalMoney, moneySchema } from "../../../schema/money.ts";
import type { GatewayAnswer, InstrumentAnswer } from "../../../schema/rpc/gateway.ts";
import { type Exchange, exchange, type Fetch, globalFetch } from "../../kit/exchange.ts";
import type { Attempt, CaptureCall, PspAdapter } from "./adapter.ts";

export type SandboxOptions = { url: string; apiKey: string; fetch?: Fetch };

const rules = CONNECTORS.sandbox;

/** Credentials that are refused stay refused until somebody acts. */
const REFUSED_AT_DOOR_RETRY_MS = 5_000;

const paymentSchema = z.object({
  id: z.string().min(1).max(255),
  reference: z.string(),
  status: z.enum(["authorised", "captured", "pending", "failed", "voided"]),
  amount: moneySchema,
  decline_reason: z.string().optional(),
});
type Payment = z.infer<typeof paymentSchema>;

const errorSchema = z.object({ error: z.object({ code: z.string() }), payment: z.unknown().optional() });
const burntSchema = z.object({ reference: z.string(), status: z.literal("voided") });
const instrumentSchema = z.object({ fingerprint: z.string().min(1).max(255) });

const TOKEN = /^[\x21-\x7e]{1,255}$/;
const DECLINE_REASON = /^[a-z][a-z0-9_]{0,63}$/;

type Answered = Extract<Exchange, { kind: "answered" }>;

const said = (answer: GatewayAnswer): Attempt<GatewayAnswer> => ({ answer, fault: false });
const failed = (answer: GatewayAnswer): Attempt<GatewayAnswer> => ({ answer, fault: true });
const unknown = (detail: string): GatewayAnswer => ({ outcome: "unknown", detail });

const paymentIn = (json: unknown): Payment | null => paymentSchema.safeParse(json).data ?? null;
const errorIn = (json: unknown) => errorSchema.safeParse(json).data ?? null;

/** The state of a payment the provider shows; unknown when it shows none, or another than the one asked about. */
const stateIn = (json: unknown, reference: string): Attempt<GatewayAnswer> => {
  const payment = paymentIn(json);
  if (payment === null) return failed(unknown("the answer could not be read"));
  if (payment.reference !== reference) return failed(unknown("the answer was about another payment"));
  const reason = payment.decline_reason ?? "";
  return said({
    outcome: "state",
    state: payment.status,
    provider_ref: payment.id,
    amount: canonicalMoney(payment.amount),
    decline_reason: payment.status === "failed" ? (DECLINE_REASON.test(reason) ? reason : "declined") : null,
  });
};

/** A final state of a reference under which no payment came to be. */
const neverMade = (state: "failed" | "voided", decline_reason: string | null): Attempt<GatewayAnswer> =>
  said({ outcome: "state", state, provider_ref: "", amount: null, decline_reason });

/** What every operation makes of an exchange that says nothing of a payment; null: it does. */
const withoutAnswer = (exchanged: Exchange): Attempt<GatewayAnswer> | null => {
  if (exchanged.kind === "broken") return failed(unknown(exchanged.detail));
  const { status, retryAfterMs } = exchanged;
  if (status === 429) {
    return failed({ outcome: "not_sent", retry_after_ms: retryAfterMs, detail: "the provider asks to wait" });
  }
  if (status === 401 || status === 403) {
    // Refused before the request was looked at, so it says nothing of an earlier attempt either.
    const detail = "the provider refused our credentials";
    return failed({ outcome: "not_sent", retry_after_ms: REFUSED_AT_DOOR_RETRY_MS, detail });
  }
  const readable = (status >= 200 && status < 300) || (status >= 400 && status < 500 && status !== 408);
  return readable ? null : failed(unknown(`the provider answered ${status}`));
};

const captured = ({ status, json }: Answered, reference: string): Attempt<GatewayAnswer> => {
  if (status < 300 || status === 402) return stateIn(json, reference);
  const error = errorIn(json);
  if (error === null) return failed(unknown(`the provider answered ${status}`));
  if (status !== 409) return neverMade("failed", "rejected_by_provider");
  switch (error.error.code) {
    case "reference_voided":
      return neverMade("voided", null);
    case "duplicate_reference":
      return stateIn(error.payment, reference);
    case rules.inFlightCode:
      return said(unknown("an earlier attempt is still being worked on"));
    case "idempotency_key_reused":
      return said(unknown("the provider knows this key for another request"));
    default:
      return said(unknown("the provider sees a conflict"));
  }
};

const found = ({ status, json }: Answered, reference: string): Attempt<GatewayAnswer> => {
  if (status < 300) return stateIn(json, reference);
  // Only the provider's own word: a 404 from something in between must not pass for it.
  if (status === 404 && errorIn(json)?.error.code === "not_found") return said({ outcome: "not_found" });
  return failed(unknown(`the provider answered ${status}`));
};

const voided = ({ status, json }: Answered, reference: string): Attempt<GatewayAnswer> => {
  if (status < 300) {
    const burnt = burntSchema.safeParse(json).data;
    return burnt?.reference === reference ? said({ outcome: "voided" }) : stateIn(json, reference);
  }
  const error = errorIn(json);
  if (status === 409 && error?.error.code === "already_captured") return stateIn(error.payment, reference);
  if (status === 404 && error?.error.code === "not_found") return said({ outcome: "not_found" });
  return failed(unknown(`the provider answered ${status}`));
};

const lookedUp = (exchanged: Exchange): Attempt<InstrumentAnswer> => {
  if (exchanged.kind === "answered") {
    const { status, json } = exchanged;
    const instrument = instrumentSchema.safeParse(json).data;
    if (status === 200 && instrument) {
      return { answer: { known: true, fingerprint: instrument.fingerprint }, fault: false };
    }
    if (status === 404 && errorIn(json)?.error.code === "unknown_instrument") {
      return { answer: { known: false }, fault: false };
    }
  }
  return { answer: { known: null }, fault: true };
};

/** The sandbox provider over plain HTTP. `url` is its base, `apiKey` its bearer token. */
export const sandboxAdapter = ({ url, apiKey, fetch = globalFetch }: SandboxOptions): PspAdapter => {
  const base = `${url.replace(/\/+$/, "")}/v1`;
  const headers = { authorization: `Bearer ${apiKey}`, accept: "application/json" };
  const send = (method: string, path: string, signal: AbortSignal, more: Partial<RequestInit> = {}) =>
    exchange(fetch, base + path, { method, headers, ...more }, signal);
  const answerTo = (
    exchanged: Exchange,
    read: (answered: Answered, reference: string) => Attempt<GatewayAnswer>,
    reference: string,
  ) => withoutAnswer(exchanged) ?? read(exchanged as Answered, reference);

  return {
    rules,
    async lookup(token, signal) {
      // A dot segment would ask for another path, and a character outside the alphabet is no token of theirs.
      if (!TOKEN.test(token) || token === "." || token === "..") return { answer: { known: false }, fault: false };
      return lookedUp(await send("GET", `/instruments/${encodeURIComponent(token)}`, signal));
    },
    async capture(call, signal) {
      const exchanged = await send("POST", "/payments", signal, {
        headers: { ...headers, "content-type": "application/json", "idempotency-key": call.key },
        body: JSON.stringify(paymentRequest(call)),
      });
      return answerTo(exchanged, captured, call.reference);
    },
    async query(reference, signal) {
      const exchanged = await send("GET", `/payments/by-reference/${encodeURIComponent(reference)}`, signal);
      return answerTo(exchanged, found, reference);
    },
    async void(reference, signal) {
      const exchanged = await send("POST", `/payments/${encodeURIComponent(reference)}/void`, signal);
      return answerTo(exchanged, voided, reference);
    },
  };
};

const paymentRequest = ({ reference, amount, instrument, charge, pod }: CaptureCall) => ({
  reference,
  amount,
  instrument,
  capture: true,
  metadata: { charge, pod },
});
