import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  createIdSource,
  encodeShard,
  fromUuid,
  hashParts,
  parseId,
  routeCharge,
  routeCommand,
  routeTransfer,
  SHARDS,
  shardOf,
  toUuid,
  USER_PATTERN,
} from "./ids.ts";

const MAX_MS = 2 ** 48 - 1;
const shards = fc.integer({ min: 0, max: SHARDS - 1 });
/** A source whose randomness is the given bytes, over and over. */
const sourceOf = (...bytes: number[]) =>
  createIdSource((out) => out.set(out.map((_, i) => bytes[i % bytes.length] ?? 0)));

describe("an id", () => {
  test("begins with the time it was made, in ULID's letters", () => {
    // 1469918176385 is 01ARYZ6S41 in the examples of github.com/ulid/javascript.
    expect(sourceOf(0).next("chg", 1_469_918_176_385)).toBe(`chg_01ARYZ6S41${"0".repeat(16)}`);
    expect(sourceOf(0).next("chg", 1_469_918_176_385, 15)).toBe(`chg_01ARYZ6S41${"0".repeat(16)}0F`);
    expect(sourceOf(255).next("sag", MAX_MS)).toMatch(/^sag_7ZZZZZZZZZ[0-9A-HJKMNP-TV-Z]{16}$/);
  });

  test("comes back in its parts", () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: MAX_MS }),
        fc.option(shards),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (ms, shard, bytes) => {
          const id = sourceOf(...bytes).next("rfd", ms, shard ?? undefined);
          expect(parseId("rfd", id)).toEqual({ prefix: "rfd", ulid: id.slice(4, 30), createdAtMs: ms, shard });
          expect(shardOf("rfd", id)).toBe(shard);
        },
      ),
    );
  });

  test.each([
    ["another prefix", "chg_01ARYZ6S410000000000000000"],
    ["no prefix", "01ARYZ6S410000000000000000"],
    ["lower case", "pod_01aryz6s410000000000000000"],
    ["a letter ULID does not use", "pod_01ARYZ6S41000000000000000U"],
    ["more than 128 bits", "pod_81ARYZ6S410000000000000000"],
    ["too short", "pod_01ARYZ6S41000000000000000"],
    ["half a shard", "pod_01ARYZ6S4100000000000000000"],
    ["too long", "pod_01ARYZ6S41000000000000000000000"],
    ["a shard that does not exist", `pod_01ARYZ6S410000000000000000${encodeShard(SHARDS)}`],
    ["a line break", "pod_01ARYZ6S410000000000000000\n"],
    ["nothing", ""],
  ])("that is malformed is none: %s", (_, text) => {
    expect(parseId("pod", text)).toBeNull();
    expect(shardOf("pod", text)).toBeNull();
  });

  test("of the last shard is read", () => {
    expect(shardOf("pod", `pod_01ARYZ6S410000000000000000${encodeShard(SHARDS - 1)}`)).toBe(SHARDS - 1);
    expect([0, 31, 32, 1023].map(encodeShard)).toEqual(["00", "0Z", "10", "ZZ"]);
  });
});

describe("an id source", () => {
  test("never repeats and never goes back, whatever its clock does", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1_000, max: 1_005 }), { minLength: 2, maxLength: 50 }),
        fc.uint8Array({ minLength: 10, maxLength: 10 }),
        (times, bytes) => {
          const source = sourceOf(...bytes);
          const ids = times.map((ms) => source.next("evt", ms));
          expect(ids).toEqual([...new Set(ids)].sort());
        },
      ),
    );
  });

  test("counts up within a millisecond from as high as randomness goes, without running over", () => {
    const source = sourceOf(255);
    const [first, second] = [source.next("evt", 1), source.next("evt", 1)];
    expect(second > first).toBe(true);
    expect(parseId("evt", second)?.createdAtMs).toBe(1);
  });
});

describe("a UUID", () => {
  test("holds the same 128 bits, there and back, the shard aside", () => {
    // The ULID of the specification and its UUID, as other implementations print them.
    expect(toUuid("pod_01ARZ3NDEKTSV4RRFFQ69G5FAV")).toBe("01563e3a-b5d3-d676-4c61-efb99302bd5b");
    fc.assert(
      fc.property(fc.uuid(), fc.option(shards), (uuid, shard) => {
        const id = fromUuid("chg", uuid, shard ?? undefined);
        expect(toUuid(id)).toBe(uuid);
        expect(parseId("chg", id)?.shard).toBe(shard);
        expect(fromUuid("chg", uuid.toUpperCase(), shard ?? undefined)).toBe(id);
      }),
    );
  });

  test("is nothing else", () => {
    expect(() => toUuid("chg_short")).toThrow("not an id");
    expect(() => fromUuid("chg", "01563e3ab5d3d6764c61efb99302bd5b")).toThrow("not a UUID");
  });
});

describe("routing", () => {
  /**
   * Golden: a command that changed shards would be done twice. Each is
   * `for p in PARTS; do printf '%d:%s' "$(printf %s "$p" | wc -c)" "$p"; done | sha256sum`, whose eighth digit, mod 8, is the shard.
   */
  test("finds the shard it always found", () => {
    expect(Buffer.from(hashParts("ann", "charge.create", "pod_01JZ", "key-1")).toString("hex")).toBe(
      "a9d2f5ed24738ced42909b8197896d942874faae6e840af9ca84406cbd6328f6",
    );
    expect(SHARDS).toBe(8);
    expect(routeCommand("ann", "charge.create", "pod_01JZ", "key-1")).toBe(0xd % 8);
    expect(routeCommand("ann", "charge.create", "pod_01JZ", "key-2")).toBe(0x4);
    expect(routeCommand("", "", "", "")).toBe(0xa % 8);
    expect(routeCommand("bob", "ledger.transfer", "", "ключ")).toBe(0x1);
    expect(routeTransfer("trf_01JZZZZZZZZZZZZZZZZZZZZZZZ")).toBe(0x9 % 8);
  });

  test("finds a pod's charges in two shards, the same for the same key", () => {
    const met = new Set(Array.from({ length: 100 }, (_, i) => routeCharge("ann", "pod_01JZ", `key-${i}`)));
    expect([...met].sort()).toEqual([1, 5]);
    expect(routeCharge("ann", "pod_01JZ", "key-1")).toBe(5);
    expect(routeCharge("ann", "pod_01JZ", "key-2")).toBe(1);
    const pods = new Set(Array.from({ length: 400 }, (_, i) => routeCharge("ann", `pod_${i}`, "key")));
    expect(pods.size).toBe(SHARDS);
  });

  test("never confuses two lists of parts", () => {
    const parts = fc.array(fc.string({ unit: fc.constantFrom("1", ":", "a", "é") }), { maxLength: 4 });
    fc.assert(
      fc.property(parts, parts, (left, right) => {
        const same = Buffer.compare(hashParts(...left), hashParts(...right)) === 0;
        expect(same).toBe(JSON.stringify(left) === JSON.stringify(right));
      }),
      { numRuns: 500 },
    );
    expect(hashParts("ab", "c")).not.toEqual(hashParts("a", "bc"));
    expect(hashParts("a", "")).not.toEqual(hashParts("a"));
  });

  test("spreads commands over all shards", () => {
    const met = new Set(Array.from({ length: 400 }, (_, i) => routeCommand("ann", "charge.create", "pod", `key-${i}`)));
    expect(met.size).toBe(SHARDS);
  });
});

test("a user id is a token's subject and never an e-mail address", () => {
  for (const user of ["ann", "auth0.5f7c", "A-b_c", "x".repeat(64)]) expect(USER_PATTERN.test(user)).toBe(true);
  for (const user of ["", "x".repeat(65), "ann@example.org", "a:b", "a b", "ann\n"])
    expect(USER_PATTERN.test(user)).toBe(false);
});
