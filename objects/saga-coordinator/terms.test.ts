import { describe, expect, it } from "vitest";
import type { AccountTerms } from "../../schema/rpc/account.ts";
import type { ObjectEnv } from "../kit/env.ts";
import { accountsToAsk, askTerms, firstAbsent, withTerms } from "./terms.ts";
import { legOf } from "./testing/fixtures.ts";
import { POD } from "./testing/stories.ts";

describe("the terms of accounts", () => {
  const legs = [
    legOf("wallet:alice:EUR", "debit", 300n, "0"),
    legOf("wallet:bob:EUR", "credit", 100n, "1"),
    legOf(`pod:${POD}:EUR`, "credit", 100n, "2"),
    legOf("wallet:bob:EUR", "credit", 50n, "3"),
    legOf("fee:EUR#3", "credit", 50n, "4"),
  ];
  const input = { transfer: "trf_1", legs, reason: null, metadata: {} };

  it("are asked of pods and wallets, once each", () => {
    expect(accountsToAsk(legs)).toEqual(["wallet:alice:EUR", "wallet:bob:EUR", `pod:${POD}:EUR`]);
  });

  it("are not asked again of who only pays, once it is known to have been opened", () => {
    const known = new Set(["wallet:alice:EUR", "wallet:bob:EUR"]);
    expect(accountsToAsk(legs, known)).toEqual(["wallet:bob:EUR", `pod:${POD}:EUR`]);
  });

  it("say which credits are reserved: those to a cap, but for a closed account's, which suspense takes", () => {
    const capped = { status: "open", capped: true } as const;
    const terms = new Map<string, AccountTerms>([
      ["wallet:alice:EUR", capped],
      ["wallet:bob:EUR", capped],
      [`pod:${POD}:EUR`, { status: "closed", capped: true }],
    ]);
    expect(withTerms(input, terms).capped).toEqual(["1", "3"]);
  });

  it("leave the journal as it was where nobody has a cap, or nobody was ever there", () => {
    const open = { status: "open", capped: false } as const;
    const terms = new Map<string, AccountTerms | null>([
      ["wallet:alice:EUR", open],
      ["wallet:bob:EUR", null],
    ]);
    expect(withTerms(input, terms)).toBe(input);
  });

  it("are asked five at a time, and of all of them", async () => {
    let [asking, most] = [0, 0];
    const ask = async (): Promise<AccountTerms> => {
      most = Math.max(most, ++asking);
      await new Promise((resolve) => setImmediate(resolve));
      asking--;
      return { status: "open", capped: false };
    };
    const names = Array.from({ length: 12 }, (_, n) => `wallet:w${n}:EUR`);
    const terms = await askTerms(ask, names);
    expect([most, terms.ok && [...terms.value.keys()].sort()]).toEqual([5, names.sort()]);
  });

  it("are not known while one account cannot be reached", async () => {
    const terms = (name: string) => (name.includes("bob") ? Promise.reject(new Error("gone")) : Promise.resolve(null));
    const asked = await askTerms(terms, ["wallet:al:EUR", "wallet:bob:EUR"]);
    expect(asked).toMatchObject({ ok: false, rejection: { code: "upstream_unavailable", retry_after: 1 } });
  });
});

describe("an account that was never opened", () => {
  const other = POD.replace(/.$/, "W");
  const PODS = {
    getByName: (pod: string) => ({
      see: async () => {
        if (pod === other) throw new Error("gone");
        return pod === POD ? { pod: { currencies: ["EUR"] } } : null;
      },
    }),
  };

  it.each<[string, string[], object]>([
    ["exists where a pod keeps it", [`pod:${POD}:EUR`], { ok: true, value: null }],
    ["does not in a currency its pod does not keep", [`pod:${POD}:EUR`, `pod:${POD}:USD`], { value: `pod:${POD}:USD` }],
    ["does not where there is no such pod", ["pod:pod_01ARZ3NDEKTSV4RRFFQ69G5FZZ:EUR"], { ok: true }],
    ["does not where it is a wallet", ["wallet:zoe:EUR"], { ok: true, value: "wallet:zoe:EUR" }],
    ["is asked about again where its pod cannot be reached", [`pod:${other}:EUR`], { ok: false }],
  ])("%s", async (_, accounts, expected) => {
    const found = await firstAbsent({ PODS } as unknown as Pick<ObjectEnv, "PODS">, accounts);
    expect(found).toMatchObject(expected);
    if (!found.ok) expect(found.rejection.code).toBe("upstream_unavailable");
    else if (accounts.length === 1 && accounts[0] !== `pod:${POD}:EUR`) expect(found.value).toBe(accounts[0]);
  });
});
