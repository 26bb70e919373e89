import { describe, expect, it } from "vitest";
import { MAX_PACK_CHARS, MAX_PACK_EVENTS, packUnits } from "./packs.ts";
import { NEW_STREAM } from "./runs.ts";
import { logOf } from "./testing/logs.ts";

const work = (stream: string, count: number, text = "") => {
  const rows = logOf(
    stream,
    Array.from({ length: count }, () => ({ type: "noted", data: { text } })),
  );
  return { stream, from: NEW_STREAM, rows };
};
const shape = (packs: ReturnType<typeof packUnits<string>>) =>
  packs.map((pack) => pack.map(({ stream, from, rows }) => `${stream} ${from.seq}+${rows.length}`));

describe("packing streams into batches", () => {
  it("puts many short streams into one", () => {
    expect(shape(packUnits([work("a", 2), work("b", 1), work("c", 3)]))).toEqual([["a 0+2", "b 0+1", "c 0+3"]]);
  });

  it("makes nothing of nothing", () => {
    expect(packUnits([])).toEqual([]);
    expect(packUnits([work("a", 0)])).toEqual([]);
  });

  it("fills a batch to its maximum of events and begins another with one more", () => {
    expect(shape(packUnits([work("a", MAX_PACK_EVENTS)]))).toEqual([["a 0+256"]]);
    expect(shape(packUnits([work("a", MAX_PACK_EVENTS + 1)]))).toEqual([["a 0+256"], ["a 256+1"]]);
  });

  it("goes on with a split stream from the hash where the batch before ends", () => {
    const long = work("a", MAX_PACK_EVENTS + 1);
    expect(packUnits([long])[1]?.[0]?.from).toEqual({ seq: 256, hash: long.rows[255]?.hash });
  });

  it("bounds what a batch weighs", () => {
    const heavy = "x".repeat(30_000);
    for (const pack of packUnits([work("a", 100, heavy), work("b", 100, heavy)])) {
      const chars = pack
        .flatMap(({ rows }) => rows)
        .reduce((sum, row) => sum + JSON.stringify(row.event.data).length, 0);
      expect(chars).toBeLessThanOrEqual(MAX_PACK_CHARS);
    }
  });
});
