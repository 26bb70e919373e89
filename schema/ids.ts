import { createHash } from "node:crypto";

/**
 * Identifiers: `<prefix>_<ULID>` and, where one actor shard owns the thing, two base32 characters naming that shard, so that a
 * path holding nothing but an id finds its actor. They sort by the time they were made.
 * ULID: 48 bits of milliseconds, 80 random bits, Crockford base32 (https://github.com/ulid/spec).
 */
const ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const ULID = /^[0-7][0-9A-HJKMNP-TV-Z]{25}$/;

export type IdPrefix =
  | "pod"
  | "inv"
  | "chg"
  | "rfd"
  | "pot"
  | "fxq"
  | "trf"
  | "hld"
  | "dsp"
  | "sch"
  | "pye"
  | "ins"
  | "sag"
  | "whe"
  | "dlv"
  | "key"
  | "evt"
  | "vrf"
  | "rbd"
  | "mon";

/** Where time comes from: milliseconds since the epoch. Injected everywhere, so that tests own it. */
export type Clock = { now(): number };

/** Where ids come from. `next` never repeats and never sorts before an id it made earlier for the same or an earlier time. */
export type IdSource = { next(prefix: IdPrefix, nowMs: number, shard?: number): string };

/** How many coordinator shards a deployment has. Changing it is a migration with the door shut. */
export const SHARDS = 8;

const encodeBase32 = (value: bigint, length: number): string => {
  let out = "";
  let rest = value;
  for (let i = 0; i < length; i++) {
    out = ALPHABET[Number(rest & 31n)] + out;
    rest >>= 5n;
  }
  return out;
};

const decodeBase32 = (text: string): bigint => {
  let value = 0n;
  for (const char of text) value = (value << 5n) | BigInt(ALPHABET.indexOf(char));
  return value;
};

/** Two base32 characters for a shard number 0–1023. */
export const encodeShard = (shard: number): string => encodeBase32(BigInt(shard), 2);

/**
 * A monotonic ULID source over injected randomness. Within one millisecond the random part counts up, so ids made by one
 * source sort in the order they were made.
 */
export const createIdSource = (random: (bytes: Uint8Array<ArrayBuffer>) => void): IdSource => {
  let lastMs = -1;
  let lastRandom = 0n;
  return {
    next(prefix, nowMs, shard) {
      const ms = Math.max(nowMs, lastMs);
      if (ms === lastMs) {
        lastRandom = (lastRandom + 1n) & ((1n << 80n) - 1n);
      } else {
        const bytes = new Uint8Array(10);
        random(bytes);
        lastRandom = bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n) >> 1n;
        lastMs = ms;
      }
      const ulid = encodeBase32((BigInt(ms) << 80n) | lastRandom, 26);
      return `${prefix}_${ulid}${shard === undefined ? "" : encodeShard(shard)}`;
    },
  };
};

export type ParsedId = { prefix: IdPrefix; ulid: string; createdAtMs: number; shard: number | null };

/** Reads an id of the given prefix, with or without shard; null when it is malformed (which callers answer like an unknown one). */
export const parseId = (prefix: IdPrefix, text: string): ParsedId | null => {
  if (!text.startsWith(`${prefix}_`)) return null;
  const rest = text.slice(prefix.length + 1);
  const ulid = rest.slice(0, 26);
  const suffix = rest.slice(26);
  if (!ULID.test(ulid) || !/^(?:[0-9A-HJKMNP-TV-Z]{2})?$/.test(suffix)) return null;
  const shard = suffix === "" ? null : Number(decodeBase32(suffix));
  if (shard !== null && shard >= SHARDS) return null;
  return { prefix, ulid, createdAtMs: Number(decodeBase32(ulid.slice(0, 10))), shard };
};

/** The coordinator shard named by a sharded id (`chg_…`, `sag_…`), or null when the id is malformed or carries none. */
export const shardOf = (prefix: IdPrefix, text: string): number | null => parseId(prefix, text)?.shard ?? null;

/** The UUID (8-4-4-4-12 hex) with the same 128 bits as an id's ULID; its shard, where it has one, is not part of it. */
export const toUuid = (id: string): string => {
  const ulid = id.slice(id.indexOf("_") + 1).slice(0, 26);
  if (!ULID.test(ulid)) throw new Error("not an id");
  const hex = decodeBase32(ulid).toString(16).padStart(32, "0");
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`;
};

/** The id with the 128 bits of a UUID. */
export const fromUuid = (prefix: IdPrefix, uuid: string, shard?: number): string => {
  if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(uuid)) throw new Error("not a UUID");
  const ulid = encodeBase32(BigInt(`0x${uuid.replaceAll("-", "")}`), 26);
  return `${prefix}_${ulid}${shard === undefined ? "" : encodeShard(shard)}`;
};

/** SHA-256 of the parts, each preceded by its UTF-8 length, so that no two lists of parts share a preimage. */
export const hashParts = (...parts: readonly string[]): Uint8Array => {
  const hash = createHash("sha256");
  for (const part of parts) {
    const bytes = Buffer.from(part, "utf8");
    hash.update(`${bytes.length}:`).update(bytes);
  }
  return hash.digest();
};

/** The shard that owns an idempotent command: the first 4 bytes of the hash of its scope, mod SHARDS. */
export const routeCommand = (subject: string, command: string, resource: string, key: string): number => {
  const digest = hashParts(subject, command, resource, key);
  return new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0) % SHARDS;
};

/**
 * A pod's charges run in so many shards, whatever their number: those of the same moment then share commits, and calls to the pod, its
 * accounts and its payers. More than one, for the busiest pods have more charges than one shard has room for.
 */
export const SHARDS_A_POD = 2;

/** The shard that owns the charge of a pod that is made under a key: one of the pod's own. */
export const routeCharge = (subject: string, pod: string, key: string): number => {
  const first = routeCommand("", "charge.create", pod, "");
  const which = routeCommand(subject, "charge.create", pod, key) % SHARDS_A_POD;
  return (first + which * (SHARDS / SHARDS_A_POD)) % SHARDS;
};

/** The shard that owns a transfer id: a saga's own names it, that of a client-made one is its hash. */
export const shardOfTransfer = (transferId: string): number => shardOf("trf", transferId) ?? routeTransfer(transferId);

/** The shard that owns a client-made transfer id. */
export const routeTransfer = (transferId: string): number => {
  const digest = hashParts(transferId);
  return new DataView(digest.buffer, digest.byteOffset, 4).getUint32(0) % SHARDS;
};

/** The shard whose directory names a stream that none named when it was made. */
export const routeStream = (stream: string): number => routeCommand("", "stream.name", stream, "");

/** A user id as a token's `sub` carries it: opaque, and never an e-mail address. */
export const USER_PATTERN = /^[A-Za-z0-9._-]{1,64}$/;
