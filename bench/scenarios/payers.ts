import type { Charge } from "../../tests/support/story.ts";
import type { Verdict } from "../../tests/support/verdict.ts";
import type { Operation } from "../load/loops.ts";
import { isAccepted, PATIENCE_S, type Reply, type Request, refusal } from "../load/wire.ts";
import type { PaidPod, Target } from "./scenario.ts";
import { outcomeOf, Unanswered } from "./unanswered.ts";

/** Who pays into pods when charges are measured, what one charge is, and what must hold of all of them. */

/** Captures in the request itself, and sends no webhook: what is measured is us, not who delivers them. */
const INSTRUMENT = "tok_script_copies0";

export type Payer = { pod: PaidPod; token: string };

/** A pod in EUR into which all of these may pay, the first of them being its owner. */
export const openPaid = async (target: Target, people: readonly string[]): Promise<Payer[]> => {
  const [owner = "", ...members] = people;
  const pod: PaidPod = { id: await target.openPod(owner, members, ["EUR"]), owner, charges: [] };
  return Promise.all(people.map(async (person) => ({ pod, token: await target.token(person) })));
};

export type Charging = {
  operation: Operation;
  /** A payer's first charge, which opens accounts: what that costs is no part of what is measured. Rejects unless it was accepted. */
  first(payer: Payer): Promise<void>;
  /** Asks after every charge that nobody answered for, and reads all of them back. */
  check(): Promise<Verdict[]>;
};

/** One charge a request, by whoever `payerOf` names for it; each of them has made a first one. */
export const charging = (
  target: Target,
  seed: number,
  payerOf: (index: number) => Payer,
  converted = false,
): Charging => {
  const pods = new Map<string, PaidPod>();
  const known = new Set<string>();
  const unanswered = new Unanswered();
  const amount = { amount: "2.00", currency: converted ? "USD" : "EUR" };
  const source = { type: "instrument", token: INSTRUMENT };
  const body = { amount, source, ...(converted ? { settle_currency: "EUR" } : {}) };
  const asking = ({ pod, token }: Payer, key: string): Request => {
    return { method: "POST", path: `/v1/pods/${pod.id}/charges`, token, key, wait: PATIENCE_S, body };
  };
  const learn = ({ status, body: text }: Reply): Charge | null => {
    if (status !== 201) return null;
    const charge = JSON.parse(text) as Charge;
    if (!known.has(charge.id)) pods.get(charge.pod)?.charges.push(charge.id);
    known.add(charge.id);
    return charge;
  };
  return {
    operation: {
      request: (index) => unanswered.sent(index, asking(payerOf(index), `${seed}-${index}`)),
      fault: (reply, index) => {
        const charge = learn(reply);
        if (charge === null) return refusal(reply);
        unanswered.answered(index);
        return charge.status === "succeeded" ? null : `a charge is ${charge.status} ${charge.failure?.code ?? ""}`;
      },
      pending: isAccepted,
    },
    first: async (payer) => {
      pods.set(payer.pod.id, payer.pod);
      const reply = await outcomeOf(target.url, asking(payer, `${seed}-first`), isAccepted);
      if (learn(reply) === null) throw new Error(`a first charge: ${refusal(reply)}`);
    },
    check: async () => {
      await unanswered.settle(target.url, isAccepted, learn);
      return target.checkCharges([...pods.values()]);
    },
  };
};
