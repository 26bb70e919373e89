import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { bodyHash, canonicalJson, chainHash, type EventBody, GENESIS_HASH, upcast } from "./events.ts";
import { isRun } from "./run-shape.ts";

const BODY = '{"amount":"12.34","note":"é💶"}';

describe("the chain", () => {
  test("is SHA-256 over the previous hash's bytes and the body's", () => {
    // (printf '0%.0s' $(seq 64) | xxd -r -p; printf '%s' "$BODY") | sha256sum
    expect(chainHash(GENESIS_HASH, BODY)).toBe("2ee875a4cab894da4147f628745c5b85bcf65c15488f5deead7d9127c2bfc1d2");
    // printf '%s' "$BODY" | sha256sum
    expect(bodyHash({ note: "é💶", amount: "12.34" })).toBe(
      "f2b0285bcffea31f6d7ddc122d4216025cebb0b9161a22084ae710465c8c6f75",
    );
  });

  test("depends on every byte before it", () => {
    fc.assert(
      fc.property(fc.json(), fc.json(), (first, second) => {
        const [a, b] = [chainHash(GENESIS_HASH, first), chainHash(GENESIS_HASH, second)];
        expect(a === b).toBe(first === second);
        expect(chainHash(a, BODY) === chainHash(b, BODY)).toBe(first === second);
      }),
    );
  });
});

describe("the canonical text of a body", () => {
  test("is RFC 8785's, and does not depend on the order of its members", () => {
    expect(canonicalJson({ b: [1, { d: null, c: "\u20ac\u000f" }], a: '\u00f6/"' })).toBe(
      '{"a":"\u00f6/\\"","b":[1,{"c":"\u20ac\\u000f","d":null}]}',
    );
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: "grapheme" }), fc.jsonValue({ stringUnit: "grapheme" })), (value) => {
        const shuffled = Object.fromEntries(Object.entries(value).reverse());
        expect(canonicalJson(shuffled)).toBe(canonicalJson(value));
        expect(canonicalJson(JSON.parse(canonicalJson(value)))).toBe(canonicalJson(value));
      }),
    );
  });

  test("leaves out what is not there, and refuses what JSON cannot say", () => {
    expect(canonicalJson({ a: undefined, b: 1 })).toBe('{"b":1}');
    for (const value of [undefined, Number.NaN, Number.POSITIVE_INFINITY, 1n, "\ud800"]) {
      expect(() => canonicalJson(value)).toThrow();
    }
  });
});

const EVENT: EventBody = {
  stream: "pod/pod_1",
  seq: "1",
  id: "evt_1",
  type: "pod.created",
  version: "1",
  recorded_at: "2026-01-01T00:00:00.000Z",
  effective_at: "2026-01-01T00:00:00.000Z",
  correlation: "req_1",
  causation: null,
  principal: { user: "ann", client_id: "app" },
  data: { name: "trip", members: [{ user: "ann" }] },
};

describe("a queue message", () => {
  const row = { seq: 1, event: EVENT, prev_hash: GENESIS_HASH, hash: chainHash(GENESIS_HASH, canonicalJson(EVENT)) };
  const run = { stream: EVENT.stream, from: 1, head: 1, events: [row] };

  test("is a run, or a beacon without events", () => {
    expect(isRun(structuredClone(run))).toBe(true);
    expect(isRun({ ...run, from: 2, events: [] })).toBe(true);
  });

  test.each([
    ["another field", { ...run, extra: 1 }],
    ["no stream", { ...run, stream: "" }],
    ["a seq that is no integer", { ...run, from: 0.5 }],
    ["a body with another field", { ...run, events: [{ ...row, event: { ...EVENT, extra: 1 } }] }],
    ["a body numbered from zero", { ...run, events: [{ ...row, event: { ...EVENT, seq: "0" } }] }],
    ["no principal", { ...run, events: [{ ...row, event: { ...EVENT, principal: null } }] }],
    [
      "a principal of more than two words",
      { ...run, events: [{ ...row, event: { ...EVENT, principal: { ...EVENT.principal, scope: "admin" } } }] },
    ],
    [
      "one field in the place of another",
      { ...run, events: [{ ...row, event: { ...EVENT, causation: undefined, cause: null } }] },
    ],
    ["a field left out", { ...run, events: [{ seq: 1, event: EVENT, hash: row.hash }] }],
    ["a hash that is no text", { ...run, events: [{ ...row, hash: 1 }] }],
    ["data that is a list", { ...run, events: [{ ...row, event: { ...EVENT, data: [] } }] }],
    ["events that are none", { ...run, events: { 0: row } }],
    ["a stream's name beyond all measure", { ...run, stream: "x".repeat(201) }],
  ])("is refused with %s", (_, message) => {
    expect(isRun(message)).toBe(false);
  });
});

test("an event at its type's current version is read as it is stored", () => {
  expect(upcast(EVENT)).toBe(EVENT);
});
