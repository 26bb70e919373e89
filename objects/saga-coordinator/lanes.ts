import { Crowds, type Gather } from "../kit/gather.ts";
import { type StartTimeout, startTimeout } from "../kit/timeout.ts";

/** Operations one call carries at most. */
const MAX_OPS = 256;

/**
 * A call that has had no answer for this long is given up: it may have arrived, and is made again with the same words. Longer
 * than any actor's honest work, a liquidity provider's answer included. Milliseconds.
 */
export const CALL_TIMEOUT_MS = 30_000;

/** The call's answer, or a fault when it takes too long; what it answers after that is not heard. */
export const inTime = <T>(call: Promise<T>, target: string, start: StartTimeout): Promise<T> =>
  new Promise((resolve, reject) => {
    const late = () => reject(new Error(`${target} has not answered in ${CALL_TIMEOUT_MS} ms`));
    const callOff = start(CALL_TIMEOUT_MS, late);
    call.finally(callOff).then(resolve, reject);
  });

/** An operation, and whoever waits for its answer. */
export type Waiting<Op, Answer> = { op: Op; resolve: (answer: Answer) => void; reject: (error: unknown) => void };

/**
 * One call at a time to each target, carrying whatever has gathered for it: under load a shard meets an actor once a turn,
 * whatever number of sagas touch it. Answers come in the order of the operations; a call that fails or is not answered in time fails
 * all of them, and the next one is made.
 */
export class Lanes<Op, Answer> {
  readonly #call: (target: string, ops: Op[]) => Promise<Answer[]>;
  readonly #gather: Gather;
  readonly #timeout: StartTimeout;
  readonly #crowds = new Crowds();
  readonly #waiting = new Map<string, Waiting<Op, Answer>[]>();

  constructor(
    call: (target: string, ops: Op[]) => Promise<Answer[]>,
    gather: Gather,
    timeout: StartTimeout = startTimeout,
  ) {
    this.#call = call;
    this.#gather = gather;
    this.#timeout = timeout;
  }

  submit(target: string, op: Op): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const gathered = this.#waiting.get(target);
      if (gathered !== undefined) {
        gathered.push({ op, resolve, reject });
        return;
      }
      this.#waiting.set(target, [{ op, resolve, reject }]);
      void this.#run(target);
    });
  }

  async #run(target: string): Promise<void> {
    await this.#gather(this.#crowds.has(target));
    let most = 0;
    for (;;) {
      const gathered = this.#waiting.get(target) ?? [];
      if (gathered.length === 0) break;
      const batch = gathered.splice(0, MAX_OPS);
      most = Math.max(most, batch.length);
      try {
        const ops = batch.map(({ op }) => op);
        const answers = await inTime(this.#call(target, ops), target, this.#timeout);
        batch.forEach(({ resolve, reject }, index) => {
          const answer = answers[index];
          if (answer === undefined) reject(new Error(`${target} left an operation unanswered`));
          else resolve(answer);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#crowds.note(target, most > 1);
    this.#waiting.delete(target);
  }
}
