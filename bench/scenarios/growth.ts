import { api } from "../../tests/support/client.ts";
import type { BatchResult } from "../../tests/support/ledger.ts";
import { type Random, seeded } from "../../tests/support/seeded.ts";
import { must } from "../../tests/support/story.ts";
import { closedLoop, type Load } from "../load/loops.ts";
import { PATIENCE_S } from "../load/wire.ts";
import { residentBytes, settledBytes } from "../machine.ts";
import type { ProbeScenario, Target, Timed } from "./scenario.ts";
import { checkTransfers, fund, orderOf, type Pair, posting } from "./wallets.ts";

const SIZES = [100, 10_000, 100_000] as const;
/** The first of them is paid by the others, again and again. */
const WALLETS = 64;
const IN_FLIGHT = 16;
const BATCH = 1_000;
/** A slow machine does not get to the last size in as long: what it did get to is said. */
const FILLING_MS = 180_000;
const SETTLED_MS = 30_000;
/** Fewer transfers than this say little of what one leaves behind: files grow by pages. */
const MANY = 1_000;
const MEGA = 1_000_000;

const toTheFirst = (random: Random): Pair => [1 + Math.floor(random() * (WALLETS - 1)), 0];

/** Payments into the first, in batches, so many or as many as there is time for. Answers how many were posted. */
const fill = async (target: Target, random: Random, count: number, deadline: number): Promise<number> => {
  const operator = api(target.url, target.operator);
  const headers = { prefer: `wait=${PATIENCE_S}` };
  let posted = 0;
  while (posted < count && performance.now() < deadline) {
    const transfers = Array.from({ length: Math.min(BATCH, count - posted) }, () => orderOf(toTheFirst(random)));
    const answer = await operator.post<{ results: BatchResult[] }>("/v1/ledger/batches", { transfers }, { headers });
    const open = must(answer, 200).results.find(({ status }) => status !== 201);
    if (open !== undefined) throw new Error(`a batch was not posted whole: ${JSON.stringify(open).slice(0, 300)}`);
    posted += transfers.length;
  }
  return posted;
};

const noteOf = (entries: number, { perSecond }: Load, filled: number, stored: number, resident: number): string => {
  const each = filled < MANY ? "" : `, ${Math.round(stored / filled)} bytes stored a transfer of ${filled}`;
  const cost = perSecond === 0 ? "none done" : `${(1_000 / perSecond).toFixed(2)} ms a transfer`;
  return `${entries} entries: ${cost}${each}, runtime ${(resident / MEGA).toFixed(0)} MB resident`;
};

/** Whether what an account has been through makes its next transfer dearer, and what each one leaves behind. */
export const growth: ProbeScenario = {
  kind: "probe",
  name: "growth",
  about: `into one account as its entries grow, ${IN_FLIGHT} in flight`,
  async run(target, seconds, seed) {
    const { machine } = target;
    if (machine === undefined) throw new Error("nobody can look at the machine this server runs on");
    await fund(target, WALLETS);
    const random = seeded(seed);
    const single = posting(target, () => toTheFirst(random));
    const [timed, notes]: [Timed[], string[]] = [[], []];
    const deadline = performance.now() + FILLING_MS;
    const numbering = { next: 0 };
    let filled = 0;
    // The first entry is what the account was opened with.
    const entries = () => 1 + filled + single.posted;
    for (const size of SIZES) {
      if (performance.now() > deadline) {
        notes.push(`${size} entries: not reached in ${FILLING_MS / 1_000} s`);
        continue;
      }
      const before = await settledBytes(machine.stateDir, SETTLED_MS);
      const more = await fill(target, random, size - entries(), deadline);
      filled += more;
      const stored = (await settledBytes(machine.stateDir, SETTLED_MS)) - before;
      const reached = entries();
      const load = await closedLoop(target.url, single.operation, IN_FLIGHT, seconds, numbering);
      if (load.faults.length > 0) throw new Error(`at ${reached} entries: ${load.faults.join("; ")}`);
      timed.push({ what: `at ${reached}`, latency: load.latency, perSecond: load.perSecond });
      notes.push(noteOf(reached, load, more, stored, residentBytes(machine.runtimePid())));
    }
    return { timed, notes, check: await checkTransfers(target, WALLETS, filled + single.posted, single.open) };
  },
};
