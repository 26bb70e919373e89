import type { BatchResult } from "../../tests/support/ledger.ts";
import { type Random, seeded } from "../../tests/support/seeded.ts";
import { transferSteps } from "../floor/plans.ts";
import { PATIENCE_S, type Reply, refusal } from "../load/wire.ts";
import type { LoadScenario } from "./scenario.ts";
import { Unanswered } from "./unanswered.ts";
import { checkTransfers, fund, orderOf, type Pair, posting } from "./wallets.ts";

const ACCOUNTS = 1_000;
const BATCH = 1_000;

/** Who pays whom next. */
type Draw = (random: Random, index: number) => Pair;

const other = (random: Random, than: number): number => {
  const drawn = Math.floor(random() * (ACCOUNTS - 1));
  return drawn < than ? drawn : drawn + 1;
};

const uniform: Draw = (random) => {
  const from = Math.floor(random() * ACCOUNTS);
  return [from, other(random, from)];
};

/** The nth account is met 1/n as often as the first. */
export const zipf = (size: number): ((random: Random) => number) => {
  const upto: number[] = [];
  let sum = 0;
  for (let rank = 1; rank <= size; rank++) {
    sum += 1 / rank;
    upto.push(sum);
  }
  return (random) => {
    const drawn = random() * sum;
    let low = 0;
    for (let high = size - 1; low < high; ) {
      const middle = (low + high) >> 1;
      if ((upto[middle] ?? sum) < drawn) low = middle + 1;
      else high = middle;
    }
    return low;
  };
};

const byRank = zipf(ACCOUNTS);
const zipfian: Draw = (random) => {
  const from = byRank(random);
  for (;;) {
    const to = byRank(random);
    if (to !== from) return [from, to];
  }
};

const single = (name: string, about: string, draw: Draw, accounts = ACCOUNTS): LoadScenario => ({
  kind: "load",
  name,
  about,
  unit: "transfer",
  units: 1,
  steps: (random, index) => transferSteps(draw(random, index)),
  async setup(target, seed) {
    await fund(target, accounts);
    const random = seeded(seed);
    const each = posting(target, (index) => draw(random, index));
    return {
      operation: each.operation,
      check: async () => {
        await each.settle();
        return checkTransfers(target, accounts, each.posted);
      },
    };
  },
});

const statusesIn = ({ body }: Reply): number[] =>
  (JSON.parse(body) as { results: BatchResult[] }).results.map(({ status }) => status);

const isOpen = (reply: Reply): boolean => reply.status === 200 && statusesIn(reply).includes(202);

const batches: LoadScenario = {
  kind: "load",
  name: "batches",
  about: `batches of ${BATCH} transfers among ${ACCOUNTS} accounts, uniform`,
  unit: "transfer",
  units: BATCH,
  inFlight: [1, 4],
  async setup(target, seed) {
    await fund(target, ACCOUNTS);
    const random = seeded(seed);
    const unanswered = new Unanswered();
    let posted = 0;
    const count = (reply: Reply): number => {
      const done = reply.status === 200 ? statusesIn(reply).filter((status) => status === 201).length : 0;
      posted += done;
      return done;
    };
    return {
      operation: {
        request: (index) => {
          const body = { transfers: Array.from({ length: BATCH }, () => orderOf(uniform(random, index))) };
          const path = "/v1/ledger/batches";
          return unanswered.sent(index, { method: "POST", path, token: target.operator, wait: PATIENCE_S, body });
        },
        fault: (reply, index) => {
          if (reply.status !== 200) return refusal(reply);
          if (isOpen(reply)) return "a batch is still under way";
          unanswered.answered(index);
          const done = count(reply);
          return done === BATCH ? null : `of a batch not all posted: ${BATCH - done}`;
        },
        pending: isOpen,
      },
      check: async () => {
        await unanswered.settle(target.url, isOpen, count);
        return checkTransfers(target, ACCOUNTS, posted);
      },
    };
  },
};

export const TRANSFERS: readonly LoadScenario[] = [
  single("transfers uniform", `among ${ACCOUNTS} accounts, all alike`, uniform),
  single("transfers zipf", `among ${ACCOUNTS} accounts, Zipf 1.0`, zipfian),
  single("transfers hot credit", "from any of 999 accounts to one", (random) => [other(random, 0), 0]),
  single("transfers hot debit", "from one account to any of 999", (random) => [0, other(random, 0)]),
  single("transfers ping-pong", "between two accounts, there and back", (_, index) => (index % 2 ? [0, 1] : [1, 0]), 2),
  batches,
];
