import { chargeInput } from "../../../schema/charges.ts";
import type { EventBody } from "../../../schema/events.ts";
import { fromMinor, type MoneyJson, toMinor } from "../../../schema/money.ts";
import type { CreateCharge, CreateTransfer } from "../../../schema/rpc/coordinator.ts";
import type { Saga } from "../../../schema/sagas.ts";
import type { CallTable } from "../calls/perform.ts";
import { cancel, resolveWait } from "../decide.ts";
import { type Client, startCharge, startReversal, startTransfer } from "./clients.ts";
import { BOUGHT, type Mood } from "./desk.ts";
import { checkEnd } from "./invariants.ts";
import type { Faults, InFlight } from "./network.ts";
import { meddle, TROUBLESOME } from "./operators.ts";
import { TOKENS, type Token } from "./provider.ts";
import type { Random } from "./random.ts";
import type { Shard } from "./shard.ts";
import { World } from "./world.ts";

export const POD = "pod_01ARZ3NDEKTSV4RRFFQ69G5FAV";
const CLOSED_POD = "pod_01ARZ3NDEKTSV4RRFFQ69G5FAW";
export const PAYER = "alice";

const leg = (account: string, direction: "debit" | "credit", minor: bigint) => ({
  account,
  direction,
  amount: fromMinor(minor, "EUR"),
});

/** Money to begin with, in two wallets and a pod. */
export const fund = (world: World): void => {
  for (const name of [`wallet:${PAYER}:EUR`, "wallet:bob:EUR"]) world.accounts.get(name).opening = 100_000n;
  world.accounts.get(`pod:${POD}:EUR`).opening = 5_000n;
};

/** What the capped wallet of the stories may hold, and the pod where it has a cap: some credits fit, some do not. */
const CAP = 3_000n;
const POD_CAP = 8_000n;

/** Bounds the pod's account, as low as it can be. */
export const capPod = (world: World, currency = "EUR", minor = POD_CAP): void =>
  world.accounts.get(`pod:${POD}:${currency}`).limit(minor);

/** A pod account with something in it, closed to whatever comes. */
export const closePod = (world: World): void => {
  world.accounts.get(`pod:${CLOSED_POD}:EUR`).closed = true;
};

/**
 * How a charge settles in another currency: at a rate the desk finds, or at a quote: `fresh`, `brief` (it is over after half a
 * second), somebody else's, for `another` amount, or whichever has this id.
 */
export type Settles = { to: string; quote?: "fresh" | "brief" | "foreign" | "another" | { id: string } };

const quoteFor = (world: World, amount: MoneyJson, { to, quote }: Settles): string | undefined => {
  if (quote === undefined || typeof quote === "object") return quote?.id;
  const sell = quote === "another" ? fromMinor(toMinor(amount) + 1n, amount.currency) : amount;
  return world.desk.quote(quote === "foreign" ? "bob" : PAYER, POD, sell, to, quote === "brief" ? 500 : 3_600_000);
};

export const charge = (
  world: World,
  shard: Shard,
  token: Token | "wallet",
  minor: bigint,
  waitMs: number,
  settles?: Settles,
): Client => {
  const name = `charge-${world.random.int(2 ** 30)}`;
  const source = token === "wallet" ? ({ type: "wallet" } as const) : ({ type: "instrument", token } as const);
  const amount = fromMinor(minor, "EUR");
  const quote = settles === undefined ? undefined : quoteFor(world, amount, settles);
  // Whoever has a quote may leave the currency to it.
  const settle_currency = settles?.quote === "fresh" ? null : (settles?.to ?? "EUR");
  const command: CreateCharge = {
    pod: POD,
    payer: PAYER,
    amount,
    source,
    settle_currency,
    ...(quote === undefined ? {} : { quote }),
    description: null,
  };
  return startCharge(world, name, shard, command, waitMs);
};

/** Transfers by how many of their accounts may refuse: the last of those decides. */
export const TRANSFERS = {
  nobody: () => [leg("bank:sandbox:EUR", "debit", 500n), leg(`wallet:bob:EUR`, "credit", 500n)],
  one: (minor: bigint) => [leg(`wallet:${PAYER}:EUR`, "debit", minor), leg(`wallet:bob:EUR`, "credit", minor)],
  two: (minor: bigint) => [
    leg(`wallet:${PAYER}:EUR`, "debit", minor),
    leg("wallet:bob:EUR", "debit", 700n),
    leg(`pod:${POD}:EUR`, "credit", minor + 700n),
  ],
  three: (minor: bigint) => [
    leg(`wallet:${PAYER}:EUR`, "debit", minor),
    leg("wallet:bob:EUR", "debit", 300n),
    leg(`pod:${POD}:EUR`, "debit", 100n),
    leg("fee:EUR", "credit", minor + 400n),
  ],
  closed: (minor: bigint) => [
    leg(`wallet:${PAYER}:EUR`, "debit", minor + 10n),
    leg(`pod:${CLOSED_POD}:EUR`, "credit", minor),
    leg("suspense:EUR", "credit", 10n),
  ],
  capped: (minor: bigint) => [
    leg(`wallet:${PAYER}:EUR`, "debit", minor + 10n),
    leg("wallet:carol:EUR", "credit", minor),
    leg(`pod:${POD}:EUR`, "credit", 10n),
  ],
} as const satisfies Record<string, (minor: bigint) => CreateTransfer["legs"]>;

export type TransferStory = keyof typeof TRANSFERS;

export const transfer = (world: World, shard: Shard, story: TransferStory, minor: bigint, waitMs: number): Client => {
  if (story === "closed") closePod(world);
  if (story === "capped") world.accounts.get("wallet:carol:EUR").limit(CAP);
  const id = world.ids.next("trf", world.sim.now);
  const command = { id, legs: TRANSFERS[story](minor), reason: "test", metadata: { reason: "test" } };
  return startTransfer(world, id, shard, command, waitMs);
};

/** A transfer, and its reversal once it is posted. */
export const reversal = (world: World, shard: Shard, story: TransferStory, minor: bigint): Client[] => {
  const original = transfer(world, shard, story, minor, 0);
  return [original, startReversal(world, shard, original, world.ids.next("trf", world.sim.now))];
};

/** Operators: somebody decides every review sooner or later. */
const reviewAll = (world: World, approves: (saga: Saga) => boolean): void => {
  const look = (): void => {
    for (const shard of world.shards) {
      for (const saga of shard.waiting) {
        if (saga.steps[saga.cursor]?.name !== "review") continue;
        const verdict = approves(saga) ? "approve" : "decline";
        world.at(shard, () => {
          const { driver } = shard.parts;
          void driver
            .change(saga.id, (before, turn) =>
              resolveWait(before, "review", verdict, { by: "op", text: "seen" }, turn.now, turn.state.cutEpoch),
            )
            .then((changed) => (changed === null ? undefined : driver.drive(changed)));
        });
      }
    }
    world.sim.after(3_000, look, null);
  };
  world.sim.after(1_000, look, null);
};

/** Somebody takes the shard's newest charge back; what was granted must be kept. */
const cancelNewest = (world: World, shard: Shard): void => {
  const newest = shard.sagas.filter((saga) => saga.kind === "charge").at(-1);
  if (newest === undefined) return;
  const { id } = newest;
  world.at(shard, () => {
    const { driver } = shard.parts;
    void driver
      .change(id, (before, turn) => cancel(before, turn.now))
      .then((changed) => {
        if (changed === null) return;
        if (changed.status !== "compensating" && changed.status !== "compensated")
          world.violated(`${id} was not cancelled`);
        return driver.drive(changed);
      });
  });
};

/** A trial balance in the middle of it all; a cut that breaks off is abandoned, one that answers must balance. */
const takeTrialBalance = (world: World): void => {
  const [first] = world.shards;
  if (first === undefined) return;
  world.at(first, () => {
    first.parts.reports.trialBalance(true).then(
      ({ balanced, currencies }) => {
        if (!balanced) world.violated(`a cut does not balance: ${JSON.stringify(currencies)}`);
      },
      () => undefined,
    );
  });
};

/** True once every command has its answers, every saga has ended, and every pod has been told. */
export const allEnded = (world: World, clients: readonly Client[]) => (): boolean =>
  clients.every((client) => client.done) && world.shards.every((shard) => shard.isIdle && shard.hasTold);

/** How long everything may take once nothing goes wrong any more. Milliseconds of virtual time. */
export const HEALED_MS = 20 * 60_000;

/** What came of a history. `ends`: how each saga ended, in the order they began. `crashed`: the kill that was asked for happened. */
export type Verdict = {
  violations: string[];
  happened: number;
  ends: string[];
  journals: EventBody[][];
  crashed: boolean;
};

export const verdictOn = (world: World, crashed = false): Verdict => ({
  crashed,
  violations: world.violations,
  happened: world.sim.happened,
  ends: world.shards.flatMap((shard) => shard.sagas).map(({ status, failure }) => `${status} ${failure?.cause ?? ""}`),
  journals: world.shards.map(({ disk }) => disk.journal),
});

/** What an operator declines in a story. */
export const DOUBTFUL = 700_100n;
const isFine = (saga: Saga): boolean => toMinor(chargeInput(saga).amount) !== DOUBTFUL;

/** One story, the shard killed before one happening of it; without `crashAt` nothing goes wrong. */
export const crashStory = async (
  begin: (world: World, shard: Shard) => Client[],
  crashAt: number | null,
  inFlight: InFlight,
  calls?: CallTable,
): Promise<Verdict> => {
  const world = new World({ seed: 1, calls });
  fund(world);
  const [shard] = world.shards;
  if (shard === undefined) throw new Error("a world without a shard");
  let crashed = false;
  world.sim.before = (index) => {
    if (index !== crashAt) return;
    world.crash(shard, inFlight, 300);
    crashed = true;
  };
  reviewAll(world, isFine);
  const clients = begin(world, shard);
  await world.run(HEALED_MS, allEnded(world, clients));
  checkEnd(world, clients);
  const found = verdictOn(world, crashed);
  world.close();
  return found;
};

export const FAULTS: Faults = { lost: 0.06, lostReply: 0.06, twice: 0.1, slow: 0.05, notSent: 0.05, webhookLost: 0.3 };

/** Two charges may well meet at one quote: it is named before anybody asked for it. */
const anySettling = (random: Random): Settles => {
  const quote = random.pick(["none", "none", "fresh", "brief", "foreign", "another", { id: "fxq_1" }] as const);
  return { to: random.pick(BOUGHT), ...(quote === "none" ? {} : { quote }) };
};

/** What liquidity providers make of a hedge before one fills it. */
const MOODS: readonly Mood[] = [
  ["filled"],
  ["unknown", "filled"],
  ["unknown", "refused", "filled"],
  ["refused", "not_sent", "refused", "filled"],
  ["not_sent", "unknown", "unknown", "filled"],
];

/** A random history: commands of every kind, everything going wrong, shards dying, then a world that has healed. */
export const storm = async (seed: number): Promise<Verdict> => {
  const world = new World({ seed, shards: 2, faults: FAULTS, shuffled: true });
  const { random, sim, network } = world;
  fund(world);
  if (random.chance(0.1)) world.pods.get(POD).frozen = true;
  world.desk.mood = () => random.pick(MOODS);
  world.desk.isDry = random.chance(0.1);
  reviewAll(world, () => random.chance(0.7));
  const areWatched = random.chance(0.5);
  const anyToken = (): Token => random.pick(areWatched && random.chance(0.7) ? TROUBLESOME : TOKENS);
  const clients: Client[] = [];
  const soon = (withinMs: number, run: () => void): void => void sim.after(random.int(withinMs), run, null);
  const wait = (): number => random.pick([0, 1_000, 10_000]);
  for (let left = 2 + random.int(2); left > 0; left--) {
    soon(8_000, () => {
      const shard = random.pick(world.shards);
      const minor = BigInt(random.pick([1, 20_00, 333_33, 700_000, 6_000_000]));
      const settles = random.chance(0.5) ? anySettling(random) : undefined;
      if (random.chance(0.6)) clients.push(charge(world, shard, anyToken(), minor, wait(), settles));
      else if (random.chance(0.4)) clients.push(charge(world, shard, "wallet", minor, wait(), settles));
      else {
        const story = random.pick(Object.keys(TRANSFERS) as TransferStory[]);
        clients.push(transfer(world, shard, story, minor, wait()));
      }
      if (random.chance(0.3)) soon(600, () => cancelNewest(world, shard));
    });
  }
  for (let left = random.int(4); left > 0; left--) {
    soon(15_000, () =>
      world.crash(random.pick(world.shards), random.pick(["kept", "lost", "late"]), random.int(12_000)),
    );
  }
  for (let left = random.int(3); left > 0; left--) soon(15_000, () => takeTrialBalance(world));
  // An operator's caps come and go while transfers are between their begin and their posts.
  if (random.chance(0.3)) soon(12_000, () => capPod(world));
  if (random.chance(0.3)) soon(12_000, () => capPod(world, "USD"));
  if (random.chance(0.3)) soon(12_000, () => world.accounts.get("wallet:bob:EUR").limit(CAP));
  if (random.chance(0.1)) soon(12_000, () => (world.accounts.get(`pod:${POD}:EUR`).cap = null));
  if (areWatched) {
    meddle(world, 20_000);
    soon(4_000, () => network.silence(random.int(12_000)));
  }
  sim.after(20_000, () => network.heal(), null);
  sim.after(25_000, () => takeTrialBalance(world), null);
  await world.run(30_000, () => false);
  await world.run(HEALED_MS, allEnded(world, clients));
  checkEnd(world, clients);
  const found = verdictOn(world);
  world.close();
  return found;
};
