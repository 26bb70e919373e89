import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson } from "../../schema/events.ts";
import { MAX_ROW_CHARS, MAX_ROW_EVENTS, packRows, type StoredEvent, unpackRow } from "./log-rows.ts";

const event = (seq: number, body: string): StoredEvent => ({ seq, body, hash: `hash of ${seq}` });
const events = (count: number, body = "{}"): StoredEvent[] =>
  Array.from({ length: count }, (_, at) => event(at + 1, body));

describe("a commit's events", () => {
  test("share one row, under the last one's seq, and a single one is its row", () => {
    expect(packRows([event(7, '{"a":1}'), event(8, "{}")])).toEqual([
      { seq: 8, body: '{"a":1}\n{}', hash: "hash of 7\nhash of 8" },
    ]);
    expect(packRows(events(1))).toEqual(events(1));
    expect(packRows([])).toEqual([]);
  });

  test("lie in rows of at most 64 events and 100,000 characters, but for one that is longer by itself", () => {
    const sizes = (rows: readonly StoredEvent[]) => rows.map((row) => unpackRow(row).length);
    expect(sizes(packRows(events(MAX_ROW_EVENTS)))).toEqual([64]);
    expect(sizes(packRows(events(MAX_ROW_EVENTS + 1)))).toEqual([64, 1]);
    const half = "x".repeat(MAX_ROW_CHARS / 2 - 1);
    expect(packRows(events(2, half)).map(({ body }) => body.length)).toEqual([MAX_ROW_CHARS - 1]);
    expect(sizes(packRows([event(1, half), event(2, `${half}xx`)]))).toEqual([1, 1]);
    expect(sizes(packRows(events(2, "x".repeat(MAX_ROW_CHARS + 1))))).toEqual([1, 1]);
  });

  test("are read as they were written, whatever is in them", () => {
    fc.assert(
      fc.property(fc.array(fc.string({ unit: "binary" }), { maxLength: 150 }), fc.nat(1_000), (notes, after) => {
        const written = notes.map((note, at) => event(after + at + 1, canonicalJson({ note: `\n${note}\r` })));
        expect(packRows(written).flatMap(unpackRow)).toEqual(written);
      }),
    );
  });
});

describe("a row that was tampered with", () => {
  test("keeps the places of its events where a line is missing, so that the first that does not fit is named", () => {
    expect(unpackRow({ seq: 8, body: "{}", hash: "a\nb" })).toEqual([
      { seq: 7, body: "{}", hash: "a" },
      { seq: 8, body: "", hash: "b" },
    ]);
    expect(unpackRow({ seq: 8, body: "{}\n{}", hash: "b" }).map(({ seq }) => seq)).toEqual([7, 8]);
  });
});
