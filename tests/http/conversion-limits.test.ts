import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import {
  type Charge,
  charge,
  fundWallet,
  type Money,
  must,
  type OpenPod,
  openPod,
  operator,
} from "../support/story.ts";

/** Conversions at the ends of what is configured: fees that take everything, and a position that is soon as large as it may be. */
let server: Server;
let admin: Api;
let sandbox: Api;
let pod: OpenPod;
beforeAll(async () => {
  const env = {
    CROWDPAY_FEES: JSON.stringify({ psp: "0.999999", fx: "0.999999" }),
    CROWDPAY_FX: JSON.stringify({ deadline_ms: 2_500, position_limit: "100.00" }),
  };
  server = await startServer({ env });
  admin = await operator(server);
  sandbox = api(server.sandboxUrl);
  pod = await openPod(server, { members: ["bob"], currencies: ["USD"] });
});
afterAll(() => server?.[Symbol.asyncDispose]());

const mode = async (name: string): Promise<void> => {
  for (const provider of ["lp-good", "lp-slow"])
    must(await sandbox.post(`/fx/providers/${provider}`, { mode: name }), 200);
};

const pay = async (amount: string, from = "tok_ok"): Promise<Charge> => {
  const order = { amount, from, settle: "USD", key: crypto.randomUUID(), wait: 20 };
  return must(await charge(pod.as("bob"), pod, order), 201);
};
const exposure = async () => must(await admin.get<{ exposure: Money }>("/v1/fx/position"), 200).exposure.amount;
const expectBalance = async (): Promise<void> => {
  const balance = must(await admin.get<{ balanced: boolean }>("/v1/ledger/trial-balance?wait=fresh"), 200);
  expect(balance).toMatchObject({ balanced: true });
};

describe("a conversion", () => {
  test("that the fees take whole succeeds and settles nothing, and the ledger balances", async () => {
    await mode("good");
    await fundWallet(admin, "bob", "5.00");
    for (const from of ["tok_ok", "wallet"]) {
      const { status, settled, fees } = await pay("1.00", from);
      expect([status, settled, fees.map(({ amount }) => amount.amount)]).toEqual([
        "succeeded",
        { amount: "0.00", currency: "USD" },
        ["1.13", "0.00"],
      ]);
    }
    await expectBalance();
  });

  test("is made as often as the position has room for it, by however many at once, and again when it has", async () => {
    await poll(exposure, (amount) => amount === "0.00");
    await mode("refuse_trades");
    const charges = await Promise.all(Array.from({ length: 6 }, () => pay("40.00")));
    const endings = charges.map(({ status, failure }) => failure?.code ?? status).sort();
    expect(endings).toEqual([...Array<string>(4).fill("no_firm_liquidity"), "succeeded", "succeeded"]);
    expect(await exposure()).toBe("80.00");
    await mode("good");
    await poll(exposure, (amount) => amount === "0.00", 30_000);
    expect((await pay("100.00")).status).toBe("succeeded");
    await expectBalance();
  });
});
