import { describe, expect, it } from "vitest";
import { createIdSource } from "../../schema/ids.ts";
import { fromMinor, MAX_MINOR } from "../../schema/money.ts";
import type { CreateTransfer } from "../../schema/rpc/coordinator.ts";
import { checkTransfer, mustExist, transferRecord } from "./begin-transfer.ts";
import { beginTransfer, DONE, legOf, T0, told, upTo } from "./testing/fixtures.ts";
import { POD } from "./testing/stories.ts";

const DAY = 86_400_000;
const idOf = (at: number) => createIdSource((bytes) => bytes.fill(7)).next("trf", at);

type Leg = CreateTransfer["legs"][number];
const leg = (account: string, direction: "debit" | "credit", amount = "1.00", currency = "EUR"): Leg => ({
  account,
  direction,
  amount: { amount, currency },
});
const fine = [leg("bank:sandbox:EUR", "debit"), leg("wallet:alice:EUR", "credit")];
const command = (change: Partial<CreateTransfer> = {}): CreateTransfer => ({
  id: idOf(T0),
  legs: fine,
  reason: null,
  metadata: {},
  ...change,
});
const refusal = (change: Partial<CreateTransfer>, now = T0) => {
  const checked = checkTransfer(command(change), 3, now);
  return checked.ok ? null : checked.rejection;
};

const max = fromMinor(MAX_MINOR, "EUR").amount;
const wrong = {
  id: { id: "trf_no" },
  age: { id: idOf(T0 - 31 * DAY) },
  account: leg("psp:elsewhere:EUR", "debit"),
  amount: leg("bank:sandbox:EUR", "debit", "0.00"),
  currency: leg("bank:sandbox:EUR", "debit", "1.00", "USD"),
  side: leg("wallet:alice:EUR", "debit"),
  reason: leg("wallet:bob:EUR", "debit"),
};

describe("a transfer is refused before it begins", () => {
  it.each<[string, Partial<CreateTransfer>, string]>([
    ["for an id that is none", wrong.id, "invalid_request"],
    ["for an id of more than 30 days", wrong.age, "transfer_id_expired"],
    ["for an id made ahead of time", { id: idOf(T0 + 5 * 60_000 + 1) }, "transfer_id_expired"],
    [
      "for a claim more than 5 minutes ahead",
      { effective_at: new Date(T0 + 5 * 60_000 + 1).toISOString() },
      "invalid_request",
    ],
    ["for an account that is none", { legs: [leg("nobody", "debit"), ...fine] }, "not_found"],
    ["for a stripe: which one is ours to say", { legs: [leg("bank:sandbox:EUR#1", "debit"), ...fine] }, "not_found"],
    ["for a connector we do not have", { legs: [wrong.account, ...fine] }, "not_found"],
    ["for an amount of zero", { legs: [wrong.amount, ...fine] }, "amount_out_of_range"],
    ["for another currency than the account's", { legs: [wrong.currency, ...fine] }, "currency_mismatch"],
    ["for an account on both sides", { legs: [...fine, wrong.side] }, "invalid_request"],
    ["for a customer's debit without a reason", { legs: [wrong.reason, ...fine] }, "invalid_request"],
    [
      "for legs that do not sum to zero",
      { legs: [leg("bank:sandbox:EUR", "debit", "2.00"), leg("wallet:alice:EUR", "credit")] },
      "unbalanced_transfer",
    ],
    [
      "for legs that sum to zero across currencies only",
      { legs: [leg("bank:sandbox:EUR", "debit"), leg("wallet:alice:USD", "credit", "1.00", "USD")] },
      "unbalanced_transfer",
    ],
    [
      "for legs that one account could not hold together",
      {
        legs: [
          leg("bank:sandbox:EUR", "debit", max),
          leg("bank:sandbox:EUR", "debit", max),
          leg("fee:EUR", "credit", max),
          leg("loss:EUR", "credit", max),
        ],
      },
      "amount_out_of_range",
    ],
    [
      "for more than the journal takes in one entry",
      { metadata: Object.fromEntries(Array.from({ length: 20 }, (_, at) => [`k${at}`, "€".repeat(500)])) },
      "invalid_request",
    ],
  ])("%s", (_name, change, code) => {
    expect(refusal(change)?.code).toBe(code);
  });

  it("by the first rule that is broken, in the order they are written down", () => {
    const { account, amount, currency, side, reason } = wrong;
    const broken = (...legs: Leg[]) => [...fine, ...legs];
    expect(refusal({ ...wrong.id, legs: broken(account) })?.errors?.[0]?.pointer).toBe("/id");
    expect(refusal({ ...wrong.age, legs: broken(account) })?.code).toBe("transfer_id_expired");
    expect(refusal({ legs: broken({ ...account, amount: amount.amount }) })?.code).toBe("not_found");
    expect(refusal({ legs: broken({ ...amount, amount: { amount: "0.00", currency: "USD" } }) })?.code).toBe(
      "amount_out_of_range",
    );
    expect(refusal({ legs: broken({ ...side, amount: currency.amount }) })?.code).toBe("currency_mismatch");
    expect(refusal({ legs: broken(side) })?.errors?.[0]?.pointer).toBe("/legs/2/account");
    expect(refusal({ legs: broken(reason) })?.errors?.[0]?.pointer).toBe("/metadata/reason");
    expect(refusal({ legs: broken(amount, account) })?.code).toBe("amount_out_of_range");
    expect(refusal({ legs: broken(reason), reason: "gift" })).toMatchObject({
      code: "unbalanced_transfer",
      difference: { amount: "1.00", currency: "EUR" },
    });
  });
});

describe("a transfer begins", () => {
  it("on the edges of what is allowed", () => {
    expect(refusal({ id: idOf(T0 - 30 * DAY) })).toBeNull();
    expect(refusal({ id: idOf(T0 + 5 * 60_000) })).toBeNull();
    expect(refusal({ effective_at: new Date(T0 + 5 * 60_000).toISOString() })).toBeNull();
    expect(refusal({ effective_at: "1970-01-01T00:00:00.000Z" })).toBeNull();
    expect(refusal({ legs: [leg("bank:sandbox:EUR", "debit", max), leg("fee:EUR", "credit", max)] })).toBeNull();
    const hundred = Array.from({ length: 99 }, (_, at) => leg(`wallet:${"u".repeat(60)}${at}:EUR`, "credit"));
    expect(refusal({ legs: [leg("bank:sandbox:EUR", "debit", "99.00"), ...hundred] })).toBeNull();
  });

  it("with every account resolved to the shard's stripe", () => {
    const checked = checkTransfer(command(), 6, T0);
    expect(checked.ok && checked.value.legs.map(({ account, index }) => [index, account])).toEqual([
      ["0", "bank:sandbox:EUR#2"],
      ["1", "wallet:alice:EUR"],
    ]);
  });

  it("only where pods and payers are known: a credit opens a wallet, and platform accounts open by themselves", () => {
    const pod = `pod:${POD}:EUR`;
    expect(
      mustExist([
        legOf(pod, "credit"),
        legOf("wallet:a:EUR", "credit"),
        legOf("wallet:b:EUR", "debit"),
        legOf("fee:EUR#1", "debit"),
      ]),
    ).toEqual([pod, "wallet:b:EUR"]);
  });
});

describe("the record of a transfer", () => {
  it("names logical accounts in its legs, and each account's balance after it", () => {
    const ack = (account: string, balance: string, at: string) => ({
      [`t@${account}`]: { account, balance, recorded_at: at },
    });
    const saga = upTo(
      beginTransfer([legOf("wallet:bob:EUR", "debit"), legOf("fee:EUR#3", "credit", 100n, "1")]),
      "decide",
    );
    const decided = told(saga, {
      ...DONE,
      result: { acks: ack("wallet:bob:EUR", "9.00", "2026-01-01T00:00:01.000Z") },
    });
    const posted = told(decided, { ...DONE, result: { acks: ack("fee:EUR#3", "-1.00", "2026-01-01T00:00:02.000Z") } });
    expect(transferRecord(posted)).toMatchObject({
      status: "posted",
      legs: [{ account: "wallet:bob:EUR" }, { account: "fee:EUR" }],
      balances: [
        { account: "wallet:bob:EUR", balance: { amount: "9.00", currency: "EUR" } },
        { account: "fee:EUR#3", balance: { amount: "-1.00", currency: "EUR" } },
      ],
      recorded_at: "2026-01-01T00:00:02.000Z",
    });
  });
});
