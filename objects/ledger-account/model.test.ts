import fc from "fast-check";
import { expect, test } from "vitest";
import { fromMinor } from "../../schema/money.ts";
import type { AccountCommand, AccountOp } from "../../schema/rpc/account.ts";
import { availableOf } from "./account.ts";
import { Bench, opOn, said } from "./bench.fixture.ts";
import { balanceOf, pendingOn, ZERO } from "./counters.ts";
import { fold } from "./state.ts";

type Side = "debit" | "credit";
type Move = { side: Side; parts: bigint[] };
type Said = { body: string; word: "reserved" | "posted" | "voided" | "refused"; code: string };
const MAX = 2n ** 63n - 1n;

/** What an account is meant to be, in the plainest words there are. It shares no code with the account. */
class ReferenceLedger {
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

  apply(op: AccountOp["op"], id: string, body: string, { side, parts }: Move): string {
    const sum = parts.reduce((a, b) => a + b, 0n);
    const known = this.saids.get(id);
    const end = (word: Said["word"], code: string = word) => {
      this.saids.set(id, { body, word, code });
      return code;
    };
    if (known && known.body !== body) return "idempotency_mismatch";
    if (op === "void") {
      if (known?.word === "posted") return "posted";
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
    this.posted[side] += sum;
    return end("posted");
  }

  no(op: AccountOp["op"], side: Side, sum: bigint, parts: bigint[]): string | null {
    const out = side !== this.normal;
    if (this.status === "frozen" && (op === "reserve" || out)) return "account_frozen";
    if (this.status === "closing" && (op === "reserve" || out)) return "account_closed";
    if (this.status === "closed") return "account_closed";
    if (parts.some((part) => part < 1n || part > MAX)) return "amount_out_of_range";
    if (this.posted[side] + this.pending(side) + sum > MAX) return "amount_out_of_range";
    const left = this.balance - this.pending(this.normal === "debit" ? "credit" : "debit");
    if (this.floor !== null && out && left - sum < this.floor) return "insufficient_funds";
    const full = this.balance + this.pending(this.normal);
    if (this.cap !== null && !out && full + sum > this.cap) return "limit_exceeded";
    return null;
  }
}

/** An operator's word in the model. Watches are named by a number, so that one is watched and unwatched again. */
type Word =
  | { type: "freeze" }
  | { type: "unfreeze" }
  | { type: "close" }
  | { type: "limit"; floor: bigint | null; cap: bigint | null }
  | { type: "watch"; id: string; above: boolean; threshold: bigint }
  | { type: "unwatch"; id: string };

const asCommand = (word: Word, currency: string): AccountCommand => {
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

const ACCOUNTS = [
  { name: "wallet:ana:EUR", normal: "credit", floor: 0n },
  { name: "pod:pod_01JGB3Z5J00000000000000000:JPY", normal: "credit", floor: 0n },
  { name: "psp:sandbox:EUR#2", normal: "debit", floor: null },
  { name: "fee:BHD#0", normal: "credit", floor: null },
] as const;

const TRANSFERS = 12;
const amount = fc.oneof(
  { weight: 20, arbitrary: fc.bigInt(1n, 120n) },
  // Sums that come out even, so that accounts are emptied to the last unit.
  { weight: 15, arbitrary: fc.constantFrom(40n, 80n) },
  { weight: 1, arbitrary: fc.constantFrom(0n, MAX, MAX + 1n, MAX / 2n) },
);
/** What each transfer is: drawn once, so that a retry is a retry. */
const move: fc.Arbitrary<Move> = fc.record({
  side: fc.constantFrom<Side>("debit", "credit"),
  parts: fc.array(amount, { minLength: 1, maxLength: 3 }),
});
const step = fc.oneof(
  {
    weight: 40,
    arbitrary: fc.record({
      op: fc.constantFrom<AccountOp["op"]>("reserve", "reserve", "reserve", "post", "post", "post", "void"),
      transfer: fc.nat(TRANSFERS - 1),
      other: fc.integer({ min: 0, max: 19 }).map((n) => n === 0),
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

/** The events that came after what was asked for, as the model tells them. */
const follows = (events: readonly { type: string; data: { monitor?: unknown } }[]): string[] =>
  events
    .filter(({ type }) => ["monitor.triggered", "monitor.resolved", "account.closed"].includes(type))
    .map(({ type, data }) => (data.monitor === undefined ? type : `${type} ${String(data.monitor)}`));

test("an account says and holds what the reference ledger does, whatever order operations come in", () => {
  const all = new Map<string, number>();
  const first = new Map<string, number>();
  const words = new Map<string, number>();
  const tally = (into: Map<string, number>, word: string) => into.set(word, (into.get(word) ?? 0) + 1);
  const scenario = fc.record({
    account: fc.constantFrom(...ACCOUNTS),
    cap: fc.option(fc.bigInt(50n, 600n), { freq: 4 }),
    moves: fc.array(move, { minLength: TRANSFERS, maxLength: TRANSFERS }),
    steps: fc.array(step, { minLength: 10, maxLength: 60 }),
  });
  const property = fc.property(scenario, ({ account: { name, normal, floor }, cap, moves, steps }) => {
    const account = new Bench(name, { cap, counters: ZERO });
    const reference = new ReferenceLedger(normal, floor, cap);
    const opened = account.state;
    for (const next of steps) {
      const since = account.events.length;
      if ("type" in next) {
        if (next.type === "watch" && reference.monitors.has(next.id)) continue;
        const came = account.command(asCommand(next, account.account.currency));
        const no = reference.command(next);
        expect(typeof came === "string" ? came : null).toBe(no);
        tally(words, `${next.type}: ${no ?? "taken"}`);
        const settled = no === null ? reference.settle() : [];
        expect(follows(account.events.slice(since))).toEqual(settled);
        for (const told of settled) tally(words, told);
        expect(account.state.status).toBe(reference.status);
        continue;
      }
      const id = `trf_${next.transfer}`;
      const what = moves[next.transfer] ?? { side: "debit", parts: [1n] };
      const body = next.other ? "other" : "body";
      const before = { summary: fold.summary(account.state), events: account.events.length };
      const parts = what.parts.map((minor) => ({ direction: what.side, minor }));
      const known = account.words.has(id);
      const answer = account.apply(opOn(name, next.op, id, parts, { body }));
      expect(said(answer)).toBe(reference.apply(next.op, id, body, what));
      tally(all, said(answer));
      if (!known) tally(first, said(answer));
      if (!answer.ok)
        expect([fold.summary(account.state), account.events.length]).toEqual([before.summary, before.events]);
      const settled = reference.settle();
      expect(follows(account.events.slice(since))).toEqual(settled);
      for (const told of settled) tally(words, told.split(" ")[0] ?? "");
      expect(account.state.status).toBe(reference.status);
      const { counters } = account.state;
      expect(balanceOf(counters, normal)).toBe(reference.balance);
      expect([pendingOn(counters, "debit"), pendingOn(counters, "credit")]).toEqual([
        reference.pending("debit"),
        reference.pending("credit"),
      ]);
      expect(account.state.holds.size).toBe(reference.held.size);
      if (reference.floor !== null) expect(availableOf(account.state, normal) >= 0n).toBe(true);
      if (reference.cap !== null) expect(reference.balance <= reference.cap).toBe(true);
    }
    refold(account, opened);
  });
  fc.assert(property, { numRuns: 1_500 });
  for (const [of, words] of Object.entries({ "all answers": all, "first answers": first })) {
    const total = [...words.values()].reduce((a, b) => a + b, 0);
    const accepted = ["reserved", "posted", "voided"].reduce((sum, word) => sum + (words.get(word) ?? 0), 0) / total;
    console.log(`model, ${of}: ${total}, ${(100 * accepted).toFixed(1)} % accepted`, Object.fromEntries(words));
    expect(accepted).toBeGreaterThan(0.3);
    expect(accepted).toBeLessThan(0.7);
  }
  console.log("model, operators and what follows by itself:", Object.fromEntries(words));
  const happened = ["monitor.triggered", "monitor.resolved", "account.closed", "limit: taken", "limit: conflict"];
  expect([...words.keys()]).toEqual(expect.arrayContaining([...happened, "close: taken", "freeze: account_closed"]));
  const codes = ["account_frozen", "account_closed", "amount_out_of_range", "insufficient_funds", "limit_exceeded"];
  expect([...all.keys()]).toEqual(expect.arrayContaining([...codes, "conflict", "idempotency_mismatch"]));
});

/** The log folded again, from the start and from a snapshot at every seq, is the state. */
const refold = (account: Bench, start: Bench["state"]): void => {
  const whole = fold.summary(account.state);
  const prefixes = [start];
  for (const event of account.events) prefixes.push(fold.evolve(prefixes.at(-1) ?? start, event));
  const state = prefixes.at(-1) ?? start;
  expect(fold.summary(state)).toBe(whole);
  prefixes.forEach((prefix, seq) => {
    let later = fold.decode(JSON.parse(JSON.stringify(fold.encode(prefix))));
    for (const event of account.events.slice(seq)) later = fold.evolve(later, event);
    expect(later).toEqual(state);
  });
};
