import { Crowds, type Gather } from "../kit/gather.ts";
import { type StartTimeout, startTimeout } from "../kit/timeout.ts";
import { inTime, type Waiting } from "./lanes.ts";

/** Tells the answer to one of the operations of a call, by its place in it. */
export type Answered<Answer> = (index: number, answer: Answer) => void;

/**
 * What is asked of a provider at the same moment leaves in one call, and each is answered when its own answer is there: one that is
 * slow holds up none of the others, and none that comes later. A call ends when all of its operations are answered; one that fails, or is not over
 * in time, fails those that were not.
 */
export class Together<Op, Answer> {
  readonly #call: (target: string, ops: Op[], answered: Answered<Answer>) => Promise<void>;
  readonly #most: number;
  readonly #gather: Gather;
  readonly #timeout: StartTimeout;
  readonly #crowds = new Crowds();
  readonly #gathering = new Map<string, Waiting<Op, Answer>[]>();

  /** `most`: operations one call carries. */
  constructor(
    call: (target: string, ops: Op[], answered: Answered<Answer>) => Promise<void>,
    most: number,
    gather: Gather,
    timeout: StartTimeout = startTimeout,
  ) {
    this.#call = call;
    this.#most = most;
    this.#gather = gather;
    this.#timeout = timeout;
  }

  submit(target: string, op: Op): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const asked: Waiting<Op, Answer> = { op, resolve, reject };
      const gathered = this.#gathering.get(target);
      if (gathered !== undefined) {
        gathered.push(asked);
        return;
      }
      this.#gathering.set(target, [asked]);
      void this.#leave(target);
    });
  }

  async #leave(target: string): Promise<void> {
    await this.#gather(this.#crowds.has(target));
    const gathered = this.#gathering.get(target) ?? [];
    this.#gathering.delete(target);
    this.#crowds.note(target, gathered.length > 1);
    while (gathered.length > 0) void this.#ask(target, gathered.splice(0, this.#most));
  }

  async #ask(target: string, asked: Waiting<Op, Answer>[]): Promise<void> {
    const ops = asked.map(({ op }) => op);
    const call = this.#call(target, ops, (index, answer) => asked[index]?.resolve(answer));
    // To those that are answered it is nothing that the call failed, or left others out.
    const fail = (error: unknown) => asked.map(({ reject }) => reject(error));
    await inTime(call, target, this.#timeout).then(
      () => fail(new Error(`${target} left an operation unanswered`)),
      fail,
    );
  }
}
