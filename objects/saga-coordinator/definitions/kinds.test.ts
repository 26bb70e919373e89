import { describe, expect, it } from "vitest";
import {
  ASSESSED,
  answerTo,
  beginCharge,
  beginHedge,
  beginTransfer,
  DONE,
  legOf,
  legsWith,
  told,
  upTo,
} from "../testing/fixtures.ts";
import {
  chargeByInstrument,
  chargeByWallet,
  chargeByWalletV1,
  convertedByInstrument,
  convertedByWallet,
  convertedByWalletV2,
} from "./charge.ts";
import { hedge } from "./hedge.ts";
import { definitionOf, makeKnown, stepDefinition } from "./index.ts";
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

describe("version 2 and later", () => {
  it("of a converted charge by instrument accepts a rate after the review and before the reserve", () => {
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

  it("of a converted charge by wallet has the wallet's own post for its pivot", () => {
    expect(shape(convertedByWalletV2)).toEqual([
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

  it("of a converted charge by wallet lets legs out where the wallet decides, not before", () => {
    for (const { steps } of [convertedByWalletV2, convertedByWallet])
      expect(steps.filter(({ posts }) => posts).map(({ name }) => name)).toEqual(["debit", "post"]);
  });

  it("3 of a converted charge by wallet reserves what the rate makes before the wallet decides", () => {
    expect(shape(convertedByWallet)).toEqual([
      "admit: compensatable",
      "assess: compensatable",
      "review: compensatable",
      "accept: compensatable",
      "reserve: compensatable",
      "debit: pivot",
      "convert: retriable",
      "post: retriable",
      "conclude: retriable",
    ]);
  });

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

  const CONVERSIONS = [undefined, { to: "USD" }];
  const pastReserve = CONVERSIONS.flatMap((conversion) =>
    (
      [
        ["asks nobody where the pod has no cap", false, "approve", "skipped"],
        ["asks under a cap", true, "approve", "intent"],
        ["asks after a review, whatever was known before it", false, "review", "intent"],
      ] as const
    ).map(
      ([name, ...rest]) => [`${name}${conversion === undefined ? "" : ", converted"}`, conversion, ...rest] as const,
    ),
  );
  it.each(pastReserve)("%s", (_name, conversion, capped, outcome, status) => {
    const assessed = told(upTo(beginCharge("wallet", 10_000n, conversion, capped), "assess"), ASSESSED(outcome));
    const reviewed = outcome === "review" ? told(assessed, DONE) : assessed;
    const past = conversion === undefined ? reviewed : told(reviewed, answerTo(reviewed));
    expect(past.steps.find(({ name }) => name === "reserve")).toMatchObject({ status });
  });
});

it("version 1 of a hedge only goes forward", () => {
  expect(shape(hedge)).toEqual(["execute: pivot", "post: retriable"]);
  expect(hedge.steps.filter(({ posts }) => posts).map(({ name }) => name)).toEqual(["post"]);
});

describe("a saga's definition", () => {
  it("is made known once", () => {
    expect(() => makeKnown([hedge])).toThrow("two definitions are hedge/1");
  });

  it("follows from what it is and what it is paid with", () => {
    expect(definitionOf(beginCharge("instrument"))).toBe(chargeByInstrument);
    expect(definitionOf(beginCharge("wallet"))).toBe(chargeByWallet);
    expect(definitionOf(beginCharge("instrument", 1n, { to: "USD" }))).toBe(convertedByInstrument);
    expect(definitionOf(beginCharge("wallet", 1n, { to: "USD" }))).toBe(convertedByWallet);
    expect(definitionOf(beginHedge())).toBe(hedge);
    expect(definitionOf(beginCharge("wallet", 1n, { to: "USD" }, null))).toBe(convertedByWalletV2);
    expect(definitionOf(beginCharge("wallet", 1n, undefined, null))).toBe(chargeByWalletV1);
    expect(definitionOf(beginTransfer(legsWith(2)))).toBe(ledgerTransfer);
  });

  it("of another version is not guessed", () => {
    expect(() => definitionOf({ ...beginCharge("wallet", 1n, { to: "USD" }), version: 1 })).toThrow("version 1");
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
