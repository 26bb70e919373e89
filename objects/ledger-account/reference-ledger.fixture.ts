import fc from "fast-check";
import { expect } from "vitest";
import { fromMinor } from "../../schema/money.ts";
import type { AccountAnswer, AccountCommand, AccountOp } from "../../schema/rpc/account.ts";

export type Side = "debit" | "credit";
export type Move = { side: Side; parts: bigint[] };
type Said = {
  body: string;
  word: "reserved" | "posted" | "voided" | "refused";
  code: string;
  /** What was posted of what was held, where that is less; in words, to be compared. */
  part: string | null;
};
const MAX = 2n ** 63n - 1n;

/** What an account is meant to be, in the plainest words there are. It shares no code with the account. */
export class ReferenceLedger {
  readonly posted = { debit: 0n, credit: 0n };
  readonly held = new Map<string, { side: Side; sum: bigint }>();
  readonly saids = new Map<string, Said>();
  status = "open";
  frozenBefore = false;
  readonly monitors = new Map<string, { above: boolean; threshold: bigint; on: boolean }>();
  readonly normal: Side;
  readonly governed: boolean;
  floor: bigint | null;
  cap: bigint | null;

  constructor(normal: Side, floor: bigint | null, cap: bigint | null) {
    this.normal = normal;
    this.floor = floor;
    this.cap = cap;
    this.governed = floor !== null;
  }

  get balance() {
    const debits = this.posted.debit - this.posted.credit;
    return this.normal === "debit" ? debits : -debits;
  }

  pending(side: Side) {
    return [...this.held.values()].reduce((sum, hold) => (hold.side === side ? sum + hold.sum : sum), 0n);
  }

  /** What may still leave. */
  get available() {
    return this.balance - this.pending(this.normal === "debit" ? "credit" : "debit") - (this.floor ?? 0n);
  }

  /** What happens by itself now that the balance is what it is, in words. */
  settle(): string[] {
    const told: string[] = [];
    for (const [id, monitor] of this.monitors) {
      const on = monitor.above ? this.balance > monitor.threshold : this.balance < monitor.threshold;
      if (on !== monitor.on) told.push(`${on ? "monitor.triggered" : "monitor.resolved"} ${id}`);
      monitor.on = on;
    }
    if (this.status === "closing" && this.balance === 0n && this.held.size === 0) {
      this.status = "closed";
      told.push("account.closed");
    }
    return told;
  }

  /** An operator's word: a code, or nothing when it is taken. */
  command(word: Word): string | null {
    if (word.type === "unwatch") return this.monitors.delete(word.id) ? null : "not_found";
    if (word.type !== "watch" && !this.governed) return "conflict";
    if (this.status === "closed") return "account_closed";
    switch (word.type) {
      case "freeze":
        if (this.status !== "open") return "conflict";
        this.status = "frozen";
        return null;
      case "unfreeze":
        if (this.status === "open") return "conflict";
        this.status = this.status === "closing" && this.frozenBefore ? "frozen" : "open";
        return null;
      case "close":
        if (this.status === "closing") return "conflict";
        this.frozenBefore = this.status === "frozen";
        this.status = "closing";
        return null;
      case "limit": {
        const leaving = this.pending(this.normal === "debit" ? "credit" : "debit");
        if (word.floor !== null && this.balance - leaving < word.floor) return "conflict";
        if (word.cap !== null && this.balance + this.pending(this.normal) > word.cap) return "conflict";
        this.floor = word.floor;
        this.cap = word.cap;
        return null;
      }
      case "watch": {
        const { above, threshold } = word;
        if (this.monitors.size === 16) return "limit_exceeded";
        this.monitors.set(word.id, {
          above,
          threshold,
          on: above ? this.balance > threshold : this.balance < threshold,
        });
        return null;
      }
    }
  }

  /**
   * The word on an operation: its state, or the code of the no. `share`: of a hold, what of each of its parts is posted. What is
   * said anew is a new entry of `saids`; the same entry still standing means that the account only repeated itself.
   */
  apply(op: AccountOp["op"], id: string, body: string, { side, parts }: Move, share: bigint[] | null = null): string {
    const sum = parts.reduce((a, b) => a + b, 0n);
    const part = share === null ? null : share.join("+");
    const known = this.saids.get(id);
    const end = (word: Said["word"], code: string = word) => {
      this.saids.set(id, { body, word, code, part: op === "post" ? part : null });
      return code;
    };
    if (known && known.body !== body) return "idempotency_mismatch";
    if (op === "post" && known?.word === "posted" && known.part !== part) return "idempotency_mismatch";
    if (op === "void") {
      if (known?.word === "posted" || known?.word === "voided") return known.code;
      this.held.delete(id);
      return end("voided");
    }
    if (known?.word === "voided") return "conflict";
    if (known && (known.word !== "reserved" || op === "reserve")) return known.code;
    if (!known) {
      const no = this.no(op, side, sum, parts);
      if (no) return end("refused", no);
    }
    if (op === "reserve") {
      this.held.set(id, { side, sum });
      return end("reserved");
    }
    this.held.delete(id);
    this.posted[side] += share === null ? sum : share.reduce((a, b) => a + b, 0n);
    return end("posted");
  }

  no(op: AccountOp["op"], side: Side, sum: bigint, parts: bigint[]): string | null {
    const out = side !== this.normal;
    if (this.status === "frozen" && (op === "reserve" || out)) return "account_frozen";
    if (this.status === "closing" && (op === "reserve" || out)) return "account_closed";
    if (this.status === "closed") return "account_closed";
    if (parts.some((part) => part < 1n || part > MAX)) return "amount_out_of_range";
    if (this.governed && this.posted[side] + this.pending(side) + sum > MAX) return "amount_out_of_range";
    if (this.floor !== null && out && this.available < sum) return "insufficient_funds";
    const full = this.balance + this.pending(this.normal);
    if (this.cap !== null && !out && full + sum > this.cap) return "limit_exceeded";
    return null;
  }
}

/** What one operation asks of an account, in the model's terms. */
export type Asked = { op: AccountOp["op"]; id: string; body: string; what: Move; share: bigint[] | null };

/** Holds an account's answers against the ledger's, one after another. */
export class Witness {
  readonly #ledger: ReferenceLedger;
  readonly #currency: string;
  readonly #given = new Map<string, AccountAnswer>();

  constructor(ledger: ReferenceLedger, currency: string) {
    this.#ledger = ledger;
    this.#currency = currency;
  }

  /**
   * Fails unless the answer is the ledger's word, with the balance or what was available; and where nothing new was said, the very
   * answer that was given before, to the last field. Answers what it heard, for a tally.
   */
  hear(answer: AccountAnswer, { op, id, body, what, share }: Asked): { code: string; anew: boolean; heard: string } {
    const { available } = this.#ledger;
    const before = this.#ledger.saids.get(id);
    const code = this.#ledger.apply(op, id, body, what, share);
    const stands = this.#ledger.saids.get(id);
    const anew = stands !== before;
    const of = stands?.part == null ? "" : "a part ";
    expect(answer.ok ? answer.state : answer.rejection.code).toBe(code);
    if (!anew && code !== stands?.code) return { code, anew, heard: "said of what it was not asked for" };
    if (!anew) {
      expect(answer).toEqual(this.#given.get(id));
      return { code, anew, heard: `${of}said again` };
    }
    this.#given.set(id, answer);
    if (answer.ok) expect(answer.balance).toBe(fromMinor(this.#ledger.balance, this.#currency).amount);
    if (code === "insufficient_funds") {
      expect(answer).toMatchObject({ final: true, rejection: { available: fromMinor(available, this.#currency) } });
    }
    return { code, anew, heard: `${of}said` };
  }
}

/** So many hundredths of each part, rounded down; at least one unit of the first. */
export const shareOf = (parts: readonly bigint[], hundredths: number): bigint[] => {
  const shares = parts.map((part) => (part * BigInt(hundredths)) / 100n);
  return shares.some((share) => share > 0n) ? shares : parts.map((_, at) => (at === 0 ? 1n : 0n));
};

/** By the leg's index, what is nothing left out. */
export const minorsOf = (share: readonly bigint[]): Record<string, bigint> =>
  Object.fromEntries(share.flatMap((minor, at) => (minor === 0n ? [] : [[String(at), minor]])));

/** An operator's word in the model. Watches are named by a number, so that one is watched and unwatched again. */
export type Word =
  | { type: "freeze" }
  | { type: "unfreeze" }
  | { type: "close" }
  | { type: "limit"; floor: bigint | null; cap: bigint | null }
  | { type: "watch"; id: string; above: boolean; threshold: bigint }
  | { type: "unwatch"; id: string };

export const asCommand = (word: Word, currency: string): AccountCommand => {
  switch (word.type) {
    case "limit": {
      const text = (minor: bigint | null) => (minor === null ? null : String(minor));
      return { type: "change_limits", floor: text(word.floor), cap: text(word.cap), reason: null };
    }
    case "watch": {
      const threshold = fromMinor(word.threshold, currency);
      return { type: "add_monitor", monitor: word.id, bound: word.above ? "above" : "below", threshold, reason: null };
    }
    case "unwatch":
      return { type: "remove_monitor", monitor: word.id };
    default:
      return { type: word.type, reason: "why" };
  }
};

export const ACCOUNTS = [
  { name: "wallet:ana:EUR", normal: "credit", floor: 0n },
  { name: "pod:pod_01JGB3Z5J00000000000000000:JPY", normal: "credit", floor: 0n },
  { name: "psp:sandbox:EUR#2", normal: "debit", floor: null },
  { name: "fee:BHD#0", normal: "credit", floor: null },
] as const;

export const TRANSFERS = 12;
const amount = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt(1n, 120n) },
  // Sums that come out even, so that accounts are emptied to the last unit.
  { weight: 15, arbitrary: fc.constantFrom(40n, 80n) },
  { weight: 1, arbitrary: fc.constantFrom(0n, MAX, MAX + 1n, MAX / 2n) },
);
/** What each transfer is: drawn once, so that a retry is a retry. */
export const move: fc.Arbitrary<Move> = fc.record({
  side: fc.constantFrom<Side>("debit", "credit"),
  parts: fc.array(amount, { minLength: 1, maxLength: 3 }),
});
export const step = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      op: fc.constantFrom<AccountOp["op"]>("reserve", "reserve", "reserve", "post", "post", "post", "void"),
      transfer: fc.nat(TRANSFERS - 1),
      other: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
      hundredths: fc.option(fc.constantFrom(1, 30, 30, 60, 100), { freq: 2 }),
    }),
  },
  { weight: 3, arbitrary: fc.constantFrom<Word>({ type: "freeze" }, { type: "freeze" }, { type: "close" }) },
  { weight: 2, arbitrary: fc.constant<Word>({ type: "unfreeze" }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant("limit" as const),
      floor: fc.option(fc.bigInt(-60n, 60n), { freq: 6 }),
      cap: fc.option(fc.bigInt(0n, 300n), { freq: 2 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("watch" as const),
      id: fc.nat(30).map((n) => `mon_${n}`),
      above: fc.boolean(),
      threshold: fc.bigInt(1n, 200n),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ type: fc.constant("unwatch" as const), id: fc.nat(30).map((n) => `mon_${n}`) }),
  },
);
