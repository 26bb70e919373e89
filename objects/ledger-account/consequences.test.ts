import fc from "fast-check";
import { expect, test } from "vitest";
import { fromMinor } from "../../schema/money.ts";
import { Bench, opOn, partOf } from "./bench.fixture.ts";
import { ZERO } from "./counters.ts";
import { minorsOf, shareOf } from "./reference-ledger.fixture.ts";

const WALLET = "wallet:ana:EUR";
type Monitor = { bound: "above" | "below"; threshold: bigint };

const monitor: fc.Arbitrary<Monitor> = fc.record({
  bound: fc.constantFrom("above" as const, "below" as const),
  threshold: fc.bigInt(1n, 12n),
});
const leg = fc.record({ direction: fc.constantFrom("debit" as const, "credit" as const), minor: fc.bigInt(1n, 9n) });
/** Postings of one batch, each of one or more legs, direct, or from a hold and then perhaps so many hundredths of it. */
const posting = fc.record({
  legs: fc.array(leg, { minLength: 1, maxLength: 3 }),
  held: fc.boolean(),
  hundredths: fc.option(fc.constantFrom(1, 40, 99)),
});

/** Crossings counted from the balances alone, posting by posting: what a monitor must have told, no more and no less. */
const crossings = ({ bound, threshold }: Monitor, balances: readonly bigint[]): string[] => {
  const beyond = (balance: bigint) => (bound === "above" ? balance > threshold : balance < threshold);
  return balances.slice(1).flatMap((balance, at) => {
    const before = beyond(balances[at] ?? 0n);
    if (beyond(balance) === before) return [];
    return [before ? "monitor.resolved" : "monitor.triggered"];
  });
};

test("a monitor tells of each crossing once, each way, whatever a batch does", () => {
  let told = 0;
  const property = fc.property(
    fc.array(monitor, { minLength: 1, maxLength: 5 }),
    fc.array(posting, { minLength: 1, maxLength: 40 }),
    (monitors, postings) => {
      const account = new Bench(WALLET, { counters: ZERO, floor: null });
      monitors.forEach(({ bound, threshold }, at) => {
        const command = { type: "add_monitor" as const, monitor: `mon_${at}`, bound, reason: null };
        account.command({ ...command, threshold: fromMinor(threshold, "EUR") });
      });
      const balances = [0n];
      postings.forEach(({ legs, held, hundredths }, at) => {
        const [first] = legs;
        // A hold has one side.
        const parts =
          held && first !== undefined ? legs.filter(({ direction }) => direction === first.direction) : legs;
        if (held) account.apply(opOn(WALLET, "reserve", `trf_${at}`, parts));
        const minors = parts.map(({ minor }) => minor);
        const share = held && hundredths !== null ? shareOf(minors, hundredths) : null;
        const whole = opOn(WALLET, "post", `trf_${at}`, parts);
        account.apply(share === null ? whole : partOf(whole, minorsOf(share)));
        const moved = parts.reduce((sum, part, n) => {
          const minor = (share ?? minors)[n] ?? 0n;
          return sum + (part.direction === "credit" ? minor : -minor);
        }, 0n);
        balances.push((balances.at(-1) ?? 0n) + moved);
      });
      monitors.forEach((watch, at) => {
        const events = account.events.filter(
          ({ type, data }) => data.monitor === `mon_${at}` && type !== "monitor.added",
        );
        expect(events.map(({ type }) => type)).toEqual(crossings(watch, balances));
        told += events.length;
      });
      // In the posting's own commit: whatever was told stands right behind a posting, or behind what else followed from it.
      account.events.forEach(({ type }, at) => {
        if (!["monitor.triggered", "monitor.resolved"].includes(type)) return;
        expect(account.events[at - 1]?.type).toMatch(/^transfer\.posted$|^monitor\.(triggered|resolved)$/);
      });
    },
  );
  fc.assert(property, { numRuns: 500 });
  expect(told).toBeGreaterThan(1_000);
});
