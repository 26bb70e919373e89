import { z } from "zod";
import { parseMinor } from "./money.ts";

/**
 * The windows a risk profile keeps, in seconds, and how finely. A rule's window is a whole number of grains, at most as long as
 * what is kept. What was counted leaves its window up to one grain late, never early.
 */
export const VELOCITY_WINDOW = { keptS: 24 * 60 * 60, grainS: 10 * 60 } as const;
export const DECLINE_WINDOW = { keptS: 10 * 60, grainS: 60 } as const;

/** A rule set holds at most this many rules. */
export const MAX_RISK_RULES = 50;

const euros = z
  .string()
  .refine((text) => (parseMinor(text, "EUR") ?? 0n) > 0n, { error: "must be a decimal string of EUR, above zero" });

const windowOf = ({ keptS, grainS }: { keptS: number; grainS: number }) =>
  z.int().min(grainS).max(keptS).multipleOf(grainS);

const common = {
  /** What a decision's `reasons` name. */
  id: z.string().regex(/^[a-z][a-z0-9_]{0,39}$/),
  /** For people. */
  text: z.string().min(1).max(200),
  outcome: z.enum(["review", "decline"]),
  /** What a hit adds to the score, which ends at 100. */
  score: z.int().min(1).max(100),
};

/** One rule: when it hits, and what then. Amounts are EUR-equivalents at the reference rates. */
export const riskRuleSchema = z.discriminatedUnion("when", [
  z.strictObject({ ...common, when: z.literal("amount"), from: euros }),
  z.strictObject({
    ...common,
    when: z.literal("new_member_amount"),
    from: euros,
    member_for_less_than_s: z
      .int()
      .min(1)
      .max(365 * 86_400),
  }),
  z.strictObject({ ...common, when: z.literal("velocity"), over: euros, window_s: windowOf(VELOCITY_WINDOW) }),
  z.strictObject({
    ...common,
    when: z.literal("instrument_declines"),
    count: z.int().min(1).max(1_000),
    window_s: windowOf(DECLINE_WINDOW),
  }),
]);
export type RiskRule = z.infer<typeof riskRuleSchema>;

export const RISK_RULES: readonly RiskRule[] = [
  {
    id: "amount_review",
    text: "one payment from 5,000.00 EUR",
    when: "amount",
    from: "5000.00",
    outcome: "review",
    score: 40,
  },
  {
    id: "amount_decline",
    text: "one payment from 50,000.00 EUR",
    when: "amount",
    from: "50000.00",
    outcome: "decline",
    score: 60,
  },
  {
    id: "new_member_amount",
    text: "from 1,000.00 EUR by a member of less than 24 hours",
    when: "new_member_amount",
    from: "1000.00",
    member_for_less_than_s: 86_400,
    outcome: "review",
    score: 30,
  },
  {
    id: "velocity_24h",
    text: "over 100,000.00 EUR by one person in 24 hours",
    when: "velocity",
    over: "100000.00",
    window_s: 86_400,
    outcome: "review",
    score: 40,
  },
  {
    id: "instrument_declines",
    text: "20 declines on one instrument of one person in 10 minutes",
    when: "instrument_declines",
    count: 20,
    window_s: 600,
    outcome: "decline",
    score: 80,
  },
];

const overridesSchema = z.record(z.string(), z.record(z.string(), z.json()).nullable());

/**
 * The shipped rules under a deployment's overrides: JSON by rule id, such as `{"amount_review":{"from":"2000.00"},
 * "velocity_24h":null}`. A patch changes the named fields, null takes the rule away, another id adds a rule that must be whole.
 * Throws, naming the setting and the field, when the text is not that.
 */
export const riskRules = (overrides: string | undefined): readonly RiskRule[] => {
  if (overrides === undefined || overrides === "") return RISK_RULES;
  const patches = parse(overridesSchema, parseJson(overrides));
  const shipped = RISK_RULES.map((rule) => rule.id);
  const merged = [...new Set([...shipped, ...Object.keys(patches)])].flatMap((id) => {
    const patch = Object.hasOwn(patches, id) ? patches[id] : {};
    return patch === null ? [] : [{ id, ...RISK_RULES.find((rule) => rule.id === id), ...patch }];
  });
  return parse(z.array(riskRuleSchema).max(MAX_RISK_RULES), merged);
};

const parseJson = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    throw new Error("CROWDPAY_RISK: not JSON");
  }
};

const parse = <T>(schema: z.ZodType<T>, value: unknown): T => {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw new Error(
    `CROWDPAY_RISK: ${result.error.issues.map((issue) => `${issue.path.join(".")} ${issue.message}`).join("; ")}`,
  );
};
