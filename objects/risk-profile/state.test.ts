import fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { JsonValue } from "../../schema/events.ts";
import { declineOp, HOUR, Profile, releaseOp, START } from "./profile.fixture.ts";
import { fold, type RiskState } from "./state.ts";
import { MAX_INSTRUMENTS } from "./windows.ts";

const reload = (state: RiskState): RiskState =>
  fold.decode(JSON.parse(JSON.stringify(fold.encode(state))) as JsonValue);

type Step =
  | { do: "assess"; saga: number; cents: number; instrument: number }
  | { do: "release" | "decline"; saga: number }
  | { do: "wait"; minutes: number };

const saga = fc.integer({ min: 0, max: 11 });
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant("assess" as const),
      saga,
      cents: fc.integer({ min: 1, max: 6_000_000 }),
      instrument: fc.integer({ min: 0, max: 3 }),
    }),
  },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constantFrom("release" as const, "decline" as const), saga }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("wait" as const), minutes: fc.integer({ min: -60, max: 900 }) }),
  },
);

const run = (profile: Profile, steps: readonly Step[], after: (profile: Profile) => void): void => {
  for (const each of steps) {
    if (each.do === "wait") profile.now += each.minutes * 60_000;
    else if (each.do === "assess") {
      const euros = `${Math.floor(each.cents / 100)}.${String(each.cents % 100).padStart(2, "0")}`;
      profile.assess(`sag_${each.saga}`, euros, { instrument: `fp_${each.instrument}` });
    } else if (each.do === "release") profile.do(releaseOp(`sag_${each.saga}`));
    else profile.do(declineOp(`sag_${each.saga}`));
    after(profile);
  }
};

describe("the velocity windows", () => {
  test("hold exactly what was let through lately and not taken out again", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const profile = new Profile();
        run(profile, steps, () => undefined);
        profile.do(releaseOp("the clock's word"));
        const last = Date.parse(profile.events.at(-1)?.recorded_at ?? "");
        const oldest = Math.floor((last - 24 * HOUR) / 600_000) * 600_000;
        const counted = [...profile.known.values()].filter(({ state, at }) => state === "counted" && at >= oldest);
        expect(profile.counted).toBe(counted.reduce((sum, { eurMinor }) => sum + eurMinor, 0n));
      }),
    );
  });

  test("count a payment for 24 hours and at most one grain longer", () => {
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 20 * 60 }), fc.integer({ min: 1, max: 100 })), { maxLength: 40 }),
        fc.integer({ min: 0, max: 48 * 60 }),
        (payments, restMinutes) => {
          const profile = new Profile([]);
          const paid = payments.map(([waitMinutes, euros], n) => {
            profile.now += waitMinutes * 60_000;
            profile.assess(`sag_${n}`, `${euros}.00`);
            return { at: profile.now, minor: BigInt(euros * 100) };
          });
          profile.now += restMinutes * 60_000;
          profile.do(releaseOp("the clock's word"));
          const since = (ms: number) =>
            paid.filter(({ at }) => at > profile.now - ms).reduce((sum, { minor }) => sum + minor, 0n);
          expect(profile.counted >= since(24 * HOUR)).toBe(true);
          expect(profile.counted <= since(24 * HOUR + 10 * 60_000)).toBe(true);
        },
      ),
    );
  });

  test("fill at most 145 buckets", () => {
    const profile = new Profile([]);
    for (let n = 0; n < 400; n++) {
      profile.now += 10 * 60_000;
      profile.assess(`sag_${n}`, "1.00");
      expect(profile.state.amounts.length).toBe(Math.min(145, n + 1));
    }
  });

  test(`keep declines of ${MAX_INSTRUMENTS} instruments; one more, and the oldest goes`, () => {
    const profile = new Profile();
    const decline = (instrument: number, n: string) => {
      profile.assess(n, "1.00", { instrument: `fp_${instrument}` });
      profile.do(declineOp(n));
    };
    const kept = () => profile.state.declines.map(({ instrument }) => instrument);
    for (let n = 0; n < MAX_INSTRUMENTS; n++) decline(n, `sag_${n}`);
    decline(0, "again");
    expect(kept()).toHaveLength(MAX_INSTRUMENTS);
    expect(kept().at(-1)).toBe("fp_0");
    decline(MAX_INSTRUMENTS, "one more");
    expect(kept()).toHaveLength(MAX_INSTRUMENTS);
    expect(kept()).not.toContain("fp_1");
    expect(kept()).toContain("fp_0");
  });

  test("keep at most 11 buckets of declines an instrument", () => {
    const profile = new Profile([]);
    for (let n = 0; n < 30; n++) {
      profile.now += 60_000;
      profile.assess(`sag_${n}`, "1.00");
      profile.do(declineOp(`sag_${n}`));
      expect(profile.state.declines[0]?.buckets.length).toBe(Math.min(11, n + 1));
    }
  });
});

describe("the fold", () => {
  test("gives the same from any snapshot as from the first event", () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 40 }), fc.nat(), (steps, at) => {
        const profile = new Profile();
        run(profile, steps, () => undefined);
        const cut = at % (profile.events.length + 1);
        const snapshot = reload(profile.events.slice(0, cut).reduce(fold.evolve, fold.initial));
        const resumed = profile.events.slice(cut).reduce(fold.evolve, snapshot);
        expect(resumed).toEqual(profile.state);
        expect(fold.summary(resumed)).toBe(fold.summary(profile.state));
      }),
    );
  });

  test("leaves the state it was given alone", () => {
    const profile = new Profile();
    profile.assess("sag_1", "10.00");
    const before = fold.encode(profile.state);
    const held = profile.state;
    profile.assess("sag_2", "10.00");
    expect(fold.encode(held)).toEqual(before);
  });

  test("throws on an event no profile writes, and on taking out what was never counted", () => {
    const profile = new Profile();
    profile.assess("sag_1", "10.00");
    const event = profile.events[0];
    if (event === undefined) throw new Error("no event");
    expect(() => fold.evolve(fold.initial, { ...event, type: "risk.guessed" })).toThrow("risk.guessed");
    const counted = { at: new Date(START).toISOString(), eur_equivalent: { amount: "10.01", currency: "EUR" } };
    const data = { saga: "sag_1", charge: "chg_1", counted };
    expect(() => fold.evolve(profile.state, { ...event, type: "risk.released", data })).toThrow("than was counted");
  });
});
