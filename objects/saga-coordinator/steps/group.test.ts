import { describe, expect, it } from "vitest";
import { reject } from "../../../schema/rejections.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { cancel, takeUp } from "../decide.ts";
import { T0, told } from "../testing/fixtures.ts";
import { beginKind } from "../testing/kind-fixtures.ts";
import { HELD } from "../testing/kinds.ts";
import { scripted } from "../testing/port.ts";
import { callBranches } from "./group.ts";
import type { Call, Move } from "./move.ts";

const GROUP = { type: "group", branches: ["alice", "bob", "pod"] } as const;
type Answers = Readonly<Record<string, Move | Error>>;

/** Calls the branches of the group at hand; `called`: those that were. */
const round = async (saga: Saga, answers: Answers): Promise<{ saga: Saga; called: string[]; move: Move }> => {
  const called: string[] = [];
  const callOf =
    (branch: string): Call =>
    async () => {
      called.push(branch);
      const answer = answers[branch];
      if (answer instanceof Error || answer === undefined) throw answer ?? new Error("lost");
      return answer;
    };
  const move = await callBranches(saga, GROUP, callOf, scripted({}).port);
  return { saga: told(saga, move), called, move };
};

const done = (result?: Move["result"]): Move => ({ outcome: "done", ...(result === undefined ? {} : { result }) });
const no: Move = {
  outcome: "declined",
  declined: {
    rejection: reject("insufficient_funds", "no").rejection,
    code: "upstream_unavailable",
    decline_reason: "insufficient_funds",
  },
};
const held = beginKind(HELD);
const at = (saga: Saga) => saga.steps[saga.cursor];

describe("a group", () => {
  it("is done when every branch is, each with what it answered", async () => {
    const { saga, called } = await round(held, { alice: done({ seq: "1" }), bob: done(), pod: done() });
    expect(called).toEqual(["alice", "bob", "pod"]);
    expect(at(saga)?.name).toBe("decide");
    expect(saga.steps[0]?.result).toEqual({
      branches: {
        alice: { outcome: "done", result: { seq: "1" } },
        bob: { outcome: "done" },
        pod: { outcome: "done" },
      },
    });
  });

  it("calls only those again whose end is not in the journal", async () => {
    const first = await round(held, { alice: done(), bob: new Error("lost"), pod: { outcome: "not_sent" } });
    expect(at(first.saga)).toMatchObject({
      name: "holds",
      status: "intent",
      result: { branches: { alice: { outcome: "done" } } },
    });
    const second = await round(takeUp(first.saga, T0 + 60_000) as Saga, { bob: done(), pod: done() });
    expect(second.called).toEqual(["bob", "pod"]);
    expect(at(second.saga)?.name).toBe("decide");
    expect(Object.keys((second.saga.steps[0]?.result?.branches ?? {}) as object)).toEqual(["alice", "bob", "pod"]);
  });

  it("calls all of them again after a crash that left no entry", async () => {
    const taken = takeUp(held, T0 + 1) as Saga;
    expect((await round(taken, { alice: done(), bob: done(), pod: done() })).called).toHaveLength(3);
  });

  it("goes back when one says no, and undoes every branch: also those that said no, and those of which nobody knows", async () => {
    const { saga } = await round(held, { alice: done(), bob: no, pod: new Error("lost") });
    expect(saga).toMatchObject({
      status: "compensating",
      failure: { cause: "refused", rejection: { code: "insufficient_funds" } },
    });
    expect(at(saga)).toMatchObject({ name: "holds", phase: "compensate", status: "declined" });
    expect(at(saga)?.result).toEqual({
      branches: { alice: { outcome: "done" }, bob: { outcome: "declined", code: "insufficient_funds" } },
    });
    const first = await round(saga, { alice: done(), bob: new Error("lost"), pod: done() });
    expect(first.called).toEqual(["alice", "bob", "pod"]);
    expect(first.saga.status).toBe("compensating");
    const second = await round(takeUp(first.saga, T0 + 60_000) as Saga, { bob: done() });
    expect([second.called, second.saga.status]).toEqual([["bob"], "compensated"]);
  });

  it("is undone in every branch when it is taken back later", async () => {
    const { saga } = await round(held, { alice: done(), bob: new Error("lost"), pod: done() });
    const back = cancel(saga, T0) as Saga;
    const undone = await round(back, { alice: done(), bob: done(), pod: done() });
    expect([undone.called.length, undone.saga.status]).toEqual([3, "compensated"]);
  });

  it("goes by the first of its branches that said no, whichever answered first", async () => {
    const other = { ...no, declined: { ...no.declined, decline_reason: "other" } } as Move;
    const { move } = await round(held, { alice: done(), bob: no, pod: other });
    expect(move.declined?.decline_reason).toBe("insufficient_funds");
  });

  it("is parked where a branch is beyond the rules, whatever the others say", async () => {
    const { saga } = await round(held, { alice: no, bob: { outcome: "unknown", park: "odd" }, pod: done() });
    expect(saga).toMatchObject({ status: "parked", parked_reason: "bob: odd" });
    expect(at(saga)?.result).toMatchObject({ branches: { pod: { outcome: "done" } } });
  });

  it("spends no attempt where nothing left the house, and waits as long as whoever wants the most", async () => {
    const notSent = (retryInMs: number): Move => ({ outcome: "not_sent", retryInMs });
    const { move, saga } = await round(held, {
      alice: done(),
      bob: notSent(5_000),
      pod: { ...notSent(1), notBeforeMs: 9_000 },
    });
    expect(move).toMatchObject({ outcome: "not_sent", notBeforeMs: 9_000 });
    expect(at(saga)).toMatchObject({ attempts: 0, next_at: new Date(T0 + 9_000).toISOString() });
    const mixed = await round(held, { alice: notSent(1), bob: { outcome: "unknown" }, pod: done() });
    expect(mixed.move).toMatchObject({ outcome: "unknown", notBeforeMs: 1 });
  });

  it("shows why a branch was not answered, where that was said", async () => {
    const error = reject("overloaded", "full").rejection;
    const { saga } = await round(held, {
      alice: { outcome: "unknown" },
      bob: { outcome: "unknown", error },
      pod: done(),
    });
    expect(at(saga)?.error).toEqual(error);
    const silent = await round(held, { alice: { outcome: "unknown" }, bob: done(), pod: done() });
    expect("error" in silent.move).toBe(false);
  });
});
