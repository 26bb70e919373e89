import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { checkAll, checkMoney, faultsIn, inBatches } from "../support/checker.ts";
import { type Answer, poll } from "../support/client.ts";
import { type Charge, type ChargeOrder, charge, eur, fundWallet, must } from "../support/story.ts";
import { Stage } from "./stage.ts";

/**
 * SIGKILL at random moments while many people pay at once, again and again: while charges begin, while they end, and while the
 * ones before are being taken up. `SEED=<number>` replays the moments and the orders of an earlier run.
 */
const ROUNDS = 4;
const KILLS_A_ROUND = 5;
/** From `ready` to the kill, milliseconds. */
const KILL_AFTER = { least: 200, most: 1_500 };
const CLIENTS = 16;
const WALLET = "3000.00";
/** Until what a round left under way has ended. */
const ENDED_MS = 45_000;

/** What people pay with, and how often. Declines are few: twenty in ten minutes on one card are one too many for the risk rules. */
const SOURCES: readonly (readonly [from: string, weight: number])[] = [
  ["wallet", 6],
  ["tok_ok", 6],
  ["tok_async", 3],
  ["tok_duplicate_webhook", 3],
  ["tok_5xx_twice", 2],
  ["tok_dispute", 2],
  ["tok_slow", 1],
  ["tok_timeout_then_captured", 1],
  ["tok_timeout_then_failed", 1],
  ["tok_declined", 1],
  ["tok_insufficient", 1],
  ["tok_async_failed", 1],
];
const FAILS = new Set(["tok_timeout_then_failed", "tok_declined", "tok_insufficient", "tok_async_failed"]);

type Random = () => number;

/** Mulberry32: the same numbers, from 0 to below 1, for the same seed. */
const seeded = (seed: number): Random => {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
};

const pick = (random: Random): string => {
  let left = random() * SOURCES.reduce((sum, [, weight]) => sum + weight, 0);
  for (const [from, weight] of SOURCES) {
    left -= weight;
    if (left < 0) return from;
  }
  return "tok_ok";
};

type Acknowledged = { charge: Charge; order: ChargeOrder; user: string };

/** People who pay while the server comes and goes. */
class Crowd {
  readonly #stage: Stage;
  readonly #random: Random;
  readonly users = Array.from({ length: CLIENTS }, (_, index) => `user-${index}`);
  /** Every charge somebody was told of, as last told, by id. */
  readonly acknowledged = new Map<string, Acknowledged>();
  /** Answers that no client should ever see. */
  readonly faults: string[] = [];
  #up: Promise<void> = Promise.resolve();
  #paying = false;
  #orders = 0;

  constructor(stage: Stage, random: Random) {
    this.#stage = stage;
    this.#random = random;
  }

  /** Everybody pays, one charge after another, until `stop`; resolves when the last has its answer. */
  async pay(): Promise<void> {
    this.#paying = true;
    await Promise.all(
      this.users.map(async (user) => {
        while (this.#paying) await this.#payOnce(user);
      }),
    );
  }

  stop(): void {
    this.#paying = false;
  }

  /** SIGKILL, and a start on the same state; whoever has no answer asks again after it. */
  async crash(): Promise<void> {
    const again = Promise.withResolvers<void>();
    this.#up = again.promise;
    try {
      await this.#stage.restart();
      again.resolve();
    } catch (error) {
      again.reject(error);
      throw error;
    }
  }

  /** Asks until there is an answer, across restarts. */
  async through<T>(ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
    for (;;) {
      await this.#up;
      const answer = await ask().catch(() => null);
      if (answer !== null && answer.status !== 503 && answer.status !== 409) return answer;
      await delay(20);
    }
  }

  /** Reads every charge acknowledged so far: there, for the same money, and what has ended has ended as it was told. */
  async reread(): Promise<void> {
    await inBatches([...this.acknowledged.values()], async (known) => {
      const { id } = known.charge;
      const { status, body } = await this.through(() => this.#stage.pod.owner.get<Charge>(`/v1/charges/${id}`));
      if (status === 200) this.#told(known, body);
      else this.faults.push(`${id}, acknowledged as ${known.charge.status}, answers ${status}`);
    });
  }

  async #payOnce(user: string): Promise<void> {
    const order: ChargeOrder = {
      from: pick(this.#random),
      amount: `${1 + Math.floor(this.#random() * 40)}.${String(Math.floor(this.#random() * 100)).padStart(2, "0")}`,
      key: `order-${this.#orders++}`,
      wait: this.#random() < 0.3 ? 0 : 30,
    };
    const { status, body } = await this.through(() => charge(this.#stage.pod.as(user), this.#stage.pod, order));
    if (status === 201 || status === 202) this.#told({ charge: body, order, user }, body);
    else this.faults.push(`${user} paying ${order.amount} from ${order.from}: ${status} ${JSON.stringify(body)}`);
    await delay(this.#random() * 100);
  }

  #told({ order, user }: Acknowledged, charge: Charge): void {
    const before = this.acknowledged.get(charge.id)?.charge ?? charge;
    const ended = before.status !== "processing";
    if (ended && before.status !== charge.status)
      this.faults.push(`${charge.id} was ${before.status}, is ${charge.status}`);
    if (charge.amount.amount !== eur(order.amount).amount)
      this.faults.push(`${charge.id} is for ${charge.amount.amount}, not ${order.amount}`);
    const wanted = FAILS.has(order.from) ? "failed" : "succeeded";
    if (charge.status !== "processing" && charge.status !== wanted)
      this.faults.push(`${charge.id} from ${order.from} is ${charge.status}`);
    this.acknowledged.set(charge.id, { charge, order, user });
  }
}

/** Cents left in a wallet that began with `WALLET`, going by the charges that succeeded. */
const leftOf = (crowd: Crowd, user: string): bigint => {
  const minor = (amount: string) => BigInt(amount.replace(".", ""));
  const spent = [...crowd.acknowledged.values()]
    .filter((each) => each.user === user && each.order.from === "wallet" && each.charge.status === "succeeded")
    .reduce((sum, { charge }) => sum + minor(charge.amount.amount), 0n);
  return minor(WALLET) - spent;
};

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

test("no charge is lost or doubled by kills at random moments under load", { timeout: 400_000 }, async () => {
  console.log(`SEED=${seed}`);
  const random = seeded(seed);
  const users = Array.from({ length: CLIENTS }, (_, index) => `user-${index}`);
  await using stage = await Stage.open(users, { faults: false });
  const crowd = new Crowd(stage, random);
  for (const user of users) await fundWallet(stage.witness.operator, user, WALLET);

  for (let round = 1; round <= ROUNDS; round++) {
    const paying = crowd.pay();
    const rereading: Promise<void>[] = [];
    for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
      await delay(KILL_AFTER.least + random() * (KILL_AFTER.most - KILL_AFTER.least));
      await crowd.crash();
      rereading.push(crowd.reread());
    }
    crowd.stop();
    await Promise.all([paying, ...rereading]);

    const unended = async () => {
      await crowd.reread();
      return [...crowd.acknowledged.values()]
        .filter(({ charge }) => charge.status === "processing")
        .map(({ charge }) => charge.id);
    };
    await poll(unended, (left) => left.length === 0, ENDED_MS);
    expect(crowd.faults).toEqual([]);
    const ids = [...crowd.acknowledged.keys()];
    expect(faultsIn(await checkMoney(stage.witness, stage.pod.id, ids))).toEqual([]);
    for (const user of crowd.users) {
      const path = `/v1/ledger/accounts/wallet:${user}:EUR`;
      const { credits_posted, debits_posted, holds } = must(
        await stage.witness.operator.get<{ credits_posted: string; debits_posted: string; holds: unknown[] }>(path),
        200,
      );
      const posted = BigInt(credits_posted.replace(".", "")) - BigInt(debits_posted.replace(".", ""));
      expect([user, posted, holds]).toEqual([user, leftOf(crowd, user), []]);
    }
    console.log(
      `round ${round}: killed ${round * KILLS_A_ROUND} times, ${ids.length} charges, every cent in its place`,
    );
  }
  const { verdicts } = await checkAll(stage.witness, stage.pod.id, [...crowd.acknowledged.keys()]);
  expect(faultsIn(verdicts)).toEqual([]);
});
