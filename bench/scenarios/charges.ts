import { inBatches } from "../../tests/support/checker.ts";
import { chargeSteps } from "../floor/plans.ts";
import { charging, openPaid, type Payer } from "./payers.ts";
import type { LoadScenario, Target } from "./scenario.ts";

/** Payers: enough that no velocity window of one person is what is measured. */
const PAYERS = 64;

const nameOf = (index: number): string => `payer${index}`;

/** Few pods share the payers as members; many have one owner each, who pays. */
const open = async (target: Target, pods: number): Promise<Payer[]> => {
  const each = Math.max(1, Math.floor(PAYERS / pods));
  const made = await inBatches(
    Array.from({ length: pods }, (_, index) => index),
    (index) =>
      openPaid(
        target,
        Array.from({ length: each }, (_, member) => nameOf(index * each + member)),
      ),
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
  ...(converted
    ? { oursAlone: true }
    : { steps: (_, index) => chargeSteps(index % pods, index % Math.max(PAYERS, pods)) }),
  async setup(target, seed) {
    const payers = await open(target, pods);
    const { operation, first, check } = charging(target, seed, (at) => payers[at % payers.length] as Payer, converted);
    await inBatches(payers, first);
    return { operation, check };
  },
});

export const CHARGES: readonly LoadScenario[] = [
  charges("charges one pod", 1),
  charges("charges 16 pods", 16),
  charges("charges 1000 pods", 1_000),
  charges("charges one pod converted", 1, true),
  charges("charges 1000 pods converted", 1_000, true),
];
