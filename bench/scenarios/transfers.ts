import { inBatches } from "../../tests/support/checker.ts";
import { api, poll } from "../../tests/support/client.ts";
import { accountPath, type BatchResult, deposit, newTransfer, type Order } from "../../tests/support/ledger.ts";
import { type Random, seeded } from "../../tests/support/seeded.ts";
import { must } from "../../tests/support/story.ts";
import { minor, type Verdict, verdict } from "../../tests/support/verdict.ts";
import type { Reply, Request } from "../load/wire.ts";
import { balances } from "../target.ts";
import type { LoadScenario, Target } from "./scenario.ts";

const ACCOUNTS = 1_000;
const BATCH = 1_000;
const CENT = { amount: "0.01", currency: "EUR" };
/** A cent a transfer is not spent in any run. */
const OPENING = "1000000.00";
const FUNDED_AT_ONCE = 100;
const FUNDED_MS = 120_000;

type Pair = [from: number, to: number];
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

const nameOf = (index: number): string => `wallet:bench${index}:EUR`;

const orderOf = ([from, to]: Pair): Order => ({
  id: newTransfer(),
  legs: [
    { account: nameOf(from), direction: "debit", amount: CENT },
    { account: nameOf(to), direction: "credit", amount: CENT },
  ],
  metadata: { reason: "bench" },
});

/** So many at a time: each makes an account, which takes far longer than a transfer. Each batch is one, however often it is sent. */
const fund = async (target: Target, accounts: number): Promise<void> => {
  const operator = api(target.url, target.operator);
  const headers = { prefer: "wait=30" };
  const orders = Array.from({ length: accounts }, (_, index) => deposit(`bench${index}`, OPENING));
  for (let from = 0; from < accounts; from += FUNDED_AT_ONCE) {
    const transfers = orders.slice(from, from + FUNDED_AT_ONCE);
    await poll(
      async () => {
        const answer = await operator.post<{ results: BatchResult[] }>(
          "/v1/ledger/batches",
          { transfers },
          { headers },
        );
        return must(answer, 200).results.find(({ status }) => status !== 201) ?? null;
      },
      (open) => open === null,
      FUNDED_MS,
    );
  }
};

type Account = { debits_posted: string; credits_posted: string; holds: unknown[] };

/**
 * Each transfer that was acknowledged took a cent from some wallet once and gave it to another, those that were not answered may have;
 * nothing is held or on its way, and the books balance.
 */
const checkTransfers = async (target: Target, size: number, posted: number, lost: number): Promise<Verdict[]> => {
  const operator = api(target.url, target.operator);
  const accounts = await inBatches(
    Array.from({ length: size }, (_, index) => nameOf(index)),
    async (name) => must(await operator.get<Account>(accountPath(name)), 200),
  );
  const sum = (side: "debits_posted" | "credits_posted") =>
    Number(accounts.reduce((total, account) => total + minor(account[side]), 0n));
  const given = size * Number(minor(OPENING));
  const [out, into] = [sum("debits_posted"), sum("credits_posted") - given];
  const faults = out === into ? [] : [`${out} cents went out and ${into} came in`];
  if (out < posted || out > posted + lost) faults.push(`${out} cents moved`);
  const held = accounts.filter(({ holds }) => holds.length > 0).length;
  if (held > 0) faults.push(`${held} wallets hold something`);
  return [
    verdict("moved", faults, `${posted} acknowledged transfers of a cent, ${lost} unanswered`),
    await balances(target.url, target.operator),
  ];
};

const short = ({ status, body }: Reply): string => `${status} ${body.slice(0, 200)}`;

const single = (name: string, about: string, draw: Draw, accounts = ACCOUNTS): LoadScenario => ({
  kind: "load",
  name,
  about,
  unit: "transfer",
  units: 1,
  async setup(target, seed) {
    await fund(target, accounts);
    const random = seeded(seed);
    let [sent, posted, refused] = [0, 0, 0];
    return {
      operation: {
        request: (index): Request => {
          sent++;
          const body = orderOf(draw(random, index));
          return { method: "POST", path: "/v1/ledger/transfers", token: target.operator, body };
        },
        fault: (reply) => {
          if (reply.status === 201) posted++;
          // What is still under way will be posted: nothing here is ever refused for good.
          else if (reply.status !== 202) refused++;
          return reply.status === 201 ? null : short(reply);
        },
      },
      check: () => checkTransfers(target, accounts, posted, sent - posted - refused),
    };
  },
});

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
    let [sent, posted] = [0, 0];
    return {
      operation: {
        request: (index): Request => {
          sent += BATCH;
          const transfers = Array.from({ length: BATCH }, () => orderOf(uniform(random, index)));
          return { method: "POST", path: "/v1/ledger/batches", token: target.operator, body: { transfers } };
        },
        fault: (reply) => {
          if (reply.status !== 200) return short(reply);
          const { results } = JSON.parse(reply.body) as { results: BatchResult[] };
          const done = results.filter(({ status }) => status === 201).length;
          posted += done;
          return done === BATCH ? null : `${BATCH - done} of a batch were not posted`;
        },
      },
      check: () => checkTransfers(target, ACCOUNTS, posted, sent - posted),
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
