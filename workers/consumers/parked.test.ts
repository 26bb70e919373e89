import { describe, expect, it } from "vitest";
import { parkCode } from "../../schema/saga-operations.ts";
import { parkedByCode } from "./parked.ts";

describe("parked sagas", () => {
  it("are counted by the first word of their reason, with the age of the oldest", () => {
    const parked = [
      { reason: "amount_mismatch: the provider captured 120.00 EUR", count: 1, since: "2026-01-01T00:00:10.000Z" },
      { reason: "amount_mismatch: the provider captured 7.00 EUR", count: 2, since: "2026-01-01T00:00:00.000Z" },
      { reason: "internal: TypeError", count: 1, since: "2026-01-01T00:01:00.000Z" },
    ];
    expect(parkedByCode(parked, Date.parse("2026-01-01T00:01:00.000Z"))).toEqual([
      { code: "amount_mismatch", count: 3, oldest_s: 60 },
      { code: "internal", count: 1, oldest_s: 0 },
    ]);
    expect(parkedByCode([], 0)).toEqual([]);
  });

  it.each([
    ["capture: unknown for a day", "capture"],
    ["pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR: account_frozen", "pod"],
    ["wallet:alice:EUR posted what is being voided", "wallet"],
    ["Alice did it", "other"],
    ["", "other"],
  ])("of the reason %j are counted as %s", (reason, code) => {
    expect(parkCode(reason)).toBe(code);
  });
});
