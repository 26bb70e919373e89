import { describe, expect, it } from "vitest";
import { logOf } from "../testing/logs.ts";
import { creditsTo } from "../testing/stories.ts";
import { foldAccount } from "./accounts.ts";

const POD = "pod_01JGFJJZ00000000000000000A";
const NAME = `pod:${POD}:EUR`;
const log = logOf(`account/${NAME}`, creditsTo(NAME, [1_000n, 250n], "chg_1"));

describe("the fold of an account", () => {
  it("makes one entry a posted leg, with the balance after it", () => {
    const { entries } = foldAccount(NAME, null, log);
    expect(entries.map(({ doc }) => [doc.id, doc.credit, doc.debit, doc.balance])).toEqual([
      [`${NAME}/2.1`, { amount: "10.00", currency: "EUR" }, null, { amount: "10.00", currency: "EUR" }],
      [`${NAME}/3.1`, { amount: "2.50", currency: "EUR" }, null, { amount: "12.50", currency: "EUR" }],
    ]);
    expect(entries[0]).toMatchObject({
      account: NAME,
      seq: 2,
      leg: 0,
      currency: "EUR",
      recordedAt: "2026-01-01T00:00:02.000Z",
    });
    expect(entries[0]?.doc).toMatchObject({ type: "transfer.posted", pod: POD, charge: "chg_1", hash: log[1]?.hash });
  });

  it("stands where its last event left the counters", () => {
    expect(foldAccount(NAME, null, log).accounts).toEqual([
      {
        id: NAME,
        kind: "pod",
        owner: POD,
        currency: "EUR",
        counters: { debits_posted: "0", credits_posted: "1250", debits_pending: "0", credits_pending: "0" },
        seq: 3,
        hash: log[2]?.hash,
        terms: null,
      },
    ]);
  });

  it("keeps what operators changed of it, and nothing while they have not", () => {
    const told = [
      { type: "account.opened", data: { account: NAME, currency: "EUR" } },
      { type: "account.frozen", data: { account: NAME, reason: "why" } },
      {
        type: "account.limits_changed",
        data: { account: NAME, floor: { amount: "-5.00", currency: "EUR" }, cap: null, reason: null },
      },
      { type: "monitor.added", data: { account: NAME, monitor: "mon_1" } },
      { type: "account.unfrozen", data: { account: NAME, reason: "why" } },
      { type: "account.closing", data: { account: NAME, reason: "why" } },
      { type: "account.reopened", data: { account: NAME, status: "open", reason: "why" } },
      { type: "account.closing", data: { account: NAME, reason: "why" } },
      { type: "account.closed", data: { account: NAME } },
    ];
    const terms = told.map(
      (_, at) => foldAccount(NAME, null, logOf(`account/${NAME}`, told.slice(0, at + 1))).accounts[0]?.terms,
    );
    expect(terms).toEqual([
      null,
      { status: "frozen", floor: "0.00", cap: null },
      { status: "frozen", floor: "-5.00", cap: null },
      { status: "frozen", floor: "-5.00", cap: null },
      { status: "open", floor: "-5.00", cap: null },
      { status: "closing", floor: "-5.00", cap: null },
      { status: "open", floor: "-5.00", cap: null },
      { status: "closing", floor: "-5.00", cap: null },
      { status: "closed", floor: "-5.00", cap: null },
    ]);
  });

  it("is open with nothing on it", () => {
    const [account] = foldAccount(NAME, null, log.slice(0, 1)).accounts;
    expect(account?.counters).toEqual({
      debits_posted: "0",
      credits_posted: "0",
      debits_pending: "0",
      credits_pending: "0",
    });
  });

  it("counts a reservation without making an entry of it", () => {
    const [opened, posted] = creditsTo(NAME, [700n]);
    const reserved = { type: "transfer.reserved", data: { ...posted?.data, counters: { credits_pending: "700" } } };
    const folded = foldAccount(NAME, null, logOf(`account/${NAME}`, opened === undefined ? [] : [opened, reserved]));
    expect(folded.entries).toEqual([]);
    expect(folded.accounts[0]?.counters).toEqual({ credits_pending: "700" });
  });

  it("leaves pod and charge out of an entry that has none", () => {
    const stripe = "fee:EUR#2";
    const { entries, accounts } = foldAccount(stripe, null, logOf(`account/${stripe}`, creditsTo(stripe, [15n])));
    expect(Object.keys(entries[0]?.doc ?? {})).not.toContain("pod");
    expect(Object.keys(entries[0]?.doc ?? {})).not.toContain("charge");
    expect(accounts[0]).toMatchObject({ kind: "fee", owner: null });
  });

  it("goes on from the row it left", () => {
    const [before] = foldAccount(NAME, null, log.slice(0, 2)).accounts;
    expect(foldAccount(NAME, before ?? null, log.slice(2)).accounts).toEqual(foldAccount(NAME, null, log).accounts);
  });

  it("refuses a stream that names no account", () => {
    expect(() => foldAccount("purse:EUR", null, log)).toThrow("not an account");
  });
});
