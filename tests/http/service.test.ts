import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Api, api } from "../support/client.ts";
import { type Server, startServer, token } from "../support/server.ts";

/** Few enough to run into; every test below is somebody else, so that nobody uses up another's. */
const RATE = 5;

let server: Server;
let anyone: Api;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_RATE: String(RATE) } });
  anyone = api(server.url);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const as = async (user: string): Promise<Api> => api(server.url, await token(server.stateDir, user));

type Problem = { code: string; status: number; instance: string };
type Described = { description?: string; $ref?: string };
type Operation = {
  operationId?: string;
  parameters?: { name: string; in: string }[];
  responses?: Record<string, Described>;
};
type OpenApi = { openapi: string; info: { version: string }; paths: Record<string, Record<string, Operation>> };

test("the house says whether it is alive, whether its parts answer, and what it was built from", async () => {
  expect(await anyone.get("/healthz")).toMatchObject({ status: 200, body: { ok: true } });
  expect(await anyone.get("/readyz")).toMatchObject({
    status: 200,
    body: { ok: true, parts: { d1: true, actor: true, queue: true } },
  });
  const { status, body } = await anyone.get("/version");
  expect([status, Object.keys(body as object).sort()]).toEqual([200, ["built_at", "commit", "version"]]);
});

describe("the OpenAPI document", () => {
  const refsIn = (value: unknown): string[] => {
    if (typeof value !== "object" || value === null) return [];
    return Object.entries(value).flatMap(([key, item]) => (key === "$ref" ? [item as string] : refsIn(item)));
  };

  const resolve = (document: OpenApi, ref: string): unknown =>
    ref
      .replace(/^#\//, "")
      .split("/")
      .reduce<unknown>((at, part) => (at as Record<string, unknown> | undefined)?.[part], document);

  test("names every operation once, with its answers and the parameters of its path", async () => {
    const { status, body } = await anyone.get<OpenApi>("/openapi.json");
    expect([status, body.openapi]).toEqual([200, expect.stringMatching(/^3\.1\.\d+$/)]);
    const operations = Object.entries(body.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ path, method, operation })),
    );
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(new Set(ids).size).toBe(ids.length);
    for (const { path, method, operation } of operations) {
      const where = `${method} ${path}`;
      expect([where, operation.operationId]).toEqual([where, expect.stringMatching(/^[\w.]+$/)]);
      const answers = Object.entries(operation.responses ?? {});
      expect([where, answers.some(([code]) => /^(2\d\d|101)$/.test(code))]).toEqual([where, true]);
      for (const [code, answer] of answers) {
        const found = answer.$ref === undefined ? answer : (resolve(body, answer.$ref) as Described);
        expect([where, code, found.description]).toEqual([where, code, expect.stringMatching(/\w/)]);
      }
      const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name).sort();
      const declared = (operation.parameters ?? []).filter((one) => one.in === "path").map(({ name }) => name);
      expect([where, declared.sort()]).toEqual([where, inPath]);
    }
  });

  test("refers to nothing it does not hold", async () => {
    const { body } = await anyone.get<OpenApi>("/openapi.json");
    for (const ref of new Set(refsIn(body))) {
      expect([ref, typeof resolve(body, ref)]).toEqual([ref, "object"]);
    }
  });

  test("holds the sample payment's path, and no route of a test server", async () => {
    const { body } = await anyone.get<OpenApi>("/openapi.json");
    for (const [path, method] of [
      ["/v1/pods", "post"],
      ["/v1/pods/{id}", "get"],
      ["/v1/pods/{id}/invitations", "post"],
      ["/v1/invitations/{token}/accept", "post"],
      ["/v1/pods/{id}/charges", "post"],
      ["/v1/charges/{id}", "get"],
      ["/v1/pods/{id}/entries", "get"],
      ["/v1/pods/{id}/events", "get"],
      ["/v1/ledger/trial-balance", "get"],
      ["/v1/ledger/verify", "post"],
    ] as const) {
      expect([path, Object.keys(body.paths[path] ?? {})]).toEqual([path, expect.arrayContaining([method])]);
    }
    expect(Object.keys(body.paths)).not.toContain("/v1/test/clock");
  });
});

describe("X-Request-Id", () => {
  const idOf = async (theirs?: string): Promise<string> => {
    const headers = theirs === undefined ? {} : { "x-request-id": theirs };
    return (await anyone.get("/healthz", { headers })).headers.get("x-request-id") ?? "";
  };

  test.each(["abcd1234", "A-1".repeat(4), "x".repeat(64)])("is the caller's own: %s", async (theirs) => {
    expect(await idOf(theirs)).toBe(theirs);
  });

  test.each(["short-7", "x".repeat(65), "no_underscore", "no spaces here", "no%percent"])(
    "is ours where the caller's is none: %s",
    async (theirs) => {
      const ours = await idOf(theirs);
      expect(ours).toMatch(/^[A-Za-z0-9-]{8,64}$/);
      expect(ours).not.toBe(theirs);
    },
  );

  test("is another each time, and names the refused request in its problem", async () => {
    expect(await idOf()).not.toBe(await idOf());
    const refused = await anyone.get<Problem>("/v1/pods", { headers: { "x-request-id": "the-callers-own-id" } });
    expect(refused.headers.get("x-request-id")).toBe("the-callers-own-id");
    expect(refused.body.instance).toBe("the-callers-own-id");
  });
});

test("a caller past their rate is told when to come again, and nobody else is", async () => {
  const [greedy, modest] = await Promise.all([as("greedy"), as("modest")]);
  const answers: Answer<Problem>[] = [];
  // Twice the rate and more: the minute may turn in between.
  for (let call = 0; call < 2 * RATE + 3; call++) answers.push(await greedy.get<Problem>("/v1/wallets"));
  const refused = answers.filter(({ status }) => status !== 200);
  expect(refused.length).toBeGreaterThanOrEqual(3);
  expect(refused.length).toBeLessThanOrEqual(RATE + 3);
  for (const { status, headers, body } of refused) {
    expect([status, body.code]).toEqual([429, "rate_limited"]);
    expect(headers.get("retry-after")).toMatch(/^([1-9]|[1-5]\d|60)$/);
  }
  expect((await modest.get("/v1/wallets")).status).toBe(200);
  expect((await anyone.get("/healthz")).status).toBe(200);
});

test("every answer says that it is not to be kept, framed, sniffed or fetched in clear", async () => {
  const guarded = await as("guarded");
  const answers = [
    await anyone.get("/healthz"),
    await anyone.get("/v1/pods"),
    await anyone.get("/nowhere"),
    await anyone.delete("/healthz"),
    await guarded.get("/v1/pods"),
    await guarded.post("/v1/pods", { name: "" }),
  ];
  expect(answers.map(({ status }) => status)).toEqual([200, 401, 404, 405, 200, 400]);
  for (const { headers } of answers) {
    expect(headers.get("cache-control")).toBe("no-store");
    expect(headers.get("x-content-type-options")).toBe("nosniff");
    expect(headers.get("referrer-policy")).toBe("no-referrer");
    expect(headers.get("strict-transport-security")).toMatch(/^max-age=\d{7,}/);
    expect(headers.get("content-security-policy")).toContain("default-src 'none'");
    expect(headers.get("access-control-allow-origin")).toBeNull();
  }
});

test.each([
  ["DELETE", "/v1/pods", ["GET", "POST"]],
  ["GET", "/v1/pods/pod_00000000000000000000000000/freeze", ["POST"]],
  ["PATCH", "/v1/charges/chg_0000000000000000000000000000", ["GET"]],
  ["POST", "/healthz", ["GET"]],
])("%s %s is not a method of that path, and the answer says which are", async (method, path, allowed) => {
  const answer = await fetch(new URL(path, server.url), { method });
  const allow = (answer.headers.get("allow") ?? "").split(", ").filter((name) => name !== "HEAD");
  expect([answer.status, allow.sort()]).toEqual([405, allowed]);
  expect(((await answer.json()) as Problem).code).toBe("method_not_allowed");
});

test.each([
  ["POST", "/v1/payouts/pot_00000000000000000000000000/approvals"],
  ["POST", "/v1/pods/pod_00000000000000000000000000/payouts"],
  ["POST", "/graphql"],
  ["GET", "/graphql?query={__typename}"],
  ["POST", "/v1/webhook-endpoints"],
  ["POST", "/v1/wallets/top-ups"],
  ["POST", "/v1/test/clock"],
])("%s %s does not exist yet, and does not pretend to", async (method, path) => {
  const answer = await fetch(new URL(path, server.url), { method });
  expect([answer.status, ((await answer.json()) as Problem).code]).toEqual([404, "not_found"]);
});
