import { describe, expect, test, vi } from "vitest";
import type { LogRow } from "../../schema/events.ts";
import type { PodNews } from "../../schema/rpc/feed.ts";
import { EMPTY_HEAD } from "../kit/event-log.ts";
import { FeedTeller } from "./feed-teller.ts";

const NOW = 1_000_000;

/** A pod's log and timers in memory, and a feed that answers as it is told to. */
const stage = (seq = 0) => {
  const rows = (from: number, to: number) =>
    Array.from({ length: Math.max(0, to - from) }, (_, index) => ({ seq: from + index + 1 }) as LogRow);
  const state = { seq, due: null as number | null, told: [] as PodNews[], answer: async () => ({ watched: true }) };
  const log = {
    stream: "pod/pod_1",
    head: () => ({ ...EMPTY_HEAD, seq: state.seq }),
    read: (after: number, limit: number) => rows(after, Math.min(state.seq, after + limit)),
  };
  const timers = {
    dueAt: () => state.due,
    set: (_kind: string, _key: string, at: number) => {
      state.due = at;
    },
    clear: () => {
      state.due = null;
    },
  };
  const tell = async (news: PodNews) => {
    state.told.push(news);
    return state.answer();
  };
  return { state, teller: () => new FeedTeller(log, timers, { now: () => NOW }, tell) };
};

const told = (news: readonly PodNews[]) => news.map(({ head, rows }) => [head, rows.map(({ seq }) => seq)]);

describe("a pod and its feed", () => {
  test("nobody watches: no call, no timer", async () => {
    const { state, teller } = stage(3);
    const pod = teller();
    state.seq = 5;
    await pod.drain();
    expect([state.told, state.due]).toEqual([[], null]);
  });

  test("watched, it tells what was committed since, once, in calls of at most 64", async () => {
    const { state, teller } = stage(3);
    const pod = teller();
    pod.watch();
    state.seq = 3 + 64 + 1;
    await pod.drain();
    await pod.drain();
    expect(state.told.map(({ rows }) => [rows[0]?.seq, rows.length])).toEqual([
      [4, 64],
      [68, 1],
    ]);
  });

  test("what is committed while it tells is told by the same drain", async () => {
    const { state, teller } = stage();
    const pod = teller();
    pod.watch();
    state.seq = 1;
    state.answer = async () => {
      if (state.seq === 1) {
        state.seq = 2;
        await pod.drain();
      }
      return { watched: true };
    };
    await pod.drain();
    expect(told(state.told)).toEqual([
      [1, [1]],
      [2, [2]],
    ]);
  });

  test("nobody is left: it stops, and the timer goes", async () => {
    const { state, teller } = stage();
    const pod = teller();
    pod.watch();
    state.answer = async () => ({ watched: false });
    state.seq = 1;
    await pod.drain();
    state.seq = 2;
    await pod.drain();
    expect([told(state.told), state.due, pod.watched]).toEqual([[[1, [1]]], null, false]);
  });

  test("somebody who came while the feed said that nobody was left is not forgotten", async () => {
    const { state, teller } = stage();
    const pod = teller();
    pod.watch();
    state.answer = async () => {
      pod.watch();
      return { watched: false };
    };
    state.seq = 1;
    await pod.drain();
    expect([pod.watched, state.due === null]).toEqual([true, false]);
  });

  test("a call that fails is made again by the timer, soon, with everything that is untold", async () => {
    vi.spyOn(console, "error").mockImplementation(() => undefined);
    const { state, teller } = stage();
    const pod = teller();
    pod.watch();
    state.answer = async () => {
      throw new Error("out of reach");
    };
    state.seq = 1;
    await pod.drain();
    expect(state.due).toBe(NOW + 5_000);
    state.answer = async () => ({ watched: true });
    state.seq = 2;
    await pod.look();
    expect([told(state.told).at(-1), state.due]).toEqual([[2, [1, 2]], NOW + 3_600_000]);
  });

  test("waking while watched it says how far its log goes, even with nothing to tell", async () => {
    const { state, teller } = stage(7);
    teller().watch();
    expect(state.due).not.toBeNull();
    const woken = teller();
    expect(woken.watched).toBe(true);
    await woken.look();
    expect(told(state.told)).toEqual([[7, []]]);
  });
});
