import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

/**
 * Verifies an exported statement from its JSON alone, as a stranger would: nothing here is taken from the product.
 *
 *   npm run verify-statement FILE      exit 0 and what was proved, or exit 1 and the first seq that does not fit
 *
 * What is proved: the events hash from `hash_before` to `hash_after` (SHA-256 of 32 bytes of the hash before and the RFC 8785
 * text of the event), the entries are the legs of those events, each balance follows from the one before it, and opening plus
 * entries is closing. What is not: that the account's log has this head. Compare `hash_after` with one you got elsewhere.
 */
export type Verdict =
  | { ok: true; account: string; from_seq: number; to_seq: number; entries: number; hash_after: string }
  | { ok: false; seq: number; reason: string };

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
type Fields = { [key: string]: Json };
type Side = "debit" | "credit";
type Leg = { index: string; side: Side; amount: bigint; balance: bigint; shown: Fields };
type Entry = { seq: number; leg: Leg; event: Fields; hash: string };

/** Where a statement does not hold. */
class Fault extends Error {
  readonly seq: number;
  constructor(seq: number, reason: string) {
    super(reason);
    this.seq = seq;
  }
}

const STATEMENT = [
  ...["account", "normal_side", "from_seq", "to_seq", "opening", "closing"],
  ...["hash_before", "hash_after", "entries", "events"],
];
const ENTRY = [
  ...["id", "account", "seq", "type", "debit", "credit", "balance"],
  ...["transfer", "recorded_at", "effective_at", "hash"],
];
const GENESIS = "0".repeat(64);

/** RFC 8785 text of a value without numbers, which events have none of. */
const canonical = (value: Json): string => {
  if (Array.isArray(value)) return `[${value.map(canonical).join(",")}]`;
  if (typeof value !== "object" || value === null) return JSON.stringify(value);
  const members = Object.keys(value)
    .sort()
    .map((key) => `${JSON.stringify(key)}:${canonical(value[key] as Json)}`);
  return `{${members.join(",")}}`;
};

const chained = (before: string, event: Json): string =>
  createHash("sha256").update(Buffer.from(before, "hex")).update(canonical(event), "utf8").digest("hex");

/** An object with exactly these members, or these and some of `optional`. */
const fieldsOf = (
  value: Json | undefined,
  seq: number,
  what: string,
  names?: string[],
  optional: string[] = [],
): Fields => {
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Fault(seq, `${what} is no object`);
  if (names === undefined) return value;
  const known = new Set([...names, ...optional]);
  const odd = Object.keys(value).find((name) => !known.has(name)) ?? names.find((name) => !Object.hasOwn(value, name));
  if (odd !== undefined) throw new Fault(seq, `${what} has not the members of one: ${odd}`);
  return value;
};

const listOf = (value: Json | undefined, seq: number, what: string): Json[] => {
  if (!Array.isArray(value)) throw new Fault(seq, `${what} is no list`);
  return value;
};

const countOf = (value: Json | undefined, seq: number, what: string): number => {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0)
    throw new Fault(seq, `${what} is no count`);
  return value;
};

/** An amount in its currency's smallest unit. The number of decimals is the currency's, so every amount of it has as many. */
const minorOf = (value: Json | undefined, seq: number, what: string): { minor: bigint; unit: string } => {
  const { amount, currency } = fieldsOf(value, seq, what, ["amount", "currency"]);
  const match =
    typeof amount === "string" ? /^(?!-0(?:\.0*)?$)(-?)(0|[1-9]\d{0,38})(?:\.(\d{1,4}))?$/.exec(amount) : null;
  if (match === null || typeof currency !== "string") throw new Fault(seq, `${what} is no money`);
  const [, sign = "", whole = "", decimals = ""] = match;
  return { minor: BigInt(`${sign}${whole}${decimals}`), unit: `${currency}/${decimals.length}` };
};

const same = (left: Json | undefined, right: Json | undefined): boolean =>
  left !== undefined && right !== undefined && canonical(left) === canonical(right);

/** The chain from one hash to the other; answers the events with their place. */
const checkChain = (statement: Fields, from: number, to: number): { seq: number; event: Fields; hash: string }[] => {
  const rows = listOf(statement.events, from, "events");
  let before = statement.hash_before;
  if (typeof before !== "string" || !/^[0-9a-f]{64}$/.test(before)) throw new Fault(from, "hash_before is no hash");
  if (from === 1 && before !== GENESIS) throw new Fault(from, "hash_before is not that of an empty log");
  const events = rows.map((value, at) => {
    const expected = from + at;
    const row = fieldsOf(value, expected, "a row", ["seq", "event", "prev_hash", "hash"]);
    const event = fieldsOf(row.event, expected, "event");
    if (row.seq !== expected || event.seq !== String(expected)) throw new Fault(expected, "the seq is another");
    if (event.stream !== `account/${statement.account}`) throw new Fault(expected, "the event is of another account");
    if (row.prev_hash !== before) throw new Fault(expected, "prev_hash is not the hash before");
    const hash = chained(before as string, event);
    if (row.hash !== hash) throw new Fault(expected, "the hash does not follow from the event");
    before = hash;
    return { seq: expected, event, hash };
  });
  if (rows.length !== to - from + 1) throw new Fault(from + rows.length, "events are missing, or too many");
  if (statement.hash_after !== before) throw new Fault(Math.max(from, to), "hash_after is not where the events lead");
  return events;
};

/** The legs that an event has posted. */
const legsOf = (seq: number, event: Fields, unit: string): Leg[] => {
  if (event.type !== "transfer.posted") return [];
  return listOf(fieldsOf(event.data, seq, "data").legs, seq, "legs").map((value) => {
    const leg = fieldsOf(value, seq, "a leg");
    if (leg.direction !== "debit" && leg.direction !== "credit") throw new Fault(seq, "a leg has no side");
    const [amount, balance] = [minorOf(leg.amount, seq, "a leg"), minorOf(leg.balance, seq, "a balance")];
    if (amount.unit !== unit || balance.unit !== unit) throw new Fault(seq, "a leg is in another currency");
    return { index: String(leg.index), side: leg.direction, amount: amount.minor, balance: balance.minor, shown: leg };
  });
};

/** An entry as the event says it must read. */
const entryOf = (account: Json, { seq, leg, event, hash }: Entry): Fields => {
  const data = fieldsOf(event.data, seq, "data");
  const { amount = null, balance = null } = leg.shown;
  return {
    id: `${account}/${seq}.${leg.index}`,
    account,
    seq,
    type: event.type ?? null,
    debit: leg.side === "debit" ? amount : null,
    credit: leg.side === "credit" ? amount : null,
    balance,
    ...(data.pod == null ? {} : { pod: data.pod }),
    transfer: data.transfer ?? null,
    ...(data.charge == null ? {} : { charge: data.charge }),
    recorded_at: event.recorded_at ?? null,
    effective_at: event.effective_at ?? null,
    hash,
  };
};

const verify = (value: Json): Verdict => {
  const from = countOf(fieldsOf(value, 0, "the statement").from_seq, 0, "from_seq");
  const statement = fieldsOf(value, from, "the statement", STATEMENT);
  const to = countOf(statement.to_seq, from, "to_seq");
  const { account, normal_side: normal } = statement;
  if (typeof account !== "string") throw new Fault(from, "account is no name");
  if (normal !== "debit" && normal !== "credit") throw new Fault(from, "normal_side is none");
  const opening = minorOf(statement.opening, from, "opening");
  const closing = minorOf(statement.closing, Math.max(from, to), "closing");
  if (!account.split("#")[0]?.endsWith(`:${opening.unit.slice(0, 3)}`))
    throw new Fault(from, "opening has another currency");
  if (from === 1 && opening.minor !== 0n) throw new Fault(from, "an account opens at zero");

  const events = checkChain(statement, from, to);
  const entries = events.flatMap((row) => legsOf(row.seq, row.event, opening.unit).map((leg) => ({ ...row, leg })));
  const shown = listOf(statement.entries, from, "entries");
  let balance = opening.minor;
  entries.forEach((entry, at) => {
    const { seq, leg } = entry;
    balance += leg.side === normal ? leg.amount : -leg.amount;
    if (leg.balance !== balance) throw new Fault(seq, "the balance does not follow from the one before");
    const found = fieldsOf(shown[at], seq, "an entry", ENTRY, ["pod", "charge"]);
    // An entry's seq is a number, and the canonical text here knows none.
    const { seq: place, ...rest } = entryOf(account, entry);
    const { seq: shownPlace, ...others } = found;
    if (place !== shownPlace || !same(rest, others)) throw new Fault(seq, "the entry does not follow from the event");
  });
  if (shown.length !== entries.length) throw new Fault(Math.max(from, to), "there are entries of no event");
  if (closing.minor !== balance || closing.unit !== opening.unit) {
    throw new Fault(Math.max(from, to), "opening and entries do not come to closing");
  }
  return {
    ok: true,
    account,
    from_seq: from,
    to_seq: to,
    entries: entries.length,
    hash_after: String(statement.hash_after),
  };
};

type Part = { seq: number; begins: string };

/** The first of these parts that is not there, or is no JSON up to where the next begins; null when all are. */
const firstBroken = (text: string, parts: readonly Part[], end: number): number | null => {
  const starts = parts.map(({ begins }) => text.indexOf(begins));
  for (const [at, { seq }] of parts.entries()) {
    const [start = -1, next = end] = [starts[at], starts[at + 1]];
    if (start === -1) return seq;
    if (next === -1) continue;
    try {
      JSON.parse(text.slice(start, next).replace(/,$/, ""));
    } catch {
      return seq;
    }
  }
  return null;
};

/** Of a text that is no JSON: the seq of the row, or of the entry, in which it is not. */
const locate = (text: string): number => {
  const [, first = "0", last = "0"] = /"from_seq":(\d{1,15}),"to_seq":(\d{1,15})/.exec(text) ?? [];
  const [, account = ""] = /^\{"account":"([^"]*)"/.exec(text) ?? [];
  const from = Number(first);
  const rows: Part[] = [];
  for (let seq = from; seq <= Number(last) && rows.length < text.length; seq++) {
    rows.push({ seq, begins: `{"seq":${seq},"event":{` });
  }
  const inRows = firstBroken(text, rows, text.lastIndexOf("]}"));
  if (inRows !== null) return inRows;
  const entries = rows.flatMap(({ seq, begins }, at) => {
    const next = rows[at + 1];
    const row = text.slice(text.indexOf(begins), next === undefined ? undefined : text.indexOf(next.begins));
    if (!row.includes('"type":"transfer.posted"')) return [];
    return [...row.matchAll(/"index":"([^"]*)"/g)].map(([, leg]) => ({
      seq,
      begins: `{"id":"${account}/${seq}.${leg}",`,
    }));
  });
  return firstBroken(text, entries, text.indexOf('],"events":[')) ?? from;
};

/** Judges the bytes of an exported statement. A fault of the statement as a whole is named by the seq it begins or ends with. */
export const verifyStatement = (bytes: Uint8Array): Verdict => {
  // What is no UTF-8 reads as other characters than were hashed, so the chain says where.
  const text = new TextDecoder("utf-8", { fatal: false, ignoreBOM: true }).decode(bytes);
  let value: Json;
  try {
    value = JSON.parse(text) as Json;
  } catch {
    return { ok: false, seq: locate(text), reason: "not JSON" };
  }
  try {
    const verdict = verify(value);
    if (!verdict.ok || Buffer.from(text).equals(bytes)) return verdict;
    return { ok: false, seq: verdict.from_seq, reason: "not UTF-8" };
  } catch (error) {
    if (error instanceof Fault) return { ok: false, seq: error.seq, reason: error.message };
    throw error;
  }
};

if (import.meta.main) {
  const [file] = process.argv.slice(2);
  if (file === undefined) {
    process.stderr.write("usage: npm run verify-statement FILE\n");
    process.exit(2);
  }
  const verdict = verifyStatement(readFileSync(file));
  if (verdict.ok) {
    const { account, from_seq, to_seq, entries, hash_after } = verdict;
    process.stdout.write(
      `ok: ${account}, seq ${from_seq} to ${to_seq}, ${entries} entries, hash_after ${hash_after}\n`,
    );
  } else {
    process.stdout.write(`not valid: seq ${verdict.seq}: ${verdict.reason}\n`);
    process.exitCode = 1;
  }
}
