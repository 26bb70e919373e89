import { describe, expect, it } from "vitest";
import type { PodRecord } from "../../schema/pods.ts";
import { aggregateBalance, balanceRow, podListed, rowFromCounters } from "./pod-resource.ts";

const pod: PodRecord = {
  id: "pod_01J00000000000000000000000",
  name: "Trip",
  type: "pool",
  status: "active",
  currencies: ["EUR", "JPY"],
  home_currency: "EUR",
  timezone: "UTC",
  goal: null,
  members: [],
  seq: 2,
  log_head: "0".repeat(64),
  created_at: "2026-01-01T00:00:00.000Z",
};

describe("a pod's balances", () => {
  it("are zero, in the currency's own decimals, before any money", () => {
    expect(balanceRow("EUR", null)).toEqual({
      currency: "EUR",
      posted: "0.00",
      pending: "0.00",
      pending_in: "0.00",
      available: "0.00",
    });
    expect(balanceRow("JPY", null).posted).toBe("0");
  });

  it("take open outgoing holds off what is available, and do not count incoming ones", () => {
    const counters = {
      debits_posted: "1.50",
      credits_posted: "10.00",
      debits_pending: "2.00",
      credits_pending: "7.25",
    };
    expect(rowFromCounters("EUR", counters)).toEqual({
      currency: "EUR",
      posted: "8.50",
      pending: "2.00",
      pending_in: "7.25",
      available: "6.50",
    });
  });

  it("count what a floor keeps back, and what a floor below zero lends", () => {
    const counters = {
      debits_posted: "0.00",
      credits_posted: "10.00",
      debits_pending: "2.00",
      credits_pending: "0.00",
    };
    const available = (floor: string | null) => rowFromCounters("EUR", counters, floor).available;
    expect(["3.00", "-5.00", null].map(available)).toEqual(["5.00", "13.00", "8.00"]);
  });

  it("are added up in the home currency as an indication", () => {
    const row = (currency: string, posted: string) => ({ ...balanceRow(currency, null), posted });
    const total = aggregateBalance([row("EUR", "10.00"), row("JPY", "0")], "EUR");
    expect(total).toEqual({ amount: "10.00", currency: "EUR", indicative: true });
    expect(Number(aggregateBalance([row("JPY", "10000")], "EUR").amount)).toBeGreaterThan(1);
  });

  it("are shown in a list as in the single read: a row for every currency", () => {
    const counters = { debits_posted: "0", credits_posted: "500", debits_pending: "0", credits_pending: "0" };
    const balances = [{ account: `pod:${pod.id}:JPY`, currency: "JPY", counters, terms: null, seq: 1, head_hash: "" }];
    expect(podListed({ pod, balances }).balances).toEqual([
      balanceRow("EUR", null),
      { currency: "JPY", posted: "500", pending: "0", pending_in: "0", available: "500" },
    ]);
  });
});
