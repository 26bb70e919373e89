import { setTimeout as delay } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { checkAll, checkMoney, faultsIn } from "../support/checker.ts";
import { type Answer, poll } from "../support/client.ts";
import { type Charge, type ChargeOrder, charge, fundWallet } from "../support/story.ts";
import { pointName, Stage } from "./stage.ts";

/**
 * One SIGKILL at each step a charge's journal knows, for every instrument: before the step's call, after it, and at the end. A
 * fault-free run tells which points there are; each is then struck once, and so is each that only a recovery passes.
 */

type Ending =
  | { status: "succeeded" }
  | { status: "failed"; decline_reason: string }
  /** Refused: a problem, and no charge. */
  | { refused: string };

const captured: Ending = { status: "succeeded" };
const doNotHonor: Ending = { status: "failed", decline_reason: "do_not_honor" };

/** The slowest first: they begin together, and the quick ones fill in. */
const SOURCES: readonly (readonly [title: string, from: string, ending: Ending, funds?: string])[] = [
  ["tok_timeout_then_failed", "tok_timeout_then_failed", doNotHonor],
  ["tok_timeout_then_captured", "tok_timeout_then_captured", captured],
  ["tok_slow", "tok_slow", captured],
  ["tok_async_failed", "tok_async_failed", doNotHonor],
  ["tok_async", "tok_async", captured],
  ["tok_5xx_twice", "tok_5xx_twice", captured],
  ["tok_duplicate_webhook", "tok_duplicate_webhook", captured],
  ["tok_declined", "tok_declined", doNotHonor],
  ["tok_insufficient", "tok_insufficient", { status: "failed", decline_reason: "insufficient_funds" }],
  ["tok_dispute", "tok_dispute", captured],
  ["tok_ok", "tok_ok", captured],
  ["a wallet", "wallet", captured, "5000.00"],
  ["an empty wallet", "wallet", { refused: "insufficient_funds" }],
];

const PAYERS = ["bob", "carol", "dave", "erin"];
/** From the restart to the charge's end. */
const RECOVERY_MS = 20_000;
/** Until an armed point is struck; a provider that does not answer takes a few seconds. */
const STRIKE_MS = 20_000;
const TRIES = 3;

/** The charges from one source on one state, and the kills that they meet. */
class Ordeal {
  readonly #stage: Stage;
  readonly #from: string;
  readonly #ending: Ending;
  readonly #charges: string[] = [];
  #made = 0;

  constructor(stage: Stage, from: string, ending: Ending) {
    this.#stage = stage;
    this.#from = from;
    this.#ending = ending;
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
    return numbered(last.filter(isCharges));
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
    return this.#stage.passed().filter(isCharges);
  }

  /** A charge to be sent as often as need be: always the same command under the same key. */
  #order(): () => Promise<Answer<Charge>> {
    const number = this.#made++;
    const payer = this.#stage.pod.as(PAYERS[number % PAYERS.length] as string);
    const amount = `${10 + number}.${String(number % 100).padStart(2, "0")}`;
    const order: ChargeOrder = { amount, from: this.#from, key: `charge-${number}`, wait: 30 };
    return () => charge(payer, this.#stage.pod, order);
  }

  /** Sends the same command until it is answered for good, and reads the charge until it has ended as it must. */
  async #ended(send: () => Promise<Answer<Charge>>): Promise<Charge | undefined> {
    const deadline = Date.now() + RECOVERY_MS;
    const { status, body } = await poll(send, (answer) => answer.status !== 409, RECOVERY_MS);
    if ("refused" in this.#ending) {
      expect({ status, code: (body as unknown as { code: string }).code }).toEqual({
        status: 422,
        code: this.#ending.refused,
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
    }).toEqual(this.#ending);
    if (!this.#charges.includes(ended.id)) this.#charges.push(ended.id);
    return ended;
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

const isCharges = (point: string): boolean => point.startsWith("charge:");

/** `a b a` → `a#1 b#1 a#2`. */
const numbered = (points: readonly string[]): string[] => {
  const hits = new Map<string, number>();
  return points.map((point) => {
    const hit = (hits.get(point) ?? 0) + 1;
    hits.set(point, hit);
    return `${point}#${hit}`;
  });
};

describe("a charge survives a SIGKILL at every step of its journal", () => {
  for (const [title, from, ending, funds] of SOURCES) {
    test.concurrent(`paid from ${title}`, { timeout: 600_000 }, async () => {
      await using stage = await Stage.open(PAYERS, { faults: true });
      if (funds !== undefined) for (const payer of PAYERS) await fundWallet(stage.witness.operator, payer, funds);
      const ordeal = new Ordeal(stage, from, ending);
      const points = await ordeal.undisturbed();
      const paths = points.map((point) => [point]);
      const known = new Set(points.map(pointName));
      const missed: string[] = [];
      // Grows while it is walked: a point that only a recovery passes is struck there.
      for (const path of paths) {
        let after: string[] | null = null;
        for (let attempt = 0; attempt < TRIES && after === null; attempt++) after = await ordeal.struckAt(path);
        if (after === null) missed.push(path.join(" then "));
        for (const point of (after ?? []).filter((each) => !known.has(each))) {
          known.add(point);
          paths.push([...path, point]);
        }
      }
      console.log(`${title}: points ${paths.length - missed.length} of ${paths.length}`);
      expect(missed).toEqual([]);
      const { verdicts } = await checkAll(stage.witness, stage.pod.id, ordeal.charges);
      expect(faultsIn(verdicts)).toEqual([]);
    });
  }
});
