import { CONNECTORS } from "../../../schema/connectors.ts";
import type { MoneyJson } from "../../../schema/money.ts";
import type { GatewayAnswer, GatewayCall, ProviderState } from "../../../schema/rpc/gateway.ts";

/** What the provider does with an instrument. */
type Behaviour = {
  ends: "captured" | "failed";
  /** POSTs answered 500 before one has an effect. */
  serverErrors?: number;
  /** Answers lost after the payment was made. */
  silent?: number;
  /** Pending this long first. */
  settlesAfterMs?: number;
  /** A query does not show the payment for as long as the rules allow. */
  hidden?: boolean;
  wrongAmount?: boolean;
};

export const BEHAVIOURS = {
  tok_ok: { ends: "captured" },
  tok_declined: { ends: "failed" },
  tok_timeout_then_captured: { ends: "captured", silent: 1 },
  tok_timeout_then_failed: { ends: "failed", silent: 1 },
  tok_hidden: { ends: "captured", silent: 2, hidden: true },
  tok_5xx_twice: { ends: "captured", serverErrors: 2 },
  tok_5xx_for_ever: { ends: "captured", serverErrors: 1_000 },
  tok_async: { ends: "captured", settlesAfterMs: 3_000 },
  tok_async_failed: { ends: "failed", settlesAfterMs: 3_000 },
  tok_async_silent: { ends: "captured", settlesAfterMs: 3_000, silent: 1 },
  tok_wrong_amount: { ends: "captured", wrongAmount: true },
} as const satisfies Record<string, Behaviour>;

export type Token = keyof typeof BEHAVIOURS;
export const TOKENS = Object.keys(BEHAVIOURS) as Token[];

export type Payment = { id: string; reference: string; state: ProviderState; amount: MoneyJson; visibleFrom: number };

/** An answer, a 500, or nothing. */
export type Exchange = GatewayAnswer | "server_error" | "silence";

/** Lets something happen later in the provider's world. */
type Later = (delayMs: number, run: () => void) => void;

/**
 * A payment provider that keeps what its rules promise and not a thing more: it remembers a key for its time and forgets it then,
 * after which the same request is another payment; a query may be late; a void by reference holds for ever.
 */
export class ProviderModel {
  readonly payments: Payment[] = [];
  /** Told of every state a payment ends in. */
  announce: (payment: Payment) => void = () => undefined;
  readonly #keys = new Map<string, { payment: Payment; until: number }>();
  readonly #burnt = new Set<string>();
  readonly #failures = new Map<string, number>();
  readonly #silences = new Map<string, number>();
  readonly #later: Later;

  constructor(later: Later) {
    this.#later = later;
  }

  /** Payments captured under a reference: never more than one, or somebody was charged twice. */
  captures(reference: string): Payment[] {
    return this.payments.filter((payment) => payment.reference === reference && payment.state === "captured");
  }

  exchange(call: GatewayCall, now: number): Exchange {
    switch (call.call) {
      case "capture":
        return this.#capture(call, now);
      case "query":
        return this.#query(call.reference, now);
      case "void":
        return this.#void(call.reference);
    }
  }

  #capture(call: Extract<GatewayCall, { call: "capture" }>, now: number): Exchange {
    const { reference, key } = call;
    const behaviour: Behaviour = BEHAVIOURS[call.instrument as Token];
    if (this.#burnt.has(reference)) return stateOf({ reference, state: "voided" });
    const failures = this.#failures.get(reference) ?? 0;
    const remembered = this.#keys.get(key);
    if (remembered === undefined && failures < (behaviour.serverErrors ?? 0)) {
      this.#failures.set(reference, failures + 1);
      return "server_error";
    }
    const payment =
      remembered !== undefined && now < remembered.until ? remembered.payment : this.#make(call, behaviour, now);
    const silences = this.#silences.get(reference) ?? 0;
    this.#silences.set(reference, silences + 1);
    return silences < (behaviour.silent ?? 0) ? "silence" : stateOf(payment);
  }

  #make(
    { reference, key, amount }: Extract<GatewayCall, { call: "capture" }>,
    behaviour: Behaviour,
    now: number,
  ): Payment {
    const { keyTtlMs, visibilityLagMs } = CONNECTORS.sandbox;
    const payment: Payment = {
      id: `pay_${this.payments.length + 1}`,
      reference,
      state: "pending",
      amount: behaviour.wrongAmount ? { ...amount, amount: `9${amount.amount}` } : amount,
      visibleFrom: behaviour.hidden ? now + visibilityLagMs - 1 : now,
    };
    this.payments.push(payment);
    this.#keys.set(key, { payment, until: now + keyTtlMs });
    const settle = (): void => {
      if (payment.state !== "pending") return;
      payment.state = behaviour.ends;
      this.announce(payment);
    };
    if (behaviour.settlesAfterMs === undefined) settle();
    else this.#later(behaviour.settlesAfterMs, settle);
    return payment;
  }

  #query(reference: string, now: number): Exchange {
    if (this.#burnt.has(reference)) return stateOf({ reference, state: "voided" });
    const payment = this.payments.find((one) => one.reference === reference && now >= one.visibleFrom);
    return payment === undefined ? { outcome: "not_found" } : stateOf(payment);
  }

  #void(reference: string): Exchange {
    const payment = this.payments.find((one) => one.reference === reference);
    if (payment?.state === "captured" || payment?.state === "failed") return stateOf(payment);
    if (payment !== undefined) payment.state = "voided";
    this.#burnt.add(reference);
    return { outcome: "voided" };
  }
}

const stateOf = (payment: Pick<Payment, "reference" | "state"> & Partial<Payment>): GatewayAnswer => ({
  outcome: "state",
  state: payment.state,
  provider_ref: payment.id ?? "",
  amount: payment.amount ?? null,
  decline_reason: payment.state === "failed" ? "do_not_honor" : null,
});
