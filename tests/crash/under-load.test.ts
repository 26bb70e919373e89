import { setTimeout as delay } from "node:timers/promises";
import { expect, test } from "vitest";
import { checkAll, checkMoney, faultsIn, inBatches } from "../support/checker.ts";
import { type Answer, poll } from "../support/client.ts";
import { type Random, seeded } from "../support/seeded.ts";
import { type Charge, type ChargeOrder, charge, fundWallet, must } from "../support/story.ts";
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
/** Until a request has an answer, however often the server is killed under it. */
const ANSWER_MS = 90_000;
/** No answer takes longer: half a minute of patience asked for, and a busy machine. */
const REQUEST_MS = 45_000;

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
  /** By user; each has a stream of its own, so that who is served first changes nobody's orders. */
  readonly #random: ReadonlyMap<string, Random>;
  /** Every charge somebody was told of, as last told, by id. */
  readonly acknowledged = new Map<string, Acknowledged>();
  /** Answers that no client should ever see. */
  readonly faults: string[] = [];
  #up: Promise<void> = Promise.resolve();
  #paying = false;
  #orders = new Map<string, number>();

  constructor(stage: Stage, users: readonly string[], seed: number) {
    this.#stage = stage;
    this.#random = new Map(users.map((user, index) => [user, seeded(seed + index + 1)]));
  }

  /** Everybody pays, one charge after another, until `stop`; resolves when the last has its answer. */
  async pay(): Promise<void> {
    this.#paying = true;
    await Promise.all(
      [...this.#random].map(async ([user, random]) => {
        while (this.#paying) {
          const number = (this.#orders.get(user) ?? 0) + 1;
          this.#orders.set(user, number);
          await this.#payOnce(user, random, number);
        }
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

  /** Asks until there is an answer to keep, across restarts. Rejects when a living server leaves a request unanswered. */
  async through<T>(what: string, ask: () => Promise<Answer<T>>): Promise<Answer<T>> {
    const deadline = Date.now() + ANSWER_MS;
    while (Date.now() < deadline) {
      await this.#up;
      const patience = new AbortController();
      const answer = await Promise.race([
        ask().catch(() => null),
        delay(REQUEST_MS, "silence" as const, { signal: patience.signal }),
      ]);
      patience.abort();
      if (answer === "silence") throw new Error(`${what}: the server said nothing for ${REQUEST_MS / 1_000} s`);
      if (answer !== null && !mayAskAgain(answer)) return answer;
      await delay(20);
    }
    throw new Error(`${what}: no answer to keep within ${ANSWER_MS / 1_000} s`);
  }

  /** Reads every charge acknowledged so far: there, for the same money, and what has ended has ended as it was told. */
  async reread(): Promise<void> {
    await inBatches([...this.acknowledged.values()], async ({ charge: { id, status: was }, order, user }) => {
      const { status, body } = await this.through(id, () => this.#stage.pod.owner.get<Charge>(`/v1/charges/${id}`));
      if (status !== 200) this.faults.push(`${id}, acknowledged as ${was}, answers ${status}`);
      else if (was !== "processing" && was !== body.status) this.faults.push(`${id} was ${was}, is ${body.status}`);
      else this.#told(body, order, user);
    });
  }

  async #payOnce(user: string, random: Random, number: number): Promise<void> {
    const order: ChargeOrder = {
      from: pick(random),
      amount: `${1 + Math.floor(random() * 40)}.${String(Math.floor(random() * 100)).padStart(2, "0")}`,
      key: `${user}-${number}`,
      wait: random() < 0.3 ? 0 : 30,
    };
    const send = () => charge(this.#stage.pod.as(user), this.#stage.pod, order);
    const { status, body } = await this.through(`${order.key} from ${order.from}`, send);
    if (status === 201 || status === 202) this.#told(body, order, user);
    else this.faults.push(`${user} paying ${order.amount} from ${order.from}: ${status} ${JSON.stringify(body)}`);
    await delay(random() * 100);
  }

  #told(charge: Charge, order: ChargeOrder, user: string): void {
    const { id, status, amount } = charge;
    const wanted = FAILS.has(order.from) ? "failed" : "succeeded";
    if (amount.amount !== order.amount) this.faults.push(`${id} is for ${amount.amount}, not ${order.amount}`);
    if (status !== "processing" && status !== wanted) this.faults.push(`${id} from ${order.from} is ${status}`);
    // Answers may overtake each other on the way here: what has ended stays ended.
    const known = this.acknowledged.get(id);
    if (known === undefined || known.charge.status === "processing") this.acknowledged.set(id, { charge, order, user });
  }
}

/** The server was busy or going down, or the first answer is still being made. */
const mayAskAgain = ({ status, body }: Answer<unknown>): boolean =>
  status === 503 || (status === 409 && (body as { code?: string }).code === "idempotency_in_progress");

/** Cents left in a wallet that began with `WALLET`, going by the charges that succeeded. */
const leftOf = (crowd: Crowd, user: string): bigint => {
  const minor = (amount: string) => BigInt(amount.replace(".", ""));
  const spent = [...crowd.acknowledged.values()]
    .filter((each) => each.user === user && each.order.from === "wallet" && each.charge.status === "succeeded")
    .reduce((sum, { charge }) => sum + minor(charge.amount.amount), 0n);
  return minor(WALLET) - spent;
};

const seed = Number(process.env.SEED ?? Math.floor(Math.random() * 2 ** 32));

test("no charge is lost or doubled by kills at random moments under load", { timeout: 600_000 }, async ({
  onTestFailed,
}) => {
  console.log(`SEED=${seed}`);
  const moments = seeded(seed);
  const users = Array.from({ length: CLIENTS }, (_, index) => `user-${index}`);
  await using stage = await Stage.open(users, { faults: false });
  onTestFailed(() => console.log(`the server's last words:\n${stage.server.logs.slice(-5_000)}`));
  const crowd = new Crowd(stage, users, seed);
  for (const user of users) await fundWallet(stage.witness.operator, user, WALLET);

  for (let round = 1; round <= ROUNDS; round++) {
    const paying = crowd.pay();
    const rereading: Promise<void>[] = [];
    for (let kill = 0; kill < KILLS_A_ROUND; kill++) {
      await delay(KILL_AFTER.least + moments() * (KILL_AFTER.most - KILL_AFTER.least));
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
    expect(faultsIn(await checkMoney(stage.witness, stage.pod.id, ids, { entries: true }))).toEqual([]);
    for (const user of users) {
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
