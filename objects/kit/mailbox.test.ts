import { describe, expect, test } from "vitest";
import { MAX_BATCH, MAX_WAITING, Mailbox, type Settled } from "./mailbox.ts";

/** A mailbox that has gathered when told, the batches it committed, and of each wait whether it was in a crowd. */
const harness = (settle: (command: number) => Settled = (value) => ({ ok: true, value })) => {
  const batches: number[][] = [];
  const armed: (() => void)[] = [];
  const crowds: boolean[] = [];
  const mailbox = new Mailbox<number>(
    (commands) => {
      batches.push(commands);
      return commands.map(settle);
    },
    (crowded) => {
      crowds.push(crowded);
      return new Promise<void>((run) => armed.push(run));
    },
  );
  /** Ends the wait that is under way, if one is, and everything that follows from it at once. */
  const tick = async (): Promise<void> => {
    armed.shift()?.();
    await new Promise((resolve) => setImmediate(resolve));
  };
  return { mailbox, batches, armed, crowds, tick };
};

describe("a mailbox", () => {
  test("gathers once and commits everything that came before it, first in first out", async () => {
    const { mailbox, batches, armed, tick } = harness();
    const answers = [1, 2, 3].map((command) => mailbox.submit(command));
    expect(armed).toHaveLength(1);
    expect(batches).toEqual([]);
    expect(mailbox.waiting).toBe(3);
    await tick();
    expect(batches).toEqual([[1, 2, 3]]);
    expect(await Promise.all(answers)).toEqual([1, 2, 3]);
    const late = mailbox.submit(4);
    expect(armed).toHaveLength(1);
    await tick();
    expect(await late).toBe(4);
    expect(batches).toEqual([[1, 2, 3], [4]]);
  });

  test("waits as in a crowd once a batch held several, until one is alone again", async () => {
    const { mailbox, crowds, tick } = harness();
    const submit = async (...commands: number[]) => {
      for (const command of commands) void mailbox.submit(command);
      await tick();
    };
    await submit(1);
    await submit(2, 3);
    await submit(4);
    await submit(5);
    expect(crowds).toEqual([false, false, true, false]);
  });

  test("commits 256 at once; the 257th goes with what arrives while it waits", async () => {
    const { mailbox, batches, tick } = harness();
    const answers = Array.from({ length: MAX_BATCH + 1 }, (_, i) => mailbox.submit(i));
    await tick();
    expect(batches.map(({ length }) => length)).toEqual([MAX_BATCH]);
    answers.push(mailbox.submit(MAX_BATCH + 1));
    await tick();
    expect(batches.map(({ length }) => length)).toEqual([MAX_BATCH, 2]);
    expect(await Promise.all(answers)).toEqual(Array.from({ length: MAX_BATCH + 2 }, (_, i) => i));
  });

  test("is full at 2,000 waiting, and no longer once a batch has gone", async () => {
    const { mailbox, tick } = harness();
    for (let i = 1; i < MAX_WAITING; i++) void mailbox.submit(i);
    expect(mailbox.full).toBe(false);
    void mailbox.submit(MAX_WAITING);
    expect(mailbox.full).toBe(true);
    await tick();
    expect(mailbox.full).toBe(false);
  });

  test("tells each caller what became of its own command", async () => {
    const { mailbox, tick } = harness((value) =>
      value === 2 ? { ok: false, error: new Error("only this one") } : { ok: true, value },
    );
    const answers = Promise.allSettled([1, 2, 3].map((command) => mailbox.submit(command)));
    await tick();
    expect((await answers).map(({ status }) => status)).toEqual(["fulfilled", "rejected", "fulfilled"]);
  });

  test("answers nobody when the commit itself fails, and leaves no rejection behind", async () => {
    const armed: (() => void)[] = [];
    const mailbox = new Mailbox<number>(
      () => {
        throw new Error("reset");
      },
      () => new Promise<void>((run) => armed.push(run)),
    );
    const answered: unknown[] = [];
    for (const command of [1, 2]) {
      mailbox.submit(command).then(
        (value) => answered.push(value),
        (error: unknown) => answered.push(error),
      );
    }
    armed.shift()?.();
    // An unhandled rejection would fail this run.
    await new Promise((resolve) => setTimeout(resolve, 10));
    expect(answered).toEqual([]);
  });
});
