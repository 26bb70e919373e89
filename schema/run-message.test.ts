import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EVENT } from "./event.fixture.ts";
import { canonicalJson, chainHash, type EventBody, GENESIS_HASH, type JsonObject } from "./events.ts";
import { beacon, countOf, MAX_RUN_EVENTS, openRun, type RunMessage } from "./run-message.ts";

const STREAM = EVENT.stream;

/** The message of a log whose events say this, whole. */
const messageOf = (events: readonly object[], from = 1): RunMessage => {
  const lines = events.map(canonicalJson);
  const hash = lines.reduce(chainHash, GENESIS_HASH);
  return { stream: STREAM, from, head: events.length, prev_hash: GENESIS_HASH, hash, events: lines.join("\n") };
};
const saying = (data: readonly JsonObject[]): EventBody[] =>
  data.map((said, index) => ({ ...EVENT, seq: String(index + 1), data: said }));

describe("a queue message", () => {
  test("is opened to the very events that were stored, with the hashes of the log", () => {
    // Any text may be in it, a line break too: its canonical form holds none.
    const said = fc.dictionary(fc.string({ unit: "grapheme" }), fc.string({ unit: "grapheme" }));
    fc.assert(
      fc.property(fc.array(said, { minLength: 1, maxLength: 8 }), (data) => {
        const events = saying(data);
        const message = messageOf(events);
        const travelled = JSON.parse(JSON.stringify(message)) as unknown;
        const opened = openRun(travelled);
        expect(opened).toMatchObject({ asHashed: true, run: { stream: STREAM, from: 1, head: events.length } });
        expect(opened?.run.events.map(({ event }) => event)).toEqual(events);
        expect(opened?.run.events.map(({ seq }) => seq)).toEqual(events.map((_, index) => index + 1));
        expect(opened?.run.events.at(-1)?.hash).toBe(message.hash);
        expect(opened?.run.events.slice(1).map(({ prev_hash }) => prev_hash)).toEqual(
          opened?.run.events.slice(0, -1).map(({ hash }) => hash),
        );
        expect(countOf(message)).toBe(events.length);
      }),
    );
  });

  test("is a beacon where it brings no event", () => {
    expect(openRun(beacon(STREAM, 2, 1))).toEqual({
      run: { stream: STREAM, from: 2, head: 1, events: [] },
      asHashed: true,
    });
    expect(countOf(beacon(STREAM, 2, 1))).toBe(0);
  });

  test("says so when a byte of it is another on arrival", () => {
    const message = messageOf(saying([{ name: "trip" }, { name: "rent" }]));
    const forged = { ...message, events: message.events.replace("trip", "trap") };
    expect(openRun(forged)?.asHashed).toBe(false);
    expect(openRun({ ...message, prev_hash: "f".repeat(64) })?.asHashed).toBe(false);
    expect(openRun({ ...message, events: message.events.split("\n")[0] })?.asHashed).toBe(false);
  });

  test("brings 64 events at most", () => {
    const many = (count: number) => openRun(messageOf(saying(Array(count).fill({}))));
    expect(many(MAX_RUN_EVENTS)?.run.events).toHaveLength(64);
    expect(many(MAX_RUN_EVENTS + 1)).toBeNull();
  });

  const message = messageOf([EVENT]);
  test.each<[string, unknown]>([
    ["another field", { ...message, extra: 1 }],
    ["a field left out", { stream: STREAM, from: 1, head: 1, prev_hash: GENESIS_HASH, events: message.events }],
    ["no stream", { ...message, stream: "" }],
    ["a stream's name beyond all measure", { ...message, stream: "x".repeat(201) }],
    ["a seq that is no integer", { ...message, from: 0.5 }],
    ["a hash that is no text", { ...message, hash: 1 }],
    ["half a byte of a hash", { ...message, prev_hash: message.prev_hash.slice(1) }],
    ["events that are a list", { ...message, events: [EVENT] }],
    ["a line that is no JSON", { ...message, events: `${message.events}\n{` }],
    ["an empty line", { ...message, events: `${message.events}\n` }],
    ["a body with another field", messageOf([{ ...EVENT, extra: 1 }])],
    ["a body numbered from zero", messageOf([{ ...EVENT, seq: "0" }])],
    ["no principal", messageOf([{ ...EVENT, principal: null }])],
    [
      "a principal of more than two words",
      messageOf([{ ...EVENT, principal: { ...EVENT.principal, scope: "admin" } }]),
    ],
    ["one field in the place of another", messageOf([{ ...EVENT, causation: undefined, cause: null }])],
    ["data that is a list", messageOf([{ ...EVENT, data: [] }])],
    ["nothing in it", null],
  ])("is refused with %s", (_, found) => {
    expect(openRun(found)).toBeNull();
  });
});
