import { describe, expect, it } from "vitest";
import { beginCharge, beginHedge, beginTransfer, legOf, legsWith } from "../testing/fixtures.ts";
import { chargeByInstrument, chargeByWallet, convertedByInstrument, convertedByWallet } from "./charge.ts";
import { hedge } from "./hedge.ts";
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

describe("version 2", () => {
  it("of a charge by instrument accepts a rate after the review and before the reserve", () => {
    expect(shape(convertedByInstrument)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "accept: compensatable",
      "reserve: compensatable",
      "capture: pivot",
      "convert: retriable",
      "post: retriable",
      "conclude: retriable",
    ]);
  });

  it("of a charge by wallet accepts a rate before the wallet's own post", () => {
    expect(shape(convertedByWallet)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "accept: compensatable",
      "debit: pivot",
      "convert: retriable",
      "post: retriable",
      "conclude: retriable",
    ]);
  });
});

it("version 1 of a hedge only goes forward", () => {
  expect(shape(hedge)).toEqual(["execute: pivot", "post: retriable"]);
  expect(hedge.steps.filter(({ posts }) => posts).map(({ name }) => name)).toEqual(["post"]);
});

describe("a saga's definition", () => {
  it("follows from what it is and what it is paid with", () => {
    expect(definitionOf(beginCharge("instrument"))).toBe(chargeByInstrument);
    expect(definitionOf(beginCharge("wallet"))).toBe(chargeByWallet);
    expect(definitionOf(beginCharge("instrument", 1n, { to: "USD" }))).toBe(convertedByInstrument);
    expect(definitionOf(beginCharge("wallet", 1n, { to: "USD" }))).toBe(convertedByWallet);
    expect(definitionOf(beginHedge())).toBe(hedge);
    expect(definitionOf(beginTransfer(legsWith(2)))).toBe(ledgerTransfer);
  });

  it("of another version is not guessed", () => {
    expect(() => definitionOf({ ...beginCharge("wallet"), version: 2 })).toThrow("version 2 is not known");
    expect(() => definitionOf({ ...beginCharge("wallet", 1n, { to: "USD" }), version: 1 })).toThrow("version 1");
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
