import { setTimeout as delay } from "node:timers/promises";
import { type Random, seeded } from "../../objects/saga-coordinator/testing/random.ts";
import { fromMinor } from "../../schema/money.ts";
import { type Answer, type Api, poll } from "../support/client.ts";
import { type Charge, type ChargeOrder, charge, type Money, must, type OpenPod, ulid } from "../support/story.ts";
import { FLOWS, type Flow } from "./flows.ts";
import { type ChargeRecord, hasEnded, type Leg, type Records } from "./records.ts";
import type { Victim } from "./victim.ts";

/** Milliseconds a person thinks between two payments, at most. */
const THINKS_MS = 400;
/** Nothing is owed soon while the server is being killed; what never comes at all is noticed by this. Milliseconds. */
const COMES_MS = 300_000;

type Problem = { code?: string };
type Expectation = Pick<ChargeRecord, "may" | "approving"> & {
  /** Refusals that are right: the codes of the problems. */
  refusals?: readonly string[];
};
type Order = Omit<ChargeOrder, "key"> & { currency: string } & Expectation;

/** A pod, and the currency it is paid in. */
export type Pool = OpenPod & { currency: string };
/** Where the crowd pays; the first pool is in EUR. */
export type Ground = { pools: readonly [Pool, ...Pool[]]; users: readonly string[]; operator: Api };

/** Somebody who pays, one thing after another. All chance is drawn before anything is sent, from a stream of the person's own. */
export class Person {
  readonly user: string;
  readonly random: Random;
  readonly ground: Ground;
  readonly #victim: Victim;
  readonly #records: Records;
  #number = 0;

  constructor(user: string, random: Random, ground: Ground, victim: Victim, records: Records) {
    this.user = user;
    this.random = random;
    this.ground = ground;
    this.#victim = victim;
    this.#records = records;
  }

  async pay(flow: Flow): Promise<void> {
    this.#number++;
    this.#records.tried(flow.name);
    await flow.pay(this, flow.name);
  }

  /** A label no other command of this run has. */
  get label(): string {
    return `${this.user}-${this.#number}`;
  }

  /** Drawn by the flow: an amount from `least` to `most` minor units in the pool's currency, and how long to wait for the end. */
  drawOrder(pool: Pool, from: string, most = 4_000, least = 100) {
    const money = fromMinor(BigInt(least + this.random.int(most - least)), pool.currency);
    return { from, ...money, wait: this.random.chance(0.3) ? 0 : 30 };
  }

  /** One command under one key, until there is an answer to keep. Null when it was refused as it may be. */
  async charge(flow: string, pool: Pool, order: Order, sends = 1): Promise<Charge | null> {
    const { may, approving, refusals = [], ...command } = order;
    const key = this.label;
    const send = () =>
      this.#victim.through(`${key} from ${order.from}`, () => charge(pool.as(this.user), pool, { ...command, key }));
    const answers = await Promise.all(Array.from({ length: sends }, send));
    const amount: Money = { amount: order.amount, currency: order.currency };
    const known = { flow, user: this.user, amount, fromWallet: order.from === "wallet", may, approving };
    const ids = new Set(answers.map(({ body }) => body.id));
    if (ids.size > 1) this.#records.fault(`${key} is ${[...ids].join(" and ")}`);
    let told: Charge | null = null;
    for (const { status, body } of answers) {
      if (status === 201 || status === 202) {
        this.#records.told(body, known);
        told = body;
      } else if (!(status < 500 && refusals.includes((body as Problem).code ?? ""))) {
        this.#records.fault(
          `${key}: ${amount.amount} ${amount.currency} from ${order.from}: ${status} ${JSON.stringify(body)}`,
        );
      }
    }
    if (told === null) this.#records.refused(flow);
    return told;
  }

  /** Takes a charge back, if it may still be: what is granted is kept. */
  async cancel(id: string, pool: Pool): Promise<void> {
    const path = `/v1/charges/${id}/cancel`;
    const { status, body } = await this.#victim.through(path, () => pool.as(this.user).post<Charge>(path, {}));
    if (status === 200) this.#records.changed(id, body.status);
    else if (status !== 409) this.#records.fault(`${path}: ${status} ${JSON.stringify(body)}`);
  }

  /** Waits until the charge asks for a review. */
  async awaitReview(id: string): Promise<void> {
    const read = () => this.#victim.through(id, () => this.ground.operator.get<Charge>(`/v1/charges/${id}`));
    const asks = ({ status, body }: Answer<Charge>): boolean => status !== 200 || body.status !== "processing";
    const { body } = await poll(read, asks, COMES_MS);
    if (body.status !== "requires_review") this.#records.fault(`${id} is ${body.status} and not to be reviewed`);
  }

  /** Reviews a charge as the operator. */
  async review(id: string, decision: "approve" | "decline"): Promise<void> {
    const path = `/v1/charges/${id}/review`;
    const send = () => this.ground.operator.post<Charge>(path, { decision, note: "seen" });
    // 409: somebody was first, or an answer to an earlier attempt was lost on its way here.
    must(await this.#victim.through(path, send), 200, 409);
  }

  /** A transfer between ledger accounts, sent until it is posted or refused for good. */
  async transfer(flow: string, legs: readonly Leg[]): Promise<void> {
    const order = { id: `trf_${ulid()}`, legs, metadata: { reason: flow } };
    const send = () => this.ground.operator.post<Problem>("/v1/ledger/transfers", order);
    const ask = () => this.#victim.through(order.id, send);
    const { status, body } = await poll(ask, (answer) => answer.status !== 202, COMES_MS);
    if (status === 201) this.#records.transfers.set(order.id, { id: order.id, legs, state: "posted" });
    else if (status === 422 && body.code === "insufficient_funds") {
      this.#records.transfers.set(order.id, { id: order.id, legs, state: "refused" });
      this.#records.refused(flow);
    } else this.#records.fault(`${order.id}: ${status} ${JSON.stringify(body)}`);
  }
}

const draw = (random: Random): Flow => {
  let left = random.next() * FLOWS.reduce((sum, { weight }) => sum + weight, 0);
  for (const flow of FLOWS) {
    left -= flow.weight;
    if (left < 0) return flow;
  }
  throw new Error("there is nothing to do");
};

/** A closed loop: everybody does one thing after another until `over`. Resolves when the last has its answer. */
export const runLoad = async (
  seed: number,
  ground: Ground,
  victim: Victim,
  records: Records,
  over: AbortSignal,
): Promise<void> => {
  await Promise.all(
    ground.users.map(async (user, index) => {
      const random = seeded(seed * 1_000 + index + 1);
      const person = new Person(user, random, ground, victim, records);
      while (!over.aborted) {
        await person.pay(draw(random));
        await delay(random.int(THINKS_MS), undefined, { signal: over }).catch(() => undefined);
      }
    }),
  );
};

/** Reads what has not ended until everything has, or the deadline passes; what is left then is the checker's to say. */
export const awaitEnds = async (
  ground: Ground,
  victim: Victim,
  records: Records,
  deadlineMs: number,
): Promise<void> => {
  const { operator } = ground;
  const left = async () => {
    for (const id of records.open) {
      const { status, body } = await victim.through(id, () => operator.get<Charge>(`/v1/charges/${id}`));
      if (status === 200) records.changed(id, body.status);
      if (status === 200 && !hasEnded(body.status)) break;
    }
    return records.open.length;
  };
  await poll(left, (count) => count === 0, deadlineMs).catch(() => undefined);
};
