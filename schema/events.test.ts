import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { EVENT } from "./event.fixture.ts";
import { bodyHash, canonicalJson, chainHash, GENESIS_HASH, upcast } from "./events.ts";

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

test("an event at its type's current version is read as it is stored", () => {
  expect(upcast(EVENT)).toBe(EVENT);
});
