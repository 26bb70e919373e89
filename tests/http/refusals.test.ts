import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sign } from "../../sandbox/psp/webhooks.ts";
import { createIdSource } from "../../schema/ids.ts";
import { type Answer, type Api, api } from "../support/client.ts";
import { forgedTokens } from "../support/forged-tokens.ts";
import { type Server, startServer, token } from "../support/server.ts";
import { ROWS, type Row, requestOf, type Speaker, TOKEN_FAULTS, type World } from "./refusals.table.ts";

type Problem = {
  type: string;
  title: string;
  status: number;
  detail: string;
  instance: string;
  code: string;
  errors?: { pointer: string; detail: string }[];
};
type Pod = { id: string; seq: number; log_head: string };
type Created = { id: string; saga: string; token: string };

/** Nothing of the house's inside belongs in an answer. */
const INSIDE =
  /\bat \S+ \(|\.(?:ts|js):\d|SQLITE|workerd|cloudflare|node_modules|Durable|TypeError|RangeError|whsec_|eyJ/i;

const PEOPLE = ["alice", "bob", "vera", "mallory"] as const;

let server: Server;
let speakers: Record<Speaker, Api>;
let secret: string;
let world: World;
let before: string;

const take = async <T>(answer: Promise<Answer<T>>, status: number): Promise<T> => {
  const { status: got, body } = await answer;
  if (got !== status) throw new Error(`${got} instead of ${status}: ${JSON.stringify(body)}`);
  return body;
};

const makeSpeakers = async (): Promise<Record<Speaker, Api>> => {
  const { url, stateDir } = server;
  const forged = await forgedTokens(stateDir);
  const people = await Promise.all(PEOPLE.map(async (name) => [name, api(url, await token(stateDir, name))] as const));
  const ops = api(url, await token(stateDir, "ops", { scope: "admin" }));
  const impostors = TOKEN_FAULTS.map((fault) => [fault, api(url, forged[fault])] as const);
  return Object.fromEntries([...people, ...impostors, ["ops", ops], ["nobody", api(url)]]) as Record<Speaker, Api>;
};

const makeWorld = async (): Promise<World> => {
  const { alice, bob, vera } = speakers;
  const pod = await take(alice.post<Pod>("/v1/pods", { name: "Trip", type: "pool", currencies: ["EUR", "JPY"] }), 201);
  const path = `/v1/pods/${pod.id}`;
  const join = async (person: Api, role: string): Promise<string> => {
    const { token: invitation } = await take(alice.post<Created>(`${path}/invitations`, { role }), 201);
    await take(person.post(`/v1/invitations/${invitation}/accept`), 200);
    return invitation;
  };
  const invitation = await join(bob, "member");
  await join(vera, "viewer");
  const fresh = await take(alice.post<Created>(`${path}/invitations`, { role: "member" }), 201);
  const charge = (amount: string, key: string, status: number) =>
    take(
      alice.post<Created>(
        `${path}/charges`,
        { amount: { amount, currency: "EUR" }, source: { type: "instrument", token: "tok_ok" } },
        { key },
      ),
      status,
    );
  const key = "first-charge";
  const done = await charge("10.00", key, 201);
  const review = await charge("6000.00", "second-charge", 202);
  const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));
  return {
    pod: pod.id,
    charge: done.id,
    saga: done.saga,
    key,
    review: review.id,
    invitation,
    freshInvitation: fresh.token,
    oldTransfer: ids.next("trf", Date.now() - 31 * 86_400_000),
    transfer: ids.next("trf", Date.now()),
  };
};

/** Everything of the pod that a refused command must leave alone, and the books of the whole house. */
const state = async (): Promise<string> => {
  const { alice, ops } = speakers;
  const { seq, log_head } = await take(alice.get<Pod>(`/v1/pods/${world.pod}`), 200);
  const charge = await take(ops.get(`/v1/charges/${world.review}`), 200);
  const fees = await take(ops.get("/v1/ledger/accounts/fee%3AEUR"), 200);
  return JSON.stringify({ seq, log_head, charge, fees });
};

const signedHeaders = async (body: string): Promise<Record<string, string>> => {
  const at = Math.floor(Date.now() / 1000);
  return {
    "webhook-id": "msg_refusals",
    "webhook-timestamp": String(at),
    "webhook-signature": await sign(secret, "msg_refusals", at, body),
  };
};

const send = async (row: Row): Promise<Answer<Problem>> => {
  const { path, body, headers } = requestOf(row, world);
  const extra = row.signed === true ? await signedHeaders(String(body)) : {};
  const options = { headers: { ...headers, ...extra } };
  const speaker = speakers[row.as];
  switch (row.method) {
    case "GET":
      return speaker.get(path, options);
    case "PUT":
      return speaker.put(path, body, options);
    case "PATCH":
      return speaker.patch(path, body, options);
    case "DELETE":
      return speaker.delete(path, options);
    default:
      return speaker.post(path, body, options);
  }
};

beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  const secrets = JSON.parse(readFileSync(join(server.stateDir, "secrets.json"), "utf8")) as Record<string, string>;
  secret = secrets.WEBHOOK_SECRET_SANDBOX ?? "";
  speakers = await makeSpeakers();
  world = await makeWorld();
  before = await state();
});

afterAll(async () => {
  await server?.[Symbol.asyncDispose]();
});

describe("refusals", () => {
  test("every route of the OpenAPI document has a row", async () => {
    const { paths } = await take(speakers.nobody.get<{ paths: Record<string, object> }>("/openapi.json"), 200);
    const documented = Object.entries(paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const covered = new Set(ROWS.map(({ route }) => route));
    expect(documented.filter((route) => !covered.has(route))).toEqual([]);
    expect([...covered].filter((route) => !documented.includes(route))).toEqual([]);
  });

  test.each(ROWS.map((row) => [row.route, row.fault, row] as const))("%s refuses: %s", async (_route, _fault, row) => {
    const { status, headers, body } = await send(row);
    expect({ status, code: body.code }).toEqual({ status: row.status, code: row.code });
    expect(headers.get("content-type")).toBe("application/problem+json");
    expect(body).toMatchObject({
      type: `urn:crowdpay:problem:${row.code}`,
      title: expect.any(String),
      status: row.status,
      detail: expect.any(String),
      instance: headers.get("x-request-id"),
    });
    if (row.pointer !== undefined) expect(body.errors?.map(({ pointer }) => pointer)).toContain(row.pointer);
    if (status === 401) expect(headers.get("www-authenticate")).toMatch(/^Bearer /);
    if (status === 405) expect(headers.get("allow")).toMatch(/^[A-Z, ]+$/);
    expect(JSON.stringify(body)).not.toMatch(INSIDE);

    const after = await state();
    if (row.admitted !== true) expect(after).toBe(before);
    before = after;
  });

  test("somebody else's pod, an unknown one and a malformed id are refused in the same words", async () => {
    const ids = [world.pod, "pod_01J00000000000000000000000", "x"];
    const answers = await Promise.all(ids.map((id) => speakers.mallory.get<Problem>(`/v1/pods/${id}`)));
    const words = answers.map(({ status, body: { instance: _, ...rest } }) => JSON.stringify([status, rest]));
    expect(new Set(words).size).toBe(1);
  });

  test("what no route answers is not found, and the caller's request id is kept", async () => {
    const headers = { "x-request-id": "request-of-mine-1" };
    const answer = await speakers.nobody.get<Problem>("/v1/quotes", { headers });
    expect([answer.status, answer.body.code, answer.body.instance]).toEqual([404, "not_found", "request-of-mine-1"]);
    expect(answer.headers.get("x-request-id")).toBe("request-of-mine-1");
  });
});
