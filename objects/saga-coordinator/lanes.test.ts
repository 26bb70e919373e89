import { describe, expect, it } from "vitest";
import { CALL_TIMEOUT_MS, Lanes } from "./lanes.ts";

const macrotask = () => new Promise((resolve) => setImmediate(resolve));

type Call = { target: string; ops: number[]; answer: (answers: string[]) => void; fail: (error: Error) => void };

/** A clock that a test moves: whoever waits is let go by `expire`, or called off. */
const clock = () => {
  const waiting: { ms: number; over: () => void }[] = [];
  const start = (ms: number, over: () => void) => {
    const one = { ms, over };
    waiting.push(one);
    return () => {
      if (waiting.includes(one)) waiting.splice(waiting.indexOf(one), 1);
    };
  };
  return { start, waiting, expire: () => waiting.splice(0).map(({ over }) => over()) };
};

const lanes = () => {
  const calls: Call[] = [];
  const crowds: boolean[] = [];
  const time = clock();
  const made = new Lanes<number, string>(
    (target, ops) => new Promise((answer, fail) => calls.push({ target, ops: [...ops], answer, fail })),
    (crowded) => {
      crowds.push(crowded);
      return macrotask();
    },
    time.start,
  );
  return { lanes: made, calls, crowds, time };
};

describe("a lane", () => {
  it("carries what has gathered in one call, and what gathers meanwhile in the next", async () => {
    const { lanes: made, calls } = lanes();
    const first = [made.submit("a", 1), made.submit("a", 2)];
    await macrotask();
    const later = made.submit("a", 3);
    await macrotask();
    expect(calls.map(({ ops }) => ops)).toEqual([[1, 2]]);
    calls[0]?.answer(["one", "two"]);
    expect(await Promise.all(first)).toEqual(["one", "two"]);
    await macrotask();
    calls[1]?.answer(["three"]);
    expect(await later).toBe("three");
  });

  it("waits as in a crowd where its target was met by several the last time, and nowhere else", async () => {
    const { lanes: made, calls, crowds } = lanes();
    const meet = async (target: string, ...ops: number[]) => {
      const answers = ops.map((op) => made.submit(target, op));
      await macrotask();
      calls.pop()?.answer(ops.map(String));
      await Promise.all(answers);
      await macrotask();
    };
    await meet("a", 1, 2);
    await meet("b", 3);
    await meet("a", 4);
    await meet("a", 5);
    expect(crowds).toEqual([false, false, true, false]);
  });

  it("does not wait for another target's", async () => {
    const { lanes: made, calls } = lanes();
    void made.submit("a", 1);
    void made.submit("b", 2);
    await macrotask();
    expect(calls.map(({ target }) => target).sort()).toEqual(["a", "b"]);
  });

  it("that fails fails all it carried, and the next call is made", async () => {
    const { lanes: made, calls } = lanes();
    const carried = [made.submit("a", 1), made.submit("a", 2)].map((promise) =>
      promise.catch((error: Error) => error.message),
    );
    await macrotask();
    const later = made.submit("a", 3);
    calls[0]?.fail(new Error("lost"));
    expect(await Promise.all(carried)).toEqual(["lost", "lost"]);
    await macrotask();
    calls[1]?.answer(["three"]);
    expect(await later).toBe("three");
  });

  it("leaves nobody without an answer when the callee forgets one", async () => {
    const { lanes: made, calls } = lanes();
    const carried = [made.submit("a", 1), made.submit("a", 2)];
    await macrotask();
    calls[0]?.answer(["one"]);
    expect(await carried[0]).toBe("one");
    expect(await carried[1]?.catch((error: Error) => error.message)).toContain("unanswered");
  });

  it.each([
    [256, [256]],
    [257, [256, 1]],
  ])("of %i operations makes calls of %j", async (count, sizes) => {
    const { lanes: made, calls } = lanes();
    const all = Array.from({ length: count }, (_, op) => made.submit("a", op));
    for (const size of sizes) {
      await macrotask();
      calls.at(-1)?.answer(Array.from({ length: size }, () => "ok"));
    }
    await Promise.all(all);
    expect(calls.map(({ ops }) => ops.length)).toEqual(sizes);
  });

  it("that was empty is taken up again", async () => {
    const { lanes: made, calls } = lanes();
    for (const op of [1, 2]) {
      const answer = made.submit("a", op);
      await macrotask();
      calls.at(-1)?.answer([`${op}`]);
      expect(await answer).toBe(`${op}`);
      await macrotask();
    }
  });

  it("gives up a call that is never answered, and makes the next; an answer after that is not heard", async () => {
    const { lanes: made, calls, time } = lanes();
    const lost = made.submit("a", 1).catch((error: Error) => error.message);
    await macrotask();
    const later = made.submit("a", 2);
    expect(time.waiting.map(({ ms }) => ms)).toEqual([CALL_TIMEOUT_MS]);
    time.expire();
    expect(await lost).toContain("has not answered");
    await macrotask();
    calls[0]?.answer(["too late"]);
    calls[1]?.answer(["two"]);
    expect(await later).toBe("two");
  });

  it("that is answered leaves no clock running", async () => {
    const { lanes: made, calls, time } = lanes();
    const answer = made.submit("a", 1);
    await macrotask();
    calls[0]?.answer(["one"]);
    await answer;
    await macrotask();
    expect(time.waiting).toEqual([]);
  });
});
