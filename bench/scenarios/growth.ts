import { api } from "../../tests/support/client.ts";
import type { BatchResult } from "../../tests/support/ledger.ts";
import { type Random, seeded } from "../../tests/support/seeded.ts";
import { must } from "../../tests/support/story.ts";
import { closedLoop } from "../load/loops.ts";
import { PATIENCE_S } from "../load/wire.ts";
import { residentBytes, type Stored, settledIn, totalOf } from "../machine.ts";
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
const MOST_SHOWN = 4;
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

/** What each of so many transfers left behind, in all and where most of it lies, bytes. */
const storageOf = (before: Stored, after: Stored, filled: number): string => {
  const each = (bytes: number) => Math.round(bytes / filled);
  const grown = [...after].map(([kept, bytes]) => ({ kept, bytes: bytes - (before.get(kept) ?? 0) }));
  const most = grown.sort((left, right) => right.bytes - left.bytes).slice(0, MOST_SHOWN);
  const where = most.map(({ kept, bytes }) => `${kept} ${each(bytes)}`).join(", ");
  return `${each(totalOf(after) - totalOf(before))} bytes stored a transfer of ${filled} (${where})`;
};

/** Whether what an account has been through makes its next transfer dearer, and what each one leaves behind. */
export const growth: ProbeScenario = {
  kind: "probe",
  name: "growth",
  oursAlone: true,
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
      const before = await settledIn(machine.stateDir, SETTLED_MS);
      const more = await fill(target, random, size - entries(), deadline);
      filled += more;
      const after = await settledIn(machine.stateDir, SETTLED_MS);
      const reached = entries();
      const load = await closedLoop(target.url, single.operation, IN_FLIGHT, seconds, numbering);
      if (load.faults.length > 0) throw new Error(`at ${reached} entries: ${load.faults.join("; ")}`);
      timed.push({ what: `at ${reached} entries`, latency: load.latency, perSecond: load.perSecond });
      const resident = residentBytes(machine.runtimePid()) / MEGA;
      notes.push(
        `at ${reached} entries: ${(1_000 / load.perSecond).toFixed(2)} ms a transfer, runtime ${resident.toFixed(0)} MB resident`,
        ...(more < MANY ? [] : [storageOf(before, after, more)]),
      );
      if (reached < size) {
        notes.push(`${size} entries were not reached in ${FILLING_MS / 1_000} s of filling`);
        break;
      }
    }
    return { timed, notes, check: await checkTransfers(target, WALLETS, filled + single.posted) };
  },
};
