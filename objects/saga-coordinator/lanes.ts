/** Operations one call carries at most. */
const MAX_OPS = 256;

type Waiting<Op, Answer> = { op: Op; resolve: (answer: Answer) => void; reject: (error: unknown) => void };

/**
 * One call at a time to each target, carrying whatever has gathered for it: under load a shard meets an actor once a turn,
 * whatever number of sagas touch it. Answers come in the order of the operations; a failed call fails all of them.
 */
export class Lanes<Op, Answer> {
  readonly #call: (target: string, ops: Op[]) => Promise<Answer[]>;
  readonly #macrotask: () => Promise<unknown>;
  readonly #waiting = new Map<string, Waiting<Op, Answer>[]>();

  constructor(call: (target: string, ops: Op[]) => Promise<Answer[]>, macrotask: () => Promise<unknown>) {
    this.#call = call;
    this.#macrotask = macrotask;
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
    await this.#macrotask();
    for (;;) {
      const gathered = this.#waiting.get(target) ?? [];
      if (gathered.length === 0) break;
      const batch = gathered.splice(0, MAX_OPS);
      try {
        const answers = await this.#call(
          target,
          batch.map(({ op }) => op),
        );
        batch.forEach(({ resolve, reject }, index) => {
          const answer = answers[index];
          if (answer === undefined) reject(new Error(`${target} left an operation unanswered`));
          else resolve(answer);
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#waiting.delete(target);
  }
}
