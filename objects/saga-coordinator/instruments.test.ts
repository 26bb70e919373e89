import { describe, expect, test } from "vitest";
import type { InstrumentAnswer } from "../../schema/rpc/gateway.ts";
import { Instruments } from "./instruments.ts";

const asked: string[] = [];
const knows = (token: string) => async (): Promise<InstrumentAnswer> => {
  asked.push(token);
  return { known: true, fingerprint: `fp_${token}` };
};
const counted = async (work: () => Promise<unknown>): Promise<number> => {
  const before = asked.length;
  await work();
  return asked.length - before;
};

describe("instruments", () => {
  test("once known are not asked about again until the time is up", async () => {
    const instruments = new Instruments({ entries: 10, ttlMs: 1_000 });
    expect(await counted(() => instruments.lookup("tok_1", 0, knows("tok_1")))).toBe(1);
    expect(await counted(() => instruments.lookup("tok_1", 999, knows("tok_1")))).toBe(0);
    expect(await counted(() => instruments.lookup("tok_1", 1_000, knows("tok_1")))).toBe(1);
  });

  test.each<[string, InstrumentAnswer]>([
    ["unknown", { known: false }],
    ["unclear", { known: null }],
  ])("that are %s are asked about every time", async (_, answer) => {
    const instruments = new Instruments();
    let times = 0;
    const ask = async () => {
      times++;
      return answer;
    };
    expect(await instruments.lookup("tok_1", 0, ask)).toEqual(answer);
    expect(await instruments.lookup("tok_1", 0, ask)).toEqual(answer);
    expect([times, instruments.size]).toEqual([2, 0]);
  });

  test("asked about by many at once are asked about once", async () => {
    const instruments = new Instruments();
    const many = () => Promise.all(Array.from({ length: 50 }, () => instruments.lookup("tok_1", 0, knows("tok_1"))));
    expect(await counted(many)).toBe(1);
  });

  test("fill the cache to its limit; one more, and the oldest goes", async () => {
    const instruments = new Instruments({ entries: 3, ttlMs: 1_000 });
    for (const token of ["a", "b", "c", "d"]) await instruments.lookup(token, 0, knows(token));
    expect(instruments.size).toBe(3);
    expect(await counted(() => instruments.lookup("b", 0, knows("b")))).toBe(0);
    expect(await counted(() => instruments.lookup("a", 0, knows("a")))).toBe(1);
  });
});
