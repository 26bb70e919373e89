import { describe, expect, test } from "vitest";
import { MAX_RISK_RULES, RISK_RULES, riskRuleSchema, riskRules } from "./risk-rules.ts";

const ruleNamed = (rules: ReturnType<typeof riskRules>, id: string) => rules.find((rule) => rule.id === id);
const failure = (overrides: unknown): string => {
  try {
    riskRules(typeof overrides === "string" ? overrides : JSON.stringify(overrides));
  } catch (error) {
    return error instanceof Error ? error.message : "not an error";
  }
  return "nothing was wrong";
};

describe("the shipped risk rules", () => {
  test("pass their own schema, each under an id of its own", () => {
    for (const rule of RISK_RULES) expect(riskRuleSchema.parse(rule)).toEqual(rule);
    expect(new Set(RISK_RULES.map(({ id }) => id)).size).toBe(RISK_RULES.length);
  });

  test("are in force when a deployment overrides nothing", () => {
    expect(riskRules(undefined)).toBe(RISK_RULES);
    expect(riskRules("")).toBe(RISK_RULES);
    expect(riskRules("{}")).toEqual(RISK_RULES);
  });
});

describe("a deployment's overrides", () => {
  test("change the named fields and leave the rest of the rule, and the other rules, alone", () => {
    const rules = riskRules('{"amount_review":{"from":"2000.00"}}');
    expect(ruleNamed(rules, "amount_review")).toEqual({ ...ruleNamed(RISK_RULES, "amount_review"), from: "2000.00" });
    expect(rules.filter(({ id }) => id !== "amount_review")).toEqual(
      RISK_RULES.filter(({ id }) => id !== "amount_review"),
    );
  });

  test("take a rule away with null", () => {
    expect(riskRules('{"velocity_24h":null}').map(({ id }) => id)).toEqual(
      RISK_RULES.map(({ id }) => id).filter((id) => id !== "velocity_24h"),
    );
  });

  test("add a rule that is whole", () => {
    const hourly = {
      text: "over 500 in an hour",
      when: "velocity",
      over: "500",
      window_s: 3600,
      outcome: "review",
      score: 5,
    };
    expect(riskRules(JSON.stringify({ hourly })).at(-1)).toEqual({ id: "hourly", ...hourly });
  });

  test.each([
    ["text that is not JSON", "{", "CROWDPAY_RISK: not JSON"],
    ["a list", [], "CROWDPAY_RISK: "],
    ["an amount that is no amount", { amount_review: { from: "5e3" } }, "from must be a decimal string of EUR"],
    ["a threshold of zero", { amount_review: { from: "0.00" } }, "from must be a decimal string of EUR"],
    ["an unknown field", { amount_review: { frm: "1.00" } }, "CROWDPAY_RISK: 0"],
    ["a new rule in pieces", { mine: { from: "1.00" } }, "CROWDPAY_RISK: 5"],
    ["a window longer than what is kept", { velocity_24h: { window_s: 86_400 + 600 } }, "window_s"],
    ["a window that is not a whole number of grains", { velocity_24h: { window_s: 900 } }, "window_s"],
    ["an outcome that approves", { amount_review: { outcome: "approve" } }, "outcome"],
  ])("with %s are refused, naming the setting", (_, overrides, message) => {
    expect(failure(overrides)).toContain("CROWDPAY_RISK");
    expect(failure(overrides)).toContain(message);
  });

  test(`may reach ${MAX_RISK_RULES} rules and not one more`, () => {
    const extra = (count: number) =>
      Object.fromEntries(
        Array.from({ length: count }, (_, n) => [
          `extra_${n}`,
          { text: "extra", when: "amount", from: "9.00", outcome: "review", score: 1 },
        ]),
      );
    expect(riskRules(JSON.stringify(extra(MAX_RISK_RULES - RISK_RULES.length)))).toHaveLength(MAX_RISK_RULES);
    expect(failure(extra(MAX_RISK_RULES - RISK_RULES.length + 1))).toContain("CROWDPAY_RISK");
  });
});
