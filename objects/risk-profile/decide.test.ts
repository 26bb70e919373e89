import { describe, expect, test } from "vitest";
import { convertIndicative, fromMinor } from "../../schema/money.ts";
import { REFERENCE_RATES } from "../../schema/reference-rates.ts";
import { riskRules } from "../../schema/risk-rules.ts";
import { assessOp, declineOp, HOUR, LONG_AGO, Profile, releaseOp, START } from "./profile.fixture.ts";

const joined = (agoMs: number) => new Date(START - agoMs).toISOString();

describe("the shipped rules", () => {
  test.each([
    ["4999.99", "approve", 0, []],
    ["5000.00", "review", 40, ["amount_review"]],
    ["49999.99", "review", 40, ["amount_review"]],
    ["50000.00", "decline", 100, ["amount_review", "amount_decline"]],
  ])("one charge of %s EUR: %s", (euros, outcome, score, reasons) => {
    expect(new Profile().assess("sag_1", euros)).toEqual({ outcome, score, reasons });
  });

  test.each([
    ["999.99", 0, "approve", []],
    ["1000.00", 0, "review", ["new_member_amount"]],
    ["1000.00", 24 * HOUR - 1, "review", ["new_member_amount"]],
    ["1000.00", 24 * HOUR, "approve", []],
    ["5000.00", 1, "review", ["amount_review", "new_member_amount"]],
  ])("%s EUR by a member of %i ms: %s", (euros, agoMs, outcome, reasons) => {
    expect(new Profile().assess("sag_1", euros, { member_since: joined(agoMs) })).toMatchObject({ outcome, reasons });
  });

  test("a join time that cannot be read makes nobody a member of long standing", () => {
    expect(new Profile().assess("sag_1", "1000.00", { member_since: "" }).reasons).toEqual(["new_member_amount"]);
  });

  test.each([
    ["1000.00", "approve", []],
    ["1000.01", "review", ["velocity_24h"]],
  ])("%s EUR after 99,000.00 in 24 hours: %s", (euros, outcome, reasons) => {
    const profile = new Profile();
    for (let n = 0; n < 24; n++) profile.assess(`before_${n}`, "4125.00");
    expect(profile.assess("sag_1", euros)).toMatchObject({ outcome, reasons });
  });

  test("what somebody paid leaves the 24 hours, whatever is still to become of it", () => {
    const profile = new Profile();
    for (let n = 0; n < 20; n++) profile.assess(`before_${n}`, "4990.00");
    profile.now += 24 * HOUR - 1;
    expect(profile.assess("within", "1000.00").outcome).toBe("review");
    profile.do(releaseOp("within"));
    profile.now += 10 * 60_000 + 1;
    expect(profile.assess("after", "1000.00").outcome).toBe("approve");
  });

  test("a payment that came to nothing is taken out of the hour it was counted in, and out of none once that has left", () => {
    const profile = new Profile();
    for (let n = 0; n < 24; n++) profile.assess(`before_${n}`, "4125.00");
    profile.now += HOUR;
    profile.assess("later", "4125.00");
    for (let n = 0; n < 24; n++) profile.do(releaseOp(`before_${n}`));
    expect(profile.counted).toBe(412_500n);
    profile.now += 48 * HOUR;
    profile.do(declineOp("later"));
    expect(profile.state).toMatchObject({ amounts: [], declines: [{ instrument: "fp_card" }] });
  });

  test("a payment under review counts while it waits, and a refused one never does", () => {
    const profile = new Profile();
    for (let n = 0; n < 20; n++) expect(profile.assess(`refused_${n}`, "50000.00").outcome).toBe("decline");
    expect(profile.assess("small", "1.00").outcome).toBe("approve");
    for (let n = 0; n < 4; n++) profile.assess(`reviewed_${n}`, "25000.00");
    expect(profile.assess("next", "1.00").reasons).toEqual(["velocity_24h"]);
  });

  test.each([
    [19, "approve", 0, []],
    [20, "decline", 80, ["instrument_declines"]],
  ])("after %i declines on an instrument: %s", (declines, outcome, score, reasons) => {
    const profile = new Profile();
    for (let n = 0; n < declines; n++) {
      profile.assess(`sag_${n}`, "1.00");
      profile.do(declineOp(`sag_${n}`));
    }
    expect(profile.assess("next", "1.00")).toEqual({ outcome, score, reasons });
    expect(profile.assess("other", "1.00", { instrument: "fp_other" }).outcome).toBe("approve");
    expect(profile.assess("wallet", "1.00", { instrument: null }).outcome).toBe("approve");
    profile.now += 11 * 60_000;
    expect(profile.assess("later", "1.00").outcome).toBe("approve");
  });

  test("any number of small approved payments stays approved", () => {
    const profile = new Profile();
    for (let n = 0; n < 5_000; n++) {
      expect(profile.assess(`sag_${n}`, "1.00").outcome).toBe("approve");
    }
  });

  test.each(["JPY", "KWD", "USD"])("an amount in %s is judged by its EUR-equivalent", (currency) => {
    const threshold = convertIndicative(500_000n, "EUR", currency, REFERENCE_RATES);
    const outcomes = [(threshold * 99n) / 100n, (threshold * 101n) / 100n].map(
      (minor) => new Profile().assess("sag_1", "0.00", { amount: fromMinor(minor, currency) }).outcome,
    );
    expect(outcomes).toEqual(["approve", "review"]);
  });
});

describe("a deployment's rules", () => {
  test("are the ones that decide", () => {
    const profile = new Profile(riskRules('{"amount_review":{"from":"10.00"},"amount_decline":null}'));
    expect(profile.assess("sag_1", "9.99").outcome).toBe("approve");
    expect(profile.assess("sag_2", "60000.00")).toEqual({ outcome: "review", score: 40, reasons: ["amount_review"] });
  });
});

describe("one saga", () => {
  test("gets the answer it was first given, whatever has changed", () => {
    const profile = new Profile();
    const first = profile.assess("sag_1", "4000.00");
    for (let n = 0; n < 25; n++) profile.assess(`sag_other_${n}`, "4900.00");
    expect(profile.do(assessOp("sag_1", "4000.00"))).toEqual({
      answer: { op: "assess", decision: first },
      change: null,
    });
  });

  test("released before it is assessed is declined when the assessment comes late", () => {
    const profile = new Profile();
    profile.do(releaseOp("sag_1"));
    expect(profile.assess("sag_1", "1.00")).toEqual({ outcome: "decline", score: 100, reasons: ["released"] });
    expect(profile.counted).toBe(0n);
  });

  test.each<[string, (profile: Profile) => void, bigint]>([
    ["assessed", () => undefined, 500n],
    ["released", (profile) => profile.do(releaseOp("sag_1")), 0n],
    ["declined", (profile) => profile.do(declineOp("sag_1")), 0n],
  ])("%s counts for what it should", (_, end, counted) => {
    const profile = new Profile();
    profile.assess("sag_1", "5.00");
    end(profile);
    expect(profile.counted).toBe(counted);
  });

  test.each([
    ["released", releaseOp("sag_1")],
    ["declined", declineOp("sag_1")],
  ])("once %s, no later word on it changes anything", (_, end) => {
    const profile = new Profile();
    profile.assess("sag_1", "5.00");
    profile.do(end);
    for (const late of [releaseOp("sag_1"), declineOp("sag_1")]) {
      expect(profile.do(late)).toEqual({ answer: { op: late.op }, change: null });
    }
  });

  test("never seen and declined is answered and leaves nothing", () => {
    expect(new Profile().do(declineOp("sag_1"))).toEqual({ answer: { op: "decline" }, change: null });
  });

  test("puts an instrument into the log by its fingerprint only, and no join time", () => {
    const profile = new Profile();
    profile.assess("sag_1", "12.34", { amount: { amount: "12.34", currency: "USD" }, member_since: LONG_AGO });
    expect(profile.events[0]?.data).toEqual({
      saga: "sag_1",
      charge: "chg_sag_1",
      pod: "pod_1",
      outcome: "approve",
      score: "0",
      reasons: [],
      amount: { amount: "12.34", currency: "USD" },
      eur_equivalent: fromMinor(convertIndicative(1234n, "USD", "EUR", REFERENCE_RATES), "EUR"),
      instrument: "fp_card",
    });
  });
});
