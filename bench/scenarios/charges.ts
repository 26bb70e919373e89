import { inBatches } from "../../tests/support/checker.ts";
import type { Charge } from "../../tests/support/story.ts";
import { isAccepted, PATIENCE_S, type Reply, type Request, refusal } from "../load/wire.ts";
import type { LoadScenario, PaidPod, Target } from "./scenario.ts";
import { outcomeOf, Unanswered } from "./unanswered.ts";

/** Payers: enough that no velocity window of one person is what is measured. */
const PAYERS = 64;
/** Captures in the request itself, and sends no webhook: what is measured is us, not who delivers them. */
const INSTRUMENT = "tok_script_copies0";

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
    const unanswered = new Unanswered();
    const amount = { amount: "2.00", currency: converted ? "USD" : "EUR" };
    const source = { type: "instrument", token: INSTRUMENT };
    const body = { amount, source, ...(converted ? { settle_currency: "EUR" } : {}) };
    const at = (index: number) => payers[index % payers.length] as Payer;
    const asking = ({ pod, token }: Payer, key: string): Request => {
      return { method: "POST", path: `/v1/pods/${pod.id}/charges`, token, key, wait: PATIENCE_S, body };
    };
    const learn = ({ pod }: Payer, { status, body: text }: Reply): Charge | null => {
      if (status !== 201) return null;
      const charge = JSON.parse(text) as Charge;
      if (!known.has(charge.id)) pod.charges.push(charge.id);
      known.add(charge.id);
      return charge;
    };
    // What a pod's accounts and a person's first payment cost to open is no part of what is measured.
    await inBatches(payers, async (payer) => {
      learn(payer, await outcomeOf(target.url, asking(payer, `${seed}-first`), isAccepted));
    });
    return {
      operation: {
        request: (index) => unanswered.sent(index, asking(at(index), `${seed}-${index}`)),
        fault: (reply, index) => {
          const charge = learn(at(index), reply);
          if (charge === null) return refusal(reply);
          unanswered.answered(index);
          return charge.status === "succeeded" ? null : `a charge is ${charge.status} ${charge.failure?.code ?? ""}`;
        },
        pending: isAccepted,
      },
      check: async () => {
        await unanswered.settle(target.url, isAccepted, (reply, index) => learn(at(index), reply));
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
