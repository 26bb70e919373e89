import { describe, expect, it } from "vitest";
import {
  balanceQuery,
  batchBody,
  closePeriodBody,
  createTransferBody,
  MAX_BATCH_TRANSFERS,
  podStatementQuery,
  statementQuery,
} from "./ledger-commands.ts";

const ID = "trf_01J00000000000000000000000";
const OTHER = "trf_01J00000000000000000000001";
const amount = { amount: "12", currency: "EUR" };
const legs = [
  { account: "bank:sandbox:EUR", direction: "debit", amount },
  { account: "fee:EUR", direction: "credit", amount: { ...amount, amount: "12.00" } },
];

describe("a transfer", () => {
  it("is spelled one way, whatever way it was written", () => {
    const spelled = (effective_at: string) => createTransferBody.parse({ id: ID, legs, effective_at });
    const once = spelled("2026-01-31T23:00:00Z");
    expect(once).toMatchObject({ kind: "transfer", metadata: {}, effective_at: "2026-01-31T23:00:00.000Z" });
    expect(once).toMatchObject({ legs: [{ amount: { amount: "12.00" } }, { amount: { amount: "12.00" } }] });
    for (const same of ["2026-02-01T00:00:00+01:00", "2026-01-31T23:00:00.0001Z", "2026-01-31T18:00:00.000-05:00"]) {
      expect(spelled(same)).toEqual(once);
    }
    expect(createTransferBody.parse({ id: ID, legs })).not.toHaveProperty("effective_at");
  });

  it("takes back another, a saga's own included, and says nothing else then", () => {
    expect(createTransferBody.parse({ id: ID, reverses: OTHER })).toEqual({
      kind: "reversal",
      id: ID,
      reverses: OTHER,
    });
    expect(createTransferBody.safeParse({ id: ID, reverses: `${OTHER}0F` }).success).toBe(true);
    expect(createTransferBody.safeParse({ id: `${ID}0F`, reverses: OTHER }).success).toBe(false);
    expect(createTransferBody.safeParse({ id: ID, reverses: OTHER, legs }).success).toBe(false);
  });

  it.each([
    "2026-02-30T00:00:00Z",
    "2026-01-01",
    "2026-01-01T00:00:00",
    "1969-12-31T23:59:59Z",
    "9999-01-01T00:00:00Z",
    "",
  ])("does not claim %j", (effective_at) =>
    expect(createTransferBody.safeParse({ id: ID, legs, effective_at }).success).toBe(false),
  );
});

it("a batch holds a thousand transfers of any form, and no more", () => {
  const size = (length: number) => batchBody.safeParse({ transfers: Array(length).fill("anything") }).success;
  expect([size(0), size(1), size(MAX_BATCH_TRANSFERS), size(MAX_BATCH_TRANSFERS + 1)]).toEqual([
    false,
    true,
    true,
    false,
  ]);
});

it("a period is closed at a moment", () => {
  expect(closePeriodBody.parse({ until: "2026-02-01T00:00:00+01:00" })).toEqual({ until: "2026-01-31T23:00:00.000Z" });
});

describe("a statement's range", () => {
  const time = (from: string | null, to: string | null) => ({ by: "time", from, to });

  it.each([
    [{}, time(null, null)],
    [{ from: "2026-01-01" }, time("2026-01-01T00:00:00.000Z", null)],
    [{ from: "2026-01-01", to: "2026-01-01" }, time("2026-01-01T00:00:00.000Z", "2026-01-01T00:00:00.000Z")],
    [{ to: "2026-01-01T02:00:00+02:00" }, time(null, "2026-01-01T00:00:00.000Z")],
    [
      { from_seq: "1", to_seq: "0" },
      { by: "seq", from_seq: 1, to_seq: 0 },
    ],
    [
      { from_seq: "3", to_seq: "9" },
      { by: "seq", from_seq: 3, to_seq: 9 },
    ],
  ])("%j is read", (query, expected) => {
    expect(statementQuery.parse(query)).toEqual(expected);
    expect(podStatementQuery.parse({ ...query, currency: "EUR" })).toEqual({ currency: "EUR", range: expected });
  });

  it.each([
    [{ from_seq: "0", to_seq: "5" }],
    [{ from_seq: "5", to_seq: "3" }],
    [{ from_seq: "5" }],
    [{ to_seq: "5" }],
    [{ from_seq: "1", to_seq: "5", to: "2026-01-01" }],
    [{ from: "2026-01-02", to: "2026-01-01" }],
    [{ from: "2026-13-01" }],
    [{ from_seq: "-1", to_seq: "5" }],
    [{ from_seq: "1.5", to_seq: "5" }],
  ])("%j is refused", (query) => {
    expect(statementQuery.safeParse(query).success).toBe(false);
    expect(podStatementQuery.safeParse(query).success).toBe(false);
  });
});

it("a past balance is asked for by a seq or by a moment", () => {
  expect(balanceQuery.parse({ seq: "0" })).toEqual({ seq: 0 });
  expect(balanceQuery.parse({ at: "2026-01-01T00:00:00Z" })).toEqual({ at: "2026-01-01T00:00:00.000Z" });
  for (const query of [{}, { seq: "1", at: "2026-01-01T00:00:00Z" }, { at: "2026-01-01" }]) {
    expect(balanceQuery.safeParse(query).success).toBe(false);
  }
});
