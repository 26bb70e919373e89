import { setTimeout as delay } from "node:timers/promises";
import { expect } from "vitest";
import { checkAll, checkMoney, faultsIn } from "../support/checker.ts";
import { type Answer, poll } from "../support/client.ts";
import { type Charge, type ChargeOrder, charge, fundWallet } from "../support/story.ts";
import { pointName, Stage } from "./stage.ts";

/** What a charge must come to. */
export type Ending =
  | { status: "succeeded" }
  | { status: "failed"; decline_reason: string }
  /** Refused: a problem, and no charge. */
  | { refused: string };

/** How a charge is paid, and what comes of it. */
export type Payment = {
  from: string;
  ending: Ending;
  /** What each payer's wallet has to begin with, EUR. */
  funds?: string;
  /** The currency it settles in, where that is another. */
  settle?: string;
  /**
   * How the points begin at which it is not as another payment that is struck there; all when absent. What only a recovery passes
   * is struck besides, and under `CRASH_POINTS=all` each point of each payment.
   */
  own?: readonly string[];
};

/** The points of a payment that are its own to be struck at. Throws when one of the beginnings fits none of them. */
const ownPoints = (points: readonly string[], { own }: Payment): readonly string[] => {
  if (own === undefined || process.env.CRASH_POINTS === "all") return points;
  const idle = own.filter((beginning) => !points.some((point) => point.startsWith(beginning)));
  if (idle.length > 0) throw new Error(`no point of ${idle.join(", ")} was passed`);
  return points.filter((point) => own.some((beginning) => point.startsWith(beginning)));
};

const PAYERS = ["bob", "carol", "dave", "erin"];
/** From the restart to the charge's end. */
const RECOVERY_MS = 20_000;
/** Until a conversion's hedge has ended, once its charge has. */
const HEDGED_MS = 5_000;
/** Until an armed point is struck; a provider that does not answer takes a few seconds. */
const STRIKE_MS = 20_000;
/** Attempts at one point, over the ways that are known to lead to it in turn: a charge and its hedge race each other. */
const TRIES = 6;

/** The charges from one source on one state, and the kills that they meet. */
class Ordeal {
  readonly #stage: Stage;
  readonly #payment: Payment;
  readonly #charges: string[] = [];
  #made = 0;

  constructor(stage: Stage, payment: Payment) {
    this.#stage = stage;
    this.#payment = payment;
  }

  get charges(): readonly string[] {
    return this.#charges;
  }

  /** A charge that nothing happens to; answers the points it passed, each with the number of its hit. */
  async undisturbed(): Promise<string[]> {
    this.#stage.arm();
    this.#stage.passed();
    const send = this.#order();
    await this.#ended(send);
    const last = await poll(
      async () => this.#stage.peek(),
      (points) => points.some((point) => /^charge:(completed|compensated)$/.test(point)),
    );
    this.#stage.passed();
    return numbered(last.filter(isOurs));
  }

  /**
   * A charge whose server is killed at `points[0]`, started again, killed at `points[1]` on its way back, and so on. Answers the
   * points passed after the last restart, or null when one of `points` was not met.
   */
  async struckAt(points: readonly string[]): Promise<string[] | null> {
    const send = this.#order();
    let acknowledged: Charge | undefined;
    for (const [index, point] of points.entries()) {
      this.#stage.arm(point);
      this.#stage.passed();
      if (index > 0) await this.#stage.restart();
      const sent = send()
        .then(({ body }) => {
          acknowledged = "id" in body ? body : acknowledged;
        })
        .catch(() => undefined);
      const struck = await Promise.race([this.#death(), sent.then(() => this.#death(2_000))]);
      if (struck) expect(this.#stage.passed().at(-1)).toBe(pointName(point));
      else {
        this.#stage.arm();
        await this.#ended(send);
        return null;
      }
    }
    this.#stage.arm();
    await this.#stage.restart();
    const ended = await this.#ended(send);
    if (acknowledged !== undefined) expect(ended?.id).toBe(acknowledged.id);
    expect(faultsIn(await checkMoney(this.#stage.witness, this.#stage.pod.id, this.#charges))).toEqual([]);
    return this.#stage.passed().filter(isOurs);
  }

  /** A charge to be sent as often as need be: always the same command under the same key. */
  #order(): () => Promise<Answer<Charge>> {
    const number = this.#made++;
    const payer = this.#stage.pod.as(PAYERS[number % PAYERS.length] as string);
    const amount = `${10 + number}.${String(number % 100).padStart(2, "0")}`;
    const { from, settle } = this.#payment;
    const to = settle === undefined ? {} : { settle };
    const order: ChargeOrder = { amount, from, key: `charge-${number}`, wait: 30, ...to };
    return () => charge(payer, this.#stage.pod, order);
  }

  /** Sends the same command until it is answered for good, and reads the charge until it has ended as it must. */
  async #ended(send: () => Promise<Answer<Charge>>): Promise<Charge | undefined> {
    const deadline = Date.now() + RECOVERY_MS;
    const { status, body } = await poll(send, (answer) => answer.status !== 409, RECOVERY_MS);
    const { ending } = this.#payment;
    if ("refused" in ending) {
      expect({ status, code: (body as unknown as { code: string }).code }).toEqual({
        status: 422,
        code: ending.refused,
      });
      return undefined;
    }
    expect([201, 202], JSON.stringify(body)).toContain(status);
    const ended = await poll(
      async () => (await this.#stage.pod.owner.get<Charge>(`/v1/charges/${body.id}`)).body,
      (now) => now.status !== "processing",
      deadline - Date.now(),
    );
    const { failure } = ended;
    expect({
      status: ended.status,
      ...(failure?.decline_reason === undefined ? {} : { decline_reason: failure.decline_reason }),
    }).toEqual(ending);
    if (!this.#charges.includes(ended.id)) this.#charges.push(ended.id);
    if (ended.fx !== undefined && ended.status === "succeeded") await this.#hedged();
    return ended;
  }

  /**
   * Waits until as many hedges have ended as charges were converted. A kill between a hedge's last commit and its last point takes
   * the point with it: then the wait is in vain, and the books say in the end whether it was there.
   */
  async #hedged(): Promise<void> {
    await poll(
      async () => this.#stage.hits("hedge:completed"),
      (hits) => hits >= this.#charges.length,
      HEDGED_MS,
    ).catch(() => undefined);
  }

  /** Whether the server dies, by a signal, within the deadline. */
  async #death(deadlineMs = STRIKE_MS): Promise<boolean> {
    const timer = new AbortController();
    try {
      return await Promise.race([
        this.#stage.server.exited.then((code) => code === null),
        delay(deadlineMs, false, { signal: timer.signal }),
      ]);
    } finally {
      timer.abort();
    }
  }
}

/** A point of a charge's journal, or of the hedge that it began. */
const isOurs = (point: string): boolean => /^(charge|hedge):/.test(point);

/** `a b a` → `a#1 b#1 a#2`. */
const numbered = (points: readonly string[]): string[] => {
  const hits = new Map<string, number>();
  return points.map((point) => {
    const hit = (hits.get(point) ?? 0) + 1;
    hits.set(point, hit);
    return `${point}#${hit}`;
  });
};

/** A point to be struck, and the kills after which it is passed: none for what every charge of the kind passes. */
type Goal = { point: string; ways: (readonly string[])[] };

/**
 * A charge of this kind, undisturbed and then killed at each point that it passed, and at each that only a recovery passes. Throws
 * when a point was not met, or when anything does not add up after it.
 */
export const endure = async (title: string, payment: Payment): Promise<void> => {
  const currencies = ["EUR", ...(payment.settle === undefined ? [] : [payment.settle])];
  await using stage = await Stage.open(PAYERS, { faults: true, currencies });
  const { funds } = payment;
  if (funds !== undefined) for (const payer of PAYERS) await fundWallet(stage.witness.operator, payer, funds);
  const ordeal = new Ordeal(stage, payment);
  const undisturbed = await ordeal.undisturbed();
  const goals: Goal[] = ownPoints(undisturbed, payment).map((point) => ({ point, ways: [[]] }));
  const usual = new Set(undisturbed.map(pointName));
  const missed: string[] = [];
  // Grows while it is walked: a point that only a recovery passes is struck there.
  for (const { point, ways } of goals) {
    let after: string[] | null = null;
    let path: readonly string[] = [];
    for (let attempt = 0; attempt < TRIES && after === null; attempt++) {
      path = [...(ways[attempt % ways.length] ?? []), point];
      after = await ordeal.struckAt(path);
    }
    if (after === null) missed.push(path.join(" then "));
    for (const passed of (after ?? []).filter((each) => !usual.has(each))) {
      const known = goals.find((goal) => goal.point === passed);
      if (known === undefined) goals.push({ point: passed, ways: [path] });
      else known.ways.push(path);
    }
  }
  console.log(`${title}: points ${goals.length - missed.length} of ${goals.length}`);
  expect(missed).toEqual([]);
  const { verdicts } = await checkAll(stage.witness, stage.pod.id, ordeal.charges);
  expect(faultsIn(verdicts)).toEqual([]);
};
