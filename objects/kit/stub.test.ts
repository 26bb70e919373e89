import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { reject } from "../../schema/rejections.ts";
import { faultPoint } from "./faults.ts";
import { ClosedDoor, callActor, isOverloaded, isRetryable, refusalIn } from "./stub.ts";

const fault = (flags: object): Error => Object.assign(new Error("the platform"), flags);

describe("a fault", () => {
  test.each([
    ["disconnected", { retryable: true }, true],
    ["reset", { durableObjectReset: true }, true],
    ["both", { retryable: true, durableObjectReset: true }, true],
    ["overloaded", { overloaded: true }, false],
    ["overloaded though retryable", { retryable: true, overloaded: true }, false],
    ["overloaded though reset", { durableObjectReset: true, overloaded: true }, false],
    ["a bug of the actor", { remote: true }, false],
    ["not quite true", { retryable: 1 }, false],
  ])("%s", (_, flags, retryable) => {
    expect(isRetryable(fault(flags))).toBe(retryable);
    expect(isOverloaded(fault(flags))).toBe("overloaded" in flags);
  });

  test("that is no error at all is not retried", () => {
    for (const thrown of [undefined, null, "retryable", 7]) {
      expect(isRetryable(thrown)).toBe(false);
      expect(isOverloaded(thrown)).toBe(false);
    }
  });
});

describe("a shut door", () => {
  const { rejection } = reject("upstream_unavailable", "the log of account/a fails verification at seq 3");

  test("is a refusal after the class was lost on the way, and is not retried", () => {
    const thrown = new ClosedDoor(rejection);
    const { name, message, code, detail } = thrown;
    const arrived = Object.assign(new Error(message), { name, code, detail, remote: true });
    for (const error of [thrown, arrived]) {
      expect(refusalIn(error)).toEqual(rejection);
      expect(isRetryable(error)).toBe(false);
    }
  });

  test("is no other error, whatever it carries", () => {
    const named = Object.assign(new Error("x"), { name: "ClosedDoor" });
    const others = [undefined, "ClosedDoor", new Error("x"), named, { ...named, ...rejection }];
    const unknown = Object.assign(new Error("x"), { name: "ClosedDoor", code: "made_up", detail: "x" });
    const unnamed = Object.assign(new Error("x"), rejection);
    for (const error of [...others, unknown, unnamed]) expect(refusalIn(error)).toBeNull();
  });
});

describe("a call to an actor", () => {
  const waits: number[] = [];
  beforeEach(() => {
    waits.length = 0;
    vi.stubGlobal("scheduler", { wait: async (ms: number) => void waits.push(ms) });
  });
  afterEach(() => vi.unstubAllGlobals());

  /** A namespace whose stubs throw these in turn, then answer. A stub that threw stays dead. */
  const namespaceOf = (faults: Error[]) => {
    const made: string[] = [];
    const actor = (name: string) => {
      made.push(name);
      let dead: Error | undefined;
      return {
        ask: async (): Promise<string> => {
          dead ??= faults.shift();
          if (dead !== undefined) throw dead;
          return "answer";
        },
      };
    };
    return { made, getByName: actor };
  };
  type Asked = { ask(): Promise<string> };
  const ask = (namespace: { getByName(name: string): unknown }) =>
    callActor<Asked, string>(namespace, "a", (actor) => actor.ask());

  test("is made three times at most, with a fresh stub and growing jitter", async () => {
    const reset = fault({ durableObjectReset: true });
    const namespace = namespaceOf([reset, fault({ retryable: true })]);
    expect(await ask(namespace)).toBe("answer");
    expect(namespace.made).toEqual(["a", "a", "a"]);
    expect(waits).toHaveLength(2);
    expect(waits[0]).toBeLessThanOrEqual(100);
    expect(waits[1]).toBeLessThanOrEqual(200);
    const hopeless = namespaceOf([reset, reset, reset, reset]);
    await expect(ask(hopeless)).rejects.toBe(reset);
    expect(hopeless.made).toHaveLength(3);
  });

  test("is made once when the fault is not the platform's, or the object is overloaded", async () => {
    for (const error of [fault({ remote: true }), fault({ retryable: true, overloaded: true })]) {
      const namespace = namespaceOf([error]);
      await expect(ask(namespace)).rejects.toBe(error);
      expect(namespace.made).toHaveLength(1);
    }
    expect(waits).toEqual([]);
  });
});

describe("a fault point", () => {
  test("asks the binding by name, waits for its answer, and is nothing where none is bound", async () => {
    await faultPoint({}, "anything");
    const asked: string[] = [];
    const answer = Promise.withResolvers<Response>();
    const FAULTS = {
      fetch: (request: string) => {
        asked.push(request);
        return answer.promise;
      },
    };
    let passed = false;
    const passing = faultPoint({ FAULTS }, "post:before/1").then(() => {
      passed = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(passed).toBe(false);
    expect(asked.map((url) => decodeURIComponent(new URL(url).pathname))).toEqual(["/post:before/1"]);
    answer.resolve(new Response(null, { status: 204 }));
    await passing;
  });
});
