import { describe, expect, it } from "vitest";
import { ASSESSED, beginCharge, beginTransfer, DONE, legOf, legsWith, told, upTo } from "../testing/fixtures.ts";
import { chargeByInstrument, chargeByWallet, chargeByWalletV1 } from "./charge.ts";
import { definitionOf, stepDefinition } from "./index.ts";
import { constrainedAccounts, isConstrained, ledgerTransfer } from "./ledger-transfer.ts";

const shape = ({ steps }: typeof chargeByInstrument) => steps.map(({ name, kind }) => `${name}: ${kind}`);

/** Sagas in the field run on these: a change of them is a new version. */
describe("version 1", () => {
  it("of a charge by instrument has the capture for its pivot", () => {
    expect(shape(chargeByInstrument)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "reserve: compensatable",
      "capture: pivot",
      "post: retriable",
      "conclude: retriable",
    ]);
  });

  it("of a charge by wallet has the wallet's own post for its pivot", () => {
    expect(shape(chargeByWalletV1)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "debit: pivot",
      "post: retriable",
      "conclude: retriable",
    ]);
  });

  it("of a transfer decides at the last account that may refuse", () => {
    expect(shape(ledgerTransfer)).toEqual(["reserve: compensatable", "decide: pivot", "post: retriable"]);
  });

  it("lets legs out only where the cut's tag is taken", () => {
    const posting = [chargeByInstrument, chargeByWalletV1, ledgerTransfer].map(({ steps }) =>
      steps.filter(({ posts }) => posts).map(({ name }) => name),
    );
    expect(posting).toEqual([["post"], ["debit", "post"], ["decide", "post"]]);
  });
});

describe("version 2", () => {
  it("of a charge by wallet reserves the pod's credit before the wallet decides", () => {
    expect(shape(chargeByWallet)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "reserve: compensatable",
      "debit: pivot",
      "post: retriable",
      "conclude: retriable",
    ]);
    expect(chargeByWallet.steps.filter(({ posts }) => posts).map(({ name }) => name)).toEqual(["debit", "post"]);
  });

  it.each<[string, boolean, "approve" | "review", string]>([
    ["asks nobody where the pod has no cap", false, "approve", "skipped"],
    ["asks under a cap", true, "approve", "intent"],
    ["asks after a review, whatever was known before it", false, "review", "intent"],
  ])("%s", (_name, capped, outcome, status) => {
    const begun = beginCharge("wallet");
    const saga = { ...begun, input: { ...begun.input, capped } };
    const waits = outcome === "review";
    const assessed = told(upTo(saga, "assess"), ASSESSED(outcome));
    const past = waits ? told(assessed, DONE) : assessed;
    expect(past.steps[3]).toMatchObject({ name: "reserve", status });
  });
});

describe("a saga's definition", () => {
  it("follows from what it is and what it is paid with", () => {
    expect(definitionOf(beginCharge("instrument"))).toBe(chargeByInstrument);
    expect(definitionOf(beginCharge("wallet"))).toBe(chargeByWallet);
    const { capped: _, ...before } = beginCharge("wallet").input;
    expect(definitionOf({ ...beginCharge("wallet"), version: 1, input: before })).toBe(chargeByWalletV1);
    expect(definitionOf(beginTransfer(legsWith(2)))).toBe(ledgerTransfer);
  });

  it("of another version is not guessed", () => {
    expect(() => definitionOf({ ...beginCharge("wallet"), version: 3 })).toThrow("version 3 is not known");
    expect(() => stepDefinition(beginCharge("wallet"), 99)).toThrow("no step 99");
  });
});

describe("an account that may refuse", () => {
  it.each([
    ["wallet:alice:EUR", "debit", true],
    ["wallet:alice:EUR", "credit", false],
    ["pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR", "debit", true],
    ["pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR", "credit", false],
    ["psp:sandbox:EUR#1", "debit", false],
    ["psp:sandbox:EUR#1", "credit", false],
    ["fee:EUR#1", "debit", false],
    ["suspense:EUR#1", "debit", false],
  ] as const)("%s, of a %s: %s", (account, direction, expected) => {
    expect(isConstrained(account, [legOf(account, direction)])).toBe(expected);
  });

  it("is asked in the order of the legs, once", () => {
    const legs = [
      legOf("wallet:bob:EUR", "debit", 1n, "0"),
      legOf("fee:EUR#3", "credit", 3n, "1"),
      legOf("wallet:alice:EUR", "debit", 1n, "2"),
      legOf("wallet:bob:EUR", "debit", 1n, "3"),
    ];
    expect(constrainedAccounts({ legs })).toEqual(["wallet:bob:EUR", "wallet:alice:EUR"]);
  });

  it("is one that raises a capped account, in the order of the legs like any other", () => {
    const legs = [
      legOf("wallet:bob:EUR", "credit", 1n, "0"),
      legOf("wallet:alice:EUR", "debit", 3n, "1"),
      legOf("wallet:carol:EUR", "credit", 1n, "2"),
      legOf("wallet:dan:EUR", "credit", 1n, "3"),
    ];
    expect(constrainedAccounts({ legs, capped: ["0", "2"] })).toEqual([
      "wallet:bob:EUR",
      "wallet:alice:EUR",
      "wallet:carol:EUR",
    ]);
  });

  it("must be an account", () => {
    expect(() => isConstrained("nobody", [])).toThrow("not an account");
  });
});
