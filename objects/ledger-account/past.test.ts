import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fromMinor, toMinor } from "../../schema/money.ts";
import type { TransferEvent } from "../../schema/rpc/account.ts";
import { verifyStatement } from "../../tools/verify-statement.ts";
import { Bench, opOn, partOf } from "./bench.fixture.ts";
import { LogFixture } from "./log.fixture.ts";
import { balanceAtMoment, balanceAtSeq } from "./past.ts";

const ACCOUNTS = ["wallet:ann:EUR", "bank:sandbox:JPY#1", "fx:KWD#0"] as const;
const MINUTE = 60_000;

/** One operation: after a pause in minutes, of a size, claiming a moment some minutes off its own (undefined: none). */
type Step = {
  kind: "in" | "out" | "hold" | "void" | "part";
  minor: bigint;
  pauseMin: number;
  claimMin: number | undefined;
};

const step: fc.Arbitrary<Step> = fc.record({
  kind: fc.constantFrom("in", "in", "out", "hold", "void", "part"),
  minor: fc.bigInt({ min: 1n, max: 5_000n }),
  pauseMin: fc.integer({ min: 0, max: 30 }),
  claimMin: fc.option(fc.integer({ min: -500, max: 5 }), { nil: undefined }),
});

/** The log of an account after these operations; what it refuses leaves no event. */
const logAfter = (name: string, steps: readonly Step[]): Bench => {
  const bench = new Bench(name);
  const normal = bench.account.normalSide;
  const other = normal === "debit" ? "credit" : "debit";
  for (const [at, { kind, minor, pauseMin, claimMin }] of steps.entries()) {
    bench.now += pauseMin * MINUTE;
    const op = kind === "hold" ? "reserve" : kind === "void" ? "void" : "post";
    // A void takes the hold before it back, and a part is posted of it.
    const ends = kind === "void" || kind === "part";
    const before = ends ? steps[at - 1] : undefined;
    const transfer = `trf_${ends ? at - 1 : at}`;
    const direction = kind === "in" ? normal : other;
    const claim = claimMin === undefined ? {} : { effective_at: new Date(bench.now + claimMin * MINUTE).toISOString() };
    if (ends && before?.kind !== "hold") continue;
    const whole = opOn(name, op, transfer, [{ direction, minor: before?.minor ?? minor }], claim);
    bench.apply(kind === "part" ? partOf(whole, { 0: (minor % (before?.minor ?? minor)) + 1n }) : whole);
  }
  return bench;
};

const posted = (bench: Bench) =>
  bench.events
    .filter(({ type }) => type === "transfer.posted")
    .flatMap(({ effective_at, seq, data }) =>
      (data as unknown as TransferEvent).legs.map((leg) => ({
        seq: Number(seq),
        effective_at,
        minor: (leg.direction === bench.account.normalSide ? 1n : -1n) * toMinor(leg.amount),
      })),
    );
const sum = (legs: { minor: bigint }[]): bigint => legs.reduce((total, { minor }) => total + minor, 0n);

const arbitraryLog = fc
  .tuple(fc.constantFrom(...ACCOUNTS), fc.array(step, { maxLength: 25 }))
  .map(([name, steps]) => logAfter(name, steps));

describe("statements of any log", () => {
  it("open where the one before closes, sum up to the whole, and each proves itself", () => {
    return fc.assert(
      fc.asyncProperty(arbitraryLog, fc.nat(), async (bench, at) => {
        const fixture = new LogFixture(bench.account, bench.events);
        const head = bench.events.length;
        const cut = at % (head + 1);
        const [whole, before, after] = [
          await fixture.between(1, head),
          await fixture.between(1, cut),
          await fixture.between(cut + 1, head),
        ];
        expect([after.opening, after.hash_before]).toEqual([before.closing, before.hash_after]);
        expect([before.opening, after.closing, after.hash_after]).toEqual([
          whole.opening,
          whole.closing,
          whole.hash_after,
        ]);
        expect([...before.entries, ...after.entries]).toEqual(whole.entries);
        for (const each of [whole, before, after]) {
          expect(verifyStatement(Buffer.from(JSON.stringify(each)))).toMatchObject({ ok: true });
        }
      }),
    );
  });

  it("by times are those by the seqs that were recorded then", () => {
    return fc.assert(
      fc.asyncProperty(arbitraryLog, fc.nat({ max: 800 }), fc.nat({ max: 400 }), async (bench, start, length) => {
        const fixture = new LogFixture(bench.account, bench.events);
        const at = (minutes: number) => new Date(Date.UTC(2027, 0, 1) + minutes * MINUTE).toISOString();
        const [from, to] = [at(start), at(start + length)];
        const read = await fixture.statement({ by: "time", from, to });
        if (!read.ok) throw new Error(read.rejection.detail);
        const { from_seq, to_seq, events } = read.value;
        const inside = bench.events.filter(({ recorded_at }) => recorded_at >= from && recorded_at < to);
        expect(events.map(({ event }) => event)).toEqual(inside);
        expect(read.value).toEqual(await fixture.between(from_seq, to_seq));
      }),
    );
  });
});

describe("a balance as of any point", () => {
  it("by seq is the sum of what was posted up to it", () => {
    return fc.assert(
      fc.asyncProperty(arbitraryLog, fc.nat(), async (bench, at) => {
        const { history, head, account } = new LogFixture(bench.account, bench.events);
        const seq = at % (bench.events.length + 1);
        const read = await balanceAtSeq(history, head, account, seq);
        const expected = sum(posted(bench).filter((leg) => leg.seq <= seq));
        expect(read).toMatchObject({ ok: true, value: { balance: fromMinor(expected, account.currency), seq } });
        expect((await balanceAtSeq(history, head, account, head + 1)).ok).toBe(false);
      }),
    );
  });

  it("by moment is the sum of what claims to be from up to it, however late it was recorded", () => {
    return fc.assert(
      fc.asyncProperty(arbitraryLog, fc.integer({ min: -600, max: 900 }), async (bench, minutes) => {
        const { history, head, account } = new LogFixture(bench.account, bench.events);
        const at = new Date(Date.UTC(2027, 0, 1) + minutes * MINUTE).toISOString();
        const expected = sum(posted(bench).filter((leg) => leg.effective_at <= at));
        expect(await balanceAtMoment(history, head, account, at)).toMatchObject({
          ok: true,
          value: { balance: fromMinor(expected, account.currency), as_of: "effective_at", seq: bench.events.length },
        });
      }),
    );
  });
});
