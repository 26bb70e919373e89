import { describe, expect, it } from "vitest";
import { fromMinor } from "../../../schema/money.ts";
import { type RejectionCode, reject } from "../../../schema/rejections.ts";
import type { DeskAnswer, HedgeAnswer } from "../../../schema/rpc/desk.ts";
import type { Saga } from "../../../schema/sagas.ts";
import { cancel } from "../decide.ts";
import { beginCharge, beginHedge, CHARGE, FILL, HEDGE, SAGA, T0, TERMS, told, upTo } from "../testing/fixtures.ts";
import { type Scripted, scripted } from "../testing/port.ts";
import { POD } from "../testing/stories.ts";
import { transferOf } from "./accounts.ts";
import { perform } from "./perform.ts";

const performing = async (saga: Saga, script: Scripted) => {
  const { port, calls } = scripted(script);
  return { report: await perform(saga, port), ...calls };
};
const taken: DeskAnswer = { ok: true, op: "accept", terms: TERMS };

describe("accept", () => {
  const saga = upTo(beginCharge("instrument", 10_000n, { to: "USD", quote: "fxq_1" }), "accept");

  it("names the charge in full, and keeps the terms with the legs they make", async () => {
    const { report, desk } = await performing(saga, { desk: () => taken });
    expect(desk[0]).toEqual({
      op: "accept",
      saga: SAGA,
      principal: saga.principal,
      correlation: "r",
      charge: CHARGE,
      payer: "alice",
      pod: POD,
      sell: fromMinor(10_000n, "EUR"),
      buy_currency: "USD",
      quote: "fxq_1",
    });
    expect(report).toMatchObject({ outcome: "done", result: { terms: TERMS } });
    const { step, epoch, ...move } = report;
    expect(transferOf(saga).legs).toEqual([]);
    expect(transferOf(told(saga, move)).legs.map(({ account }) => account.split(":")[0])).toEqual([
      "psp",
      "fx",
      "fx",
      "pod",
      "fee",
      "fee",
      "rounding",
    ]);
  });

  it("without a quote lets the desk find a rate", async () => {
    const open = upTo(beginCharge("wallet", 10_000n, { to: "USD" }), "accept");
    expect((await performing(open, { desk: () => taken })).desk[0]).toMatchObject({ quote: null });
  });

  it.each<RejectionCode>(["not_found", "quote_used", "quote_expired", "currency_mismatch", "amount_out_of_range"])(
    "that is refused %s is so refused, and an expired charge where one exists",
    async (code) => {
      const errors = [{ pointer: "/quote", detail: "must be for this charge" }];
      const { report } = await performing(saga, { desk: () => reject(code, "no", { errors }) });
      expect(report).toMatchObject({
        outcome: "declined",
        declined: { rejection: { code, detail: "no", errors }, code: "expired", decline_reason: code },
      });
      expect(report.declined).not.toHaveProperty("exists");
    },
  );

  it("of an amount that comes to nothing points at the charge's own amount", async () => {
    const errors = [{ pointer: "/sell/amount", detail: "is out of range at the rate of now" }];
    const { report } = await performing(saga, { desk: () => reject("amount_out_of_range", "no", { errors }) });
    expect(report.declined?.rejection.errors).toMatchObject([{ pointer: "/amount/amount" }]);
  });

  it("that finds no provider is a charge that failed", async () => {
    const { report } = await performing(saga, { desk: () => reject("no_firm_liquidity", "nobody") });
    expect(report).toMatchObject({ outcome: "declined", declined: { code: "no_firm_liquidity", exists: true } });
  });

  it.each<RejectionCode>(["overloaded", "upstream_unavailable", "internal"])(
    "that hears %s asks again",
    async (code) => {
      const { report } = await performing(saga, { desk: () => reject(code, "no") });
      expect(report).toMatchObject({ outcome: "unknown", error: { code } });
      expect(report.park).toBeUndefined();
    },
  );

  it.each<[string, Partial<typeof TERMS>]>([
    ["sell another amount", { sell: fromMinor(10_001n, "EUR") }],
    ["sell another currency", { sell: fromMinor(10_000n, "GBP") }],
    ["buy another currency", { buy: fromMinor(10_871n, "JPY") }],
    ["do not add up", { rounding: fromMinor(0n, "USD") }],
  ])("stops for a person when the terms %s", async (_name, change) => {
    const { report } = await performing(saga, { desk: () => ({ ...taken, terms: { ...TERMS, ...change } }) });
    expect(report.park).toMatch(/do not fit/);
  });
});

describe("release", () => {
  const releasing = told(cancel(upTo(beginCharge("wallet", 10_000n, { to: "USD" }), "accept"), T0) as Saga, {
    outcome: "unknown",
  });

  it("says why, and is repeated until the desk has it", async () => {
    const { report, desk } = await performing(releasing, { desk: () => ({ ok: true, op: "release" }) });
    expect([report.outcome, desk[0]]).toMatchObject(["done", { op: "release", saga: SAGA, reason: "cancelled" }]);
    expect((await performing(releasing, { desk: () => reject("overloaded", "no") })).report.outcome).toBe("unknown");
  });
});

describe("convert", () => {
  const converting = upTo(beginCharge("wallet", 10_000n, { to: "USD" }), "convert");

  it("tells the desk that the rate is used, until it has it", async () => {
    const { report, desk } = await performing(converting, { desk: () => ({ ok: true, op: "convert" }) });
    expect([report.outcome, desk[0]]).toMatchObject(["done", { op: "convert", saga: SAGA }]);
    const { report: busy } = await performing(converting, { desk: () => reject("internal", "no") });
    expect([busy.outcome, busy.park]).toEqual(["unknown", undefined]);
  });

  it("stops for a person when the desk knows of no such rate", async () => {
    const { report } = await performing(converting, { desk: () => reject("conflict", "released") });
    expect(report.park).toBe("convert: the desk answered conflict");
  });
});

describe("hedge", () => {
  const hedge = beginHedge();
  const later = (outcome: "refused" | "not_sent" | "unknown", retry_after_ms: number): HedgeAnswer => ({
    outcome,
    retry_after_ms,
    detail: "not now",
  });

  it("goes by its own id and the charge's saga, and posts what was traded", async () => {
    const { report, hedge: calls } = await performing(hedge, { hedge: () => ({ outcome: "filled", ...FILL }) });
    expect(calls[0]).toMatchObject({ hedge: HEDGE, saga: SAGA });
    expect(report).toMatchObject({ outcome: "done", result: { provider: "lp-b", provider_ref: "ref-1" } });
    const { step, epoch, ...move } = report;
    const posting = told(hedge, move, T0, 4);
    expect(posting).toMatchObject({ tag: 4, status: "running" });
    expect(
      transferOf(posting).legs.map(({ account, direction, amount }) => `${direction} ${account} ${amount.amount}`),
    ).toEqual([
      "debit fx:EUR#3 100.00",
      "credit lp:lp-b:EUR#3 100.00",
      "debit lp:lp-b:USD#3 108.69",
      "credit fx:USD#3 108.69",
    ]);
  });

  it.each([
    ["refused", "unknown", 10],
    ["unknown", "unknown", 5_000],
    ["not_sent", "not_sent", 700],
  ] as const)("that is %s is asked again, not before the desk says", async (outcome, reported, asked) => {
    const { report } = await performing(hedge, { hedge: () => later(outcome, asked) });
    expect(report).toMatchObject({ outcome: reported, notBeforeMs: asked, error: { detail: `${outcome}: not now` } });
  });

  it("posts at every account, and is then over", async () => {
    const { port } = scripted({ hedge: () => ({ outcome: "filled", ...FILL }) });
    const { step, epoch, ...filled } = await perform(hedge, port);
    const { report, account } = await performing(told(hedge, filled), {
      account: () => ({ ok: true, state: "posted", seq: 1, balance: "1.00", recorded_at: "2026-01-01T00:00:00.000Z" }),
    });
    expect(report.outcome).toBe("done");
    expect(account.map(({ op, open, charge }) => [op, open, charge])).toEqual(Array(4).fill(["post", true, null]));
  });
});
