import { describe, expect, it } from "vitest";
import type { AccountRecord } from "../../schema/rpc/account.ts";
import type { PodSeen } from "../../schema/rpc/pod.ts";
import { readAccount } from "./account-resource.ts";
import type { Actors } from "./actors.ts";

const POD = "pod_01J00000000000000000000000";

const record = (id: string, debits: string, credits: string): AccountRecord => ({
  id,
  type: "asset",
  currency: "EUR",
  normal_side: "debit",
  status: "open",
  floor: null,
  cap: null,
  debits_posted: debits,
  credits_posted: credits,
  debits_pending: "0.10",
  credits_pending: "0.00",
  posted: "0.00",
  pending: "0.00",
  pending_in: "0.00",
  available: "-1.00",
  holds: [],
  seq: 3,
  head_hash: "a".repeat(64),
});

/** Actors of a house with these accounts, and one pod that keeps euros. */
const house = (...accounts: AccountRecord[]): Actors => {
  const describe = (id: string) => accounts.find((account) => account.id === id) ?? null;
  const actors = {
    account: (id: string) => (call: (actor: unknown) => unknown) => call({ describe: async () => describe(id) }),
    pod: (id: string) => (call: (actor: unknown) => unknown) => {
      const seen = id === POD ? ({ pod: { currencies: ["EUR"] }, role: null } as unknown as PodSeen) : null;
      return call({ see: async () => seen });
    },
  };
  return actors as unknown as Actors;
};

describe("an account as operators read it", () => {
  it("is, when striped, the sum of its stripes, opened or not", async () => {
    const actors = house(record("psp:sandbox:EUR#1", "10.00", "0.50"), record("psp:sandbox:EUR#3", "0.05", "12.00"));
    const account = await readAccount("psp:sandbox:EUR", actors);
    expect(account).toMatchObject({
      id: "psp:sandbox:EUR",
      debits_posted: "10.05",
      credits_posted: "12.50",
      debits_pending: "0.20",
      available: "-2.00",
      seq: 6,
      head_hash: null,
    });
    expect(account).toHaveProperty("stripes.length", 4);
    expect(account).toHaveProperty("stripes.1.counters", {
      debits_posted: "10.00",
      credits_posted: "0.50",
      debits_pending: "0.10",
      credits_pending: "0.00",
    });
    expect(account).toHaveProperty(
      "stripes.0",
      expect.objectContaining({ id: "psp:sandbox:EUR#0", seq: 0, hash: "0".repeat(64) }),
    );
  });

  it("is one stripe when a stripe is asked for", async () => {
    const account = await readAccount("psp:sandbox:EUR#1", house(record("psp:sandbox:EUR#1", "1.00", "0.00")));
    expect(account).toMatchObject({ id: "psp:sandbox:EUR#1", debits_posted: "1.00", seq: 3 });
    expect(account).not.toHaveProperty("stripes");
  });

  it("stands at zero before any money, with the floor of its kind", async () => {
    expect(await readAccount(`pod:${POD}:EUR`, house())).toMatchObject({
      credits_posted: "0.00",
      floor: "0.00",
      seq: 0,
    });
    expect(await readAccount("fee:JPY", house())).toMatchObject({ credits_posted: "0", floor: null });
  });

  it.each([
    "cash",
    "fee:EUR#4",
    "psp:nobody:EUR",
    "wallet:zoe:EUR",
    `pod:${POD}:USD`,
    "pod:pod_01J00000000000000000000001:EUR",
  ])("is nowhere under the name %s", async (name) => {
    expect(await readAccount(name, house())).toBeNull();
  });
});
