import { describe, expect, test } from "vitest";
import { ACCOUNT_KINDS, type AccountKind, accountNames, parseAccount, resolveStripe, stripesOf } from "./accounts.ts";
import { SHARDS } from "./ids.ts";

const POD = "pod_01ARZ3NDEKTSV4RRFFQ69G5FAV";

describe("an account's name", () => {
  test.each<[string, AccountKind, string | null, string, number | null]>([
    [`pod:${POD}:EUR`, "pod", POD, "EUR", null],
    ["wallet:ann.b-c_9:JPY", "wallet", "ann.b-c_9", "JPY", null],
    ["psp:sandbox:EUR", "psp", "sandbox", "EUR", null],
    ["psp:sandbox:EUR#3", "psp", "sandbox", "EUR", 3],
    ["bank:sepa-instant:EUR#0", "bank", "sepa-instant", "EUR", 0],
    ["rail:sandbox:KWD", "rail", "sandbox", "KWD", null],
    ["contested:sandbox:EUR", "contested", "sandbox", "EUR", null],
    ["lp:one:USD", "lp", "one", "USD", null],
    ["fx:USD", "fx", null, "USD", null],
    ["fee:EUR", "fee", null, "EUR", null],
    ["rounding:EUR#1", "rounding", null, "EUR", 1],
    ["suspense:EUR#2", "suspense", null, "EUR", 2],
    ["loss:EUR", "loss", null, "EUR", null],
  ])("%s", (name, kind, owner, currency, stripe) => {
    expect(parseAccount(name)).toEqual({
      kind,
      logical: name.split("#")[0],
      owner,
      currency,
      stripe,
      rules: ACCOUNT_KINDS[kind],
    });
  });

  test.each([
    ["an unknown kind", "vault:EUR"],
    ["a kind that every object has", "constructor:EUR"],
    ["an unknown currency", "fee:EUX"],
    ["a currency in lower case", "fee:eur"],
    ["an owner too many", "fee:sandbox:EUR"],
    ["no owner", "psp:EUR"],
    ["an empty owner", "psp::EUR"],
    ["a pod that is none", "pod:trip:EUR"],
    ["another kind of id", "pod:chg_01ARZ3NDEKTSV4RRFFQ69G5FAV:EUR"],
    ["a user that is none", "wallet:ann@example.org:EUR"],
    ["a connector that is none", "psp:Sandbox:EUR"],
    ["a connector too long", `psp:${"a".repeat(33)}:EUR`],
    ["a stripe of an account that has none", `pod:${POD}:EUR#0`],
    ["a stripe past the last", "psp:sandbox:EUR#4"],
    ["a stripe written otherwise", "psp:sandbox:EUR#03"],
    ["no stripe after all", "psp:sandbox:EUR#"],
    ["four words", "psp:a:b:EUR"],
    ["a line break", "wallet:ann\n:EUR"],
    ["a line break at the end", "fee:EUR\n"],
    ["nothing", ""],
  ])("is none with %s", (_, name) => {
    expect(parseAccount(name)).toBeNull();
    expect(() => resolveStripe(name, 0)).toThrow("not an account");
    expect(() => stripesOf(name)).toThrow("not an account");
  });

  test("is what the house writes", () => {
    const names = [
      accountNames.pod(POD, "EUR"),
      accountNames.wallet("ann", "EUR"),
      accountNames.psp("sandbox", "EUR"),
      accountNames.fee("EUR"),
      accountNames.suspense("EUR"),
    ];
    expect(names.map((name) => parseAccount(name)?.kind)).toEqual(["pod", "wallet", "psp", "fee", "suspense"]);
  });
});

describe("stripes", () => {
  test("a pod and a wallet have none: their floor is judged in one place", () => {
    for (const [kind, { floor, stripes }] of Object.entries(ACCOUNT_KINDS)) {
      expect(floor !== null, kind).toBe(stripes === 1);
    }
    expect(resolveStripe("wallet:ann:EUR", 7)).toBe("wallet:ann:EUR");
    expect(stripesOf("wallet:ann:EUR")).toEqual(["wallet:ann:EUR"]);
  });

  test("every shard meets one of a platform account's, always the same, and none is left out", () => {
    const met = Array.from({ length: SHARDS }, (_, shard) => resolveStripe("psp:sandbox:EUR", shard));
    expect(met.slice(0, 6)).toEqual([0, 1, 2, 3, 0, 1].map((stripe) => `psp:sandbox:EUR#${stripe}`));
    expect([...new Set(met)]).toEqual(stripesOf("psp:sandbox:EUR"));
    for (const name of met) expect(parseAccount(name)?.logical).toBe("psp:sandbox:EUR");
  });
});
