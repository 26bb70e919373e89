import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ENTRIES_A_PAGE } from "../../../schema/read-model.ts";
import { logOf } from "../testing/logs.ts";
import { creditsTo } from "../testing/stories.ts";
import { foldAccount } from "./accounts.ts";

const POD = "pod_01JGFJJZ00000000000000000A";
const NAME = `pod:${POD}:EUR`;
const log = logOf(`account/${NAME}`, creditsTo(NAME, [1_000n, 250n], "chg_1"));

describe("the fold of an account", () => {
  it("makes one entry a posted leg, with the balance after it", () => {
    const { doc, entries } = foldAccount(NAME, null, log);
    expect(doc.open.map(({ id, credit, debit, balance }) => [id, credit, debit, balance])).toEqual([
      [`${NAME}/2.1`, { amount: "10.00", currency: "EUR" }, null, { amount: "10.00", currency: "EUR" }],
      [`${NAME}/3.1`, { amount: "2.50", currency: "EUR" }, null, { amount: "12.50", currency: "EUR" }],
    ]);
    expect(doc.open[0]).toMatchObject({
      account: NAME,
      seq: 2,
      type: "transfer.posted",
      pod: POD,
      charge: "chg_1",
      recorded_at: "2026-01-01T00:00:02.000Z",
      hash: log[1]?.hash,
    });
    expect(entries).toEqual([]);
  });

  it("puts entries away by full pages, the same ones however the log is cut", () => {
    const long = logOf(`account/${NAME}`, creditsTo(NAME, Array(2 * ENTRIES_A_PAGE + 1).fill(1n)));
    const whole = foldAccount(NAME, null, long);
    expect(whole.entries.map(({ account, page, doc }) => [account, page, doc.length])).toEqual([
      [NAME, 0, ENTRIES_A_PAGE],
      [NAME, 1, ENTRIES_A_PAGE],
    ]);
    expect([...whole.entries.flatMap(({ doc }) => doc), ...whole.doc.open].map(({ seq }) => seq)).toEqual(
      long.slice(1).map(({ seq }) => seq),
    );
    expect(whole.doc).toMatchObject({ pages: 2, open: [{ seq: long.length }] });
    fc.assert(
      fc.property(fc.integer({ min: 1, max: long.length }), (cut) => {
        const first = foldAccount(NAME, null, long.slice(0, cut));
        const rest = foldAccount(NAME, first.doc, long.slice(cut));
        expect({ doc: rest.doc, entries: [...first.entries, ...rest.entries] }).toEqual(whole);
      }),
    );
  });

  it("stands where its last event left the counters", () => {
    expect(foldAccount(NAME, null, log).doc).toMatchObject({
      counters: { debits_posted: "0", credits_posted: "1250", debits_pending: "0", credits_pending: "0" },
      terms: null,
    });
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
      (_, at) => foldAccount(NAME, null, logOf(`account/${NAME}`, told.slice(0, at + 1))).doc.terms,
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
    expect(foldAccount(NAME, null, log.slice(0, 1)).doc.counters).toEqual({
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
    expect(folded.doc).toMatchObject({ open: [], counters: { credits_pending: "700" } });
  });

  it("leaves pod and charge out of an entry that has none", () => {
    const stripe = "fee:EUR#2";
    const { open } = foldAccount(stripe, null, logOf(`account/${stripe}`, creditsTo(stripe, [15n]))).doc;
    expect(open).toHaveLength(1);
    expect(Object.keys(open[0] ?? {})).not.toContain("pod");
    expect(Object.keys(open[0] ?? {})).not.toContain("charge");
  });

  it("refuses a stream that names no account", () => {
    expect(() => foldAccount("purse:EUR", null, log)).toThrow("not an account");
  });
});
