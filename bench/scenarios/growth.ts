import { seeded } from "../../tests/support/seeded.ts";
import { grow, IN_FLIGHT } from "./growing.ts";
import { charging, openPaid, type Payer } from "./payers.ts";
import type { ProbeScenario } from "./scenario.ts";
import { checkTransfers, fund, orderOf, type Pair, postBatch, posting } from "./wallets.ts";

/** The first of them is paid by the others, again and again. */
const WALLETS = 64;
const BATCH = 1_000;
const BATCHES_AT_ONCE = 4;
/** Files grow by pages: of fewer transfers each seems to take more or less than it does. */
const MANY_TRANSFERS = 1_000;

/** Whether what an account has been through makes its next transfer dearer, and what each one leaves behind. */
const entries: ProbeScenario = {
  kind: "probe",
  name: "growth entries",
  oursAlone: true,
  about: `into one account as its entries grow, ${IN_FLIGHT} in flight`,
  async run(target, options) {
    await fund(target, WALLETS);
    const random = seeded(options.seed);
    const toTheFirst = (): Pair => [1 + Math.floor(random() * (WALLETS - 1)), 0];
    const single = posting(target, toTheFirst);
    let filled = 0;
    const add = async (count: number) => {
      await postBatch(
        target,
        Array.from({ length: count }, () => orderOf(toTheFirst())),
      );
      filled += count;
    };
    const found = await grow(
      target,
      {
        sizes: [100, 10_000, 100_000, 1_000_000],
        many: "entries",
        added: "transfer in a batch",
        filler: { each: BATCH, inFlight: BATCHES_AT_ONCE, add },
        // The first entry is what the account was opened with.
        count: () => 1 + filled + single.posted,
        least: MANY_TRANSFERS,
        unit: "transfer",
        operation: single.operation,
      },
      options,
    );
    return { ...found, check: await checkTransfers(target, WALLETS, filled + single.posted) };
  },
};

const OPENED_AT_ONCE = 64;
/** Each pod is files of its own, but journals of those before it are cut short meanwhile: of a few hundred that may be more. */
const MANY_PODS = 500;

/** Whether other pods make a pod's charge dearer, and what each one leaves behind. */
const pods: ProbeScenario = {
  kind: "probe",
  name: "growth pods",
  oursAlone: true,
  about: `charges to any of the pods as they grow in number, each paid into before, ${IN_FLIGHT} in flight`,
  async run(target, options) {
    const random = seeded(options.seed);
    const payers: Payer[] = [];
    const drawn = () => payers[Math.floor(random() * payers.length)] as Payer;
    const { operation, first, check } = charging(target, options.seed, drawn);
    let opened = 0;
    const add = async () => {
      const [owner] = await openPaid(target, [`payer${opened++}`]);
      if (owner === undefined) return;
      await first(owner);
      payers.push(owner);
    };
    const found = await grow(
      target,
      {
        sizes: [10, 100, 1_000, 10_000],
        many: "pods",
        added: "pod with its first charge",
        filler: { each: 1, inFlight: OPENED_AT_ONCE, add },
        count: () => payers.length,
        least: MANY_PODS,
        unit: "charge",
        operation,
      },
      options,
    );
    return { ...found, check: await check() };
  },
};

export const GROWTH: readonly ProbeScenario[] = [entries, pods];
