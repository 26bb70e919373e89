import { describe, expect, it } from "vitest";
import type { StartTimeout } from "../kit/timeout.ts";
import { type Answered, Together } from "./together.ts";

const macrotask = () => new Promise((resolve) => setImmediate(resolve));
/** Nothing is ever late. */
const never: StartTimeout = () => () => undefined;

type Call = {
  target: string;
  ops: number[];
  answered: Answered<string>;
  over: () => void;
  fail: (error: Error) => void;
};

const together = (timeout: StartTimeout = never) => {
  const calls: Call[] = [];
  const made = new Together<number, string>(
    (target, ops, answered) => new Promise((over, fail) => calls.push({ target, ops, answered, over, fail })),
    3,
    macrotask,
    timeout,
  );
  return { made, calls };
};

const outcome = (promise: Promise<string>): Promise<string> =>
  promise.catch((error: Error) => `failed: ${error.message}`);

describe("calls of the same moment", () => {
  it("leave in one, and each is answered when its own answer is there", async () => {
    const { made, calls } = together();
    const [first, second] = [made.submit("a", 1), made.submit("a", 2)];
    await macrotask();
    expect(calls.map(({ ops }) => ops)).toEqual([[1, 2]]);
    calls[0]?.answered(1, "two");
    expect(await second).toBe("two");
    calls[0]?.answered(0, "one");
    expect(await first).toBe("one");
  });

  it("hold up none that comes later, though they are not answered yet", async () => {
    const { made, calls } = together();
    void made.submit("a", 1);
    await macrotask();
    const later = made.submit("a", 2);
    await macrotask();
    expect(calls.map(({ ops }) => ops)).toEqual([[1], [2]]);
    calls[1]?.answered(0, "two");
    expect(await later).toBe("two");
  });

  it("leave in several where they are more than one call carries, and apart for each target", async () => {
    const { made, calls } = together();
    for (const op of [1, 2, 3, 4]) void made.submit("a", op);
    void made.submit("b", 5);
    await macrotask();
    expect(calls.map(({ target, ops }) => [target, ops])).toEqual([
      ["a", [1, 2, 3]],
      ["a", [4]],
      ["b", [5]],
    ]);
  });
});

describe("a call that fails", () => {
  it("fails what it left unanswered, and nothing that was answered", async () => {
    const { made, calls } = together();
    const asked = [made.submit("a", 1), made.submit("a", 2)].map(outcome);
    await macrotask();
    calls[0]?.answered(0, "one");
    calls[0]?.fail(new Error("the gateway went away"));
    expect(await Promise.all(asked)).toEqual(["one", "failed: the gateway went away"]);
  });

  it("is one that ends without having answered all", async () => {
    const { made, calls } = together();
    const asked = [made.submit("a", 1), made.submit("a", 2)].map(outcome);
    await macrotask();
    calls[0]?.answered(1, "two");
    calls[0]?.over();
    expect(await Promise.all(asked)).toEqual(["failed: a left an operation unanswered", "two"]);
  });

  it("is one that is not over in time", async () => {
    const { made } = together((_, over) => {
      queueMicrotask(over);
      return () => undefined;
    });
    expect(await outcome(made.submit("a", 1))).toContain("has not answered in");
  });
});
