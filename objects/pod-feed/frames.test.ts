import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { FEED_LIMITS } from "../../schema/feed.ts";
import { ROLES } from "../../schema/permissions.ts";
import { rowOf } from "./fixtures.ts";
import { expelledBy, parseFrame } from "./frames.ts";

describe("a client's frame", () => {
  test("is an ack or a ticket", () => {
    expect(parseFrame('{"type":"ack","seq":7}')).toEqual({ type: "ack", seq: 7 });
    expect(parseFrame('{"type":"auth","ticket":"t","more":1}')).toEqual({ type: "auth", ticket: "t" });
  });

  test.each([
    "",
    "ack",
    "null",
    "[]",
    '{"type":"ack"}',
    '{"type":"ack","seq":"7"}',
    '{"type":"ack","seq":-1}',
    '{"type":"ack","seq":1.5}',
    '{"type":"ack","seq":1e300}',
    '{"type":"auth","ticket":7}',
    '{"type":"event","seq":1}',
  ])("is not %s", (text) => {
    expect(parseFrame(text)).toBeNull();
  });

  test("of any text never throws, and one too long is none", () => {
    fc.assert(fc.property(fc.string(), (text) => parseFrame(text) === null || text.startsWith("{")));
    const padded = (length: number) => `{"type":"ack","seq":7}`.padEnd(length);
    expect(parseFrame(padded(FEED_LIMITS.frame))).not.toBeNull();
    expect(parseFrame(padded(FEED_LIMITS.frame + 1))).toBeNull();
  });
});

describe("an event that ends a right to read", () => {
  test("is a removal; a change between today's roles, all of which read, is none", () => {
    const data = { pod: "pod_1", user: "bob", from: "owner" };
    expect(expelledBy(rowOf(1, { type: "member.removed", data }).event)).toBe("bob");
    for (const to of ROLES) {
      expect([to, expelledBy(rowOf(1, { type: "member.role_changed", data: { ...data, to } }).event)]).toEqual([
        to,
        null,
      ]);
    }
  });

  test("is a change to a role that may not read", () => {
    const data = { pod: "pod_1", user: "bob", from: "member", to: "guest" };
    expect(expelledBy(rowOf(1, { type: "member.role_changed", data }).event)).toBe("bob");
  });
});
