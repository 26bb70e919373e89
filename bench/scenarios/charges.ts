import { inBatches } from "../../tests/support/checker.ts";
import { api, poll } from "../../tests/support/client.ts";
import type { Charge } from "../../tests/support/story.ts";
import { isAccepted, PATIENCE_S, type Request, refusal } from "../load/wire.ts";
import type { LoadScenario, PaidPod, Target } from "./scenario.ts";

/** Payers: enough that no velocity window of one person is what is measured. */
const PAYERS = 64;
/** Captures in the request itself, and sends no webhook: what is measured is us, not who delivers them. */
const INSTRUMENT = "tok_script_copies0";

const OUTCOME_MS = 180_000;
/** Refusals that are of the moment. */
const COME_AGAIN: ReadonlySet<number> = new Set([409, 429]);

type Payer = { pod: PaidPod; token: string };

const nameOf = (index: number): string => `payer${index}`;

/** Few pods share the payers as members; many have one owner each, who pays. */
const open = async (target: Target, pods: number, currencies: readonly string[]): Promise<Payer[]> => {
  const each = Math.max(1, Math.floor(PAYERS / pods));
  const made = await inBatches(
    Array.from({ length: pods }, (_, index) => index),
    async (index): Promise<Payer[]> => {
      const people = Array.from({ length: each }, (_, member) => nameOf(index * each + member));
      const [owner = "", ...members] = people;
      const pod: PaidPod = { id: await target.openPod(owner, members, currencies), owner, charges: [] };
      return Promise.all(people.map(async (person) => ({ pod, token: await target.token(person) })));
    },
  );
  // One of each pod after another, so that a short run meets all of them.
  return Array.from({ length: each }, (_, member) => made.map((payers) => payers[member] as Payer)).flat();
};

/**
 * Asks again, under the same key, until it is known what came of a request that was not answered for good. Null: it was refused, and
 * nothing was made.
 */
const outcomeOf = async (target: Target, { path, token, key, wait, body }: Request): Promise<Charge | null> => {
  const options = { ...(key === undefined ? {} : { key }), headers: { prefer: `wait=${wait}` } };
  const answer = await poll(
    () => api(target.url, token).post<Charge>(path, body, options),
    ({ status }) => status === 201 || (status >= 400 && status < 500 && !COME_AGAIN.has(status)),
    OUTCOME_MS,
  );
  return answer.status === 201 ? answer.body : null;
};

const charges = (name: string, pods: number, converted = false): LoadScenario => ({
  kind: "load",
  name,
  about: `${pods === 1 ? "one pod" : `${pods} pods`}, from an instrument, ${converted ? "USD that settles in EUR" : "in EUR"}`,
  unit: "charge",
  units: 1,
  ...(converted ? { oursAlone: true } : {}),
  async setup(target, seed) {
    const payers = await open(target, pods, ["EUR"]);
    const known = new Set<string>();
    const unanswered = new Map<number, { payer: Payer; request: Request }>();
    const amount = { amount: "2.00", currency: converted ? "USD" : "EUR" };
    const source = { type: "instrument", token: INSTRUMENT };
    const body = { amount, source, ...(converted ? { settle_currency: "EUR" } : {}) };
    const at = (index: number) => payers[index % payers.length] as Payer;
    const asking = ({ pod, token }: Payer, key: string): Request => {
      return { method: "POST", path: `/v1/pods/${pod.id}/charges`, token, key, wait: PATIENCE_S, body };
    };
    const learn = ({ pod }: Payer, { id }: Charge) => {
      if (!known.has(id)) pod.charges.push(id);
      known.add(id);
    };
    const settle = async (payer: Payer, request: Request): Promise<void> => {
      const made = await outcomeOf(target, request);
      if (made !== null) learn(payer, made);
    };
    // What a pod's accounts and a person's first payment cost to open is no part of what is measured.
    await inBatches(payers, (payer) => settle(payer, asking(payer, `${seed}-first`)));
    return {
      operation: {
        request: (index): Request => {
          const payer = at(index);
          const request = asking(payer, `${seed}-${index}`);
          unanswered.set(index, { payer, request });
          return request;
        },
        fault: (reply, index) => {
          if (reply.status !== 201) return refusal(reply);
          unanswered.delete(index);
          const charge = JSON.parse(reply.body) as Charge;
          learn(at(index), charge);
          return charge.status === "succeeded" ? null : `a charge is ${charge.status} ${charge.failure?.code ?? ""}`;
        },
        pending: isAccepted,
      },
      check: async () => {
        await inBatches([...unanswered.values()], ({ payer, request }) => settle(payer, request));
        return target.checkCharges([...new Set(payers.map(({ pod }) => pod))]);
      },
    };
  },
});

export const CHARGES: readonly LoadScenario[] = [
  charges("charges one pod", 1),
  charges("charges 16 pods", 16),
  charges("charges 1000 pods", 1_000),
  charges("charges one pod converted", 1, true),
  charges("charges 1000 pods converted", 1_000, true),
];
