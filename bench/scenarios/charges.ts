import { inBatches } from "../../tests/support/checker.ts";
import type { Charge } from "../../tests/support/story.ts";
import type { Request } from "../load/wire.ts";
import type { LoadScenario, PaidPod, Target } from "./scenario.ts";

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
  async setup(target, seed) {
    const payers = await open(target, pods, ["EUR"]);
    const known = new Set<string>();
    const at = (index: number) => payers[index % payers.length] as Payer;
    return {
      operation: {
        request: (index): Request => {
          const { pod, token } = at(index);
          const amount = { amount: "2.00", currency: converted ? "USD" : "EUR" };
          const source = { type: "instrument", token: INSTRUMENT };
          const body = { amount, source, ...(converted ? { settle_currency: "EUR" } : {}) };
          return { method: "POST", path: `/v1/pods/${pod.id}/charges`, token, key: `${seed}-${index}`, body };
        },
        fault: ({ status, body }, index) => {
          if (status !== 201 && status !== 202) return `${status} ${body.slice(0, 200)}`;
          const charge = JSON.parse(body) as Charge;
          if (!known.has(charge.id)) at(index).pod.charges.push(charge.id);
          known.add(charge.id);
          return charge.status === "succeeded" ? null : `a charge is ${charge.status} ${charge.failure?.code ?? ""}`;
        },
      },
      check: () => target.checkCharges([...new Set(payers.map(({ pod }) => pod))]),
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
