import { describe, expect, it } from "vitest";
import { hedgeBegunBy } from "./begin-hedge.ts";
import { beginCharge, beginTransfer, CHARGE, DONE, HEDGE, legsWith, SAGA, told, upTo } from "./testing/fixtures.ts";

describe("a hedge is begun", () => {
  const converted = (source: "instrument" | "wallet") => {
    const before = upTo(beginCharge(source, 10_000n, { to: "USD" }), "convert");
    return { before, after: told(before, DONE) };
  };

  it.each(["instrument", "wallet"] as const)(
    "by the end of a conversion by %s, under the charge's own ids",
    (source) => {
      const { before, after } = converted(source);
      expect(hedgeBegunBy(before, after)).toMatchObject({
        id: HEDGE,
        kind: "hedge",
        subject: "alice",
        input: { saga: SAGA, charge: CHARGE, transfer: `trf_${HEDGE.slice(4)}` },
        principal: { user: "system" },
        correlation: "r",
      });
    },
  );

  it("by no other step of a converted charge", () => {
    let before = beginCharge("instrument", 10_000n, { to: "USD" });
    const begins: string[] = [];
    for (const name of ["assess", "accept", "reserve", "capture", "convert", "post", "conclude"]) {
      const after = upTo(before, name);
      if (hedgeBegunBy(before, after) !== null) begins.push(name);
      before = after;
    }
    expect(begins).toEqual(["post"]);
    expect(hedgeBegunBy(before, told(before, DONE))).toBeNull();
  });

  it("by no conversion that has not come to an end, and by nothing that converts nothing", () => {
    const { before } = converted("wallet");
    expect(hedgeBegunBy(before, told(before, { outcome: "unknown" }))).toBeNull();
    const posting = upTo(beginCharge("wallet"), "post");
    expect(hedgeBegunBy(posting, told(posting, DONE))).toBeNull();
    const deciding = upTo(beginTransfer(legsWith(1)), "decide");
    expect(hedgeBegunBy(deciding, told(deciding, DONE))).toBeNull();
  });
});
