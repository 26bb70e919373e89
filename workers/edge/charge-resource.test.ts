import { describe, expect, it } from "vitest";
import type { ChargeRecord } from "../../schema/charges.ts";
import { chargeResource as schema } from "../../schema/resources.ts";
import { chargeResource } from "./charge-resource.ts";

const eur = (amount: string) => ({ amount, currency: "EUR" });

const charge: ChargeRecord = {
  id: "chg_1",
  pod: "pod_1",
  payer: "bob",
  status: "succeeded",
  amount: eur("100.00"),
  settled: eur("98.50"),
  fees: [{ name: "psp", amount: eur("1.50") }],
  risk: { outcome: "approve", score: 12, reasons: [] },
  failure: null,
  description: { sealed: "c2VhbGVk", key: "key-1" },
  saga: "sag_1",
  created_at: "2026-01-01T00:00:00.000Z",
};

describe("a charge as it is read", () => {
  it("shows members neither the score nor anything sealed", () => {
    const shown = chargeResource(charge, false);
    expect(schema.parse(shown)).toEqual(shown);
    expect(JSON.stringify(shown)).not.toMatch(/score|c2VhbGVk|key-1/);
  });

  it("is the same text whether the actor has just made it or read it from its journal", () => {
    const woken: ChargeRecord = { ...charge, fees: [{ amount: eur("1.50"), name: "psp" }] };
    expect(JSON.stringify(chargeResource(woken, false))).toBe(JSON.stringify(chargeResource(charge, false)));
  });

  it("shows operators the score", () => {
    expect(chargeResource(charge, true).risk).toEqual({ outcome: "approve", reasons: [], score: 12 });
  });

  it("has `fx` once a rate has been accepted, and only what the payer paid at", () => {
    expect(chargeResource(charge, false)).not.toHaveProperty("fx");
    const fx = { quote: "fxq_1", rate: "1.08710", provider: "lp-a" };
    const shown = chargeResource({ ...charge, fx }, false);
    expect(schema.parse(shown)).toEqual(shown);
    expect(shown.fx).toEqual(fx);
  });

  it("has `settled` once it is captured and `failure` once it has failed, not before", () => {
    const under = chargeResource({ ...charge, status: "processing", settled: null, risk: null }, false);
    expect(under).not.toHaveProperty("settled");
    expect(under).not.toHaveProperty("failure");
    expect(under.risk).toBeNull();
    const failure = { code: "payment_declined", decline_reason: "do_not_honor" } as const;
    expect(chargeResource({ ...charge, settled: null, status: "failed", failure }, false).failure).toEqual(failure);
  });
});
