import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { canonicalJson, chainHash, GENESIS_HASH } from "../../schema/events.ts";
import type { StoredEvent } from "./log-rows.ts";
import { openSegment, sealSegment } from "./segments.ts";

const STREAM = "wallet/ann";
const HASH_BEFORE = chainHash(GENESIS_HASH, "what came before");

/** Events from a seq on, well chained, with these texts in them. */
const eventsOf = (from: number, notes: readonly string[]): StoredEvent[] => {
  let hash = HASH_BEFORE;
  return notes.map((note, at) => {
    const seq = from + at;
    const body = canonicalJson({ stream: STREAM, seq: String(seq), data: { note } });
    hash = chainHash(hash, body);
    return { seq, body, hash };
  });
};
/** Line breaks and what UTF-8 takes two to four bytes for included. */
const notes = fc.array(fc.string({ unit: "binary", maxLength: 20 }), { minLength: 1, maxLength: 12 });
const log = fc.tuple(fc.integer({ min: 1, max: 10_000 }), notes).map(([from, texts]) => eventsOf(from, texts));

describe("a segment", () => {
  test("opened is what was sealed, each event with its place in the chain", () => {
    fc.assert(
      fc.property(log, (events) => {
        const { segment, text } = sealSegment(HASH_BEFORE, events);
        const { rows, failure } = openSegment(segment, STREAM, text);
        expect(failure).toBeNull();
        expect(rows.map(({ seq, event, hash }) => ({ seq, body: canonicalJson(event), hash }))).toEqual(events);
        expect(rows.map(({ prev_hash }) => prev_hash)).toEqual([
          HASH_BEFORE,
          ...events.slice(0, -1).map(({ hash }) => hash),
        ]);
        expect(text.split("\n")).toHaveLength(events.length + 1);
      }),
    );
  });

  test("with any byte flipped names the event it lies in, or the one after its line's end", () => {
    fc.assert(
      fc.property(log, fc.nat(), fc.integer({ min: 1, max: 255 }), (events, at, mask) => {
        const { segment, text } = sealSegment(HASH_BEFORE, events);
        const bytes = Buffer.from(text);
        const place = at % bytes.length;
        const line = bytes.subarray(0, place).filter((byte: number) => byte === 0x0a).length;
        bytes[place] = (bytes[place] ?? 0) ^ mask;
        const { rows, failure } = openSegment(segment, STREAM, bytes.toString("utf8"));
        expect(failure?.seq).toBe(segment.from + line);
        expect(rows.map(({ seq }) => seq)).toEqual(events.slice(0, line).map(({ seq }) => seq));
      }),
    );
  });

  test("with an event left out, doubled or moved names the first that is not in its place", () => {
    fc.assert(
      fc.property(log, fc.nat(), fc.constantFrom("left out", "doubled", "moved"), (events, at, how) => {
        const { segment, text } = sealSegment(HASH_BEFORE, events);
        const lines = text.split("\n").slice(0, -1);
        const place = at % lines.length;
        const [line = ""] = lines.slice(place);
        if (how === "left out") lines.splice(place, 1);
        if (how === "doubled") lines.splice(place, 0, line);
        if (how === "moved") lines.push(...lines.splice(place, 1));
        const { failure } = openSegment(segment, STREAM, lines.map((each) => `${each}\n`).join(""));
        const isLast = place === events.length - 1;
        if (how === "moved" && isLast) expect(failure).toBeNull();
        // Doubled, the first of the two is in its place.
        else expect(failure?.seq).toBe(segment.from + (how === "doubled" && !isLast ? place + 1 : place));
      }),
    );
  });

  test("of another stream, or that is gone, is named by its first event", () => {
    const { segment, text } = sealSegment(HASH_BEFORE, eventsOf(7, ["a", "b"]));
    expect(openSegment(segment, "wallet/bob", text).failure).toEqual({
      seq: 7,
      reason: "sealed: event of another stream",
    });
    expect(openSegment(segment, STREAM, null).failure).toEqual({ seq: 7, reason: "sealed: the segment is missing" });
  });

  test("holds at least one event", () => {
    expect(() => sealSegment(HASH_BEFORE, [])).toThrow("at least one event");
  });
});
