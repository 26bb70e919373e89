import { describe, expect, it } from "vitest";
import { beginCharge, beginTransfer, legOf, legsWith } from "../testing/fixtures.ts";
import { chargeByInstrument, chargeByWallet } from "./charge.ts";
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
    expect(shape(chargeByWallet)).toEqual([
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
    const posting = [chargeByInstrument, chargeByWallet, ledgerTransfer].map(({ steps }) =>
      steps.filter(({ posts }) => posts).map(({ name }) => name),
    );
    expect(posting).toEqual([["post"], ["debit", "post"], ["decide", "post"]]);
  });
});

describe("a saga's definition", () => {
  it("follows from what it is and what it is paid with", () => {
    expect(definitionOf(beginCharge("instrument"))).toBe(chargeByInstrument);
    expect(definitionOf(beginCharge("wallet"))).toBe(chargeByWallet);
    expect(definitionOf(beginTransfer(legsWith(2)))).toBe(ledgerTransfer);
  });

  it("of another version is not guessed", () => {
    expect(() => definitionOf({ ...beginCharge("wallet"), version: 2 })).toThrow("version 2 is not known");
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
    expect(constrainedAccounts(legs)).toEqual(["wallet:bob:EUR", "wallet:alice:EUR"]);
  });

  it("must be an account", () => {
    expect(() => isConstrained("nobody", [])).toThrow("not an account");
  });
});
