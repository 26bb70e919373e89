import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { sign } from "../../sandbox/psp/webhooks.ts";
import { type Api, api } from "../support/client.ts";
import { type Server, startServer, token } from "../support/server.ts";

type Charge = { id: string; status: string };
type Pod = { id: string; seq: number; balances: { available: string }[] };

let server: Server;
let alice: Api;
let secret: string;
let pod: string;

beforeAll(async () => {
  server = await startServer();
  const secrets = JSON.parse(readFileSync(join(server.stateDir, "secrets.json"), "utf8")) as Record<string, string>;
  secret = secrets.WEBHOOK_SECRET_SANDBOX ?? "";
  alice = api(server.url, await token(server.stateDir, "alice"));
  pod = (await alice.post<Pod>("/v1/pods", { name: "Trip", type: "pool", currencies: ["EUR"] })).body.id;
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

/** Sends a webhook as the provider would: this event, under this id, signed at `at` (seconds). */
const deliver = async (id: string, event: unknown, at = Math.floor(Date.now() / 1000)) => {
  const body = JSON.stringify(event);
  const headers = {
    "webhook-id": id,
    "webhook-timestamp": String(at),
    "webhook-signature": await sign(secret, id, at, body),
  };
  return (await api(server.url).post("/ingress/psp/sandbox", body, { headers })).status;
};

const captured = (reference: string, type = "payment.captured") => ({
  type,
  timestamp: new Date().toISOString(),
  data: {
    id: "pay_1",
    reference,
    status: "captured",
    amount: { amount: "10.00", currency: "EUR" },
    metadata: { charge: reference, pod },
  },
});

test("a webhook told twice, late and by another name moves money no more than once", async () => {
  const { body: charge } = await alice.post<Charge>(
    `/v1/pods/${pod}/charges`,
    { amount: { amount: "10.00", currency: "EUR" }, source: { type: "instrument", token: "tok_ok" } },
    { key: "k" },
  );
  expect(charge.status).toBe("succeeded");
  const before = (await alice.get<Pod>(`/v1/pods/${pod}`)).body;
  for (const id of ["msg_1", "msg_1", "msg_2"]) expect(await deliver(id, captured(charge.id))).toBe(200);
  expect(await deliver("msg_3", captured(charge.id, "dispute.opened"))).toBe(200);
  expect((await alice.get<Pod>(`/v1/pods/${pod}`)).body).toEqual(before);
});

test("a webhook about no charge of ours is kept, and says so", async () => {
  expect(await deliver("msg_4", captured("chg_01J0000000000000000000000000"))).toBe(202);
  expect(await deliver("msg_5", captured("invoice-7"))).toBe(202);
});

test("a signature from another day is not believed", async () => {
  const yesterday = Math.floor(Date.now() / 1000) - 86_400;
  expect(await deliver("msg_6", captured("invoice-7"), yesterday)).toBe(401);
});
