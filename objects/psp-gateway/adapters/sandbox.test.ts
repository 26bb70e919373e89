import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { expect, test } from "vitest";
import { AMOUNT, conforms, type Scene, type Stage, TOKEN } from "./conformance.ts";
import { sandboxAdapter } from "./sandbox.ts";

const API_KEY = "key-of-the-tests";

type Answer = (response: ServerResponse, reference: string, request: IncomingMessage) => void;

const json = (status: number, body: unknown, headers: Record<string, string> = {}): Answer => {
  return (response) => {
    response.writeHead(status, { "content-type": "application/json", ...headers }).end(JSON.stringify(body));
  };
};
const payment = (status: number, state: string, more: object = {}): Answer => {
  return (response, reference, request) =>
    json(status, { id: "psp_1", reference, status: state, amount: AMOUNT, ...more })(response, reference, request);
};
const refusal = (status: number, code: string, state?: string): Answer => {
  return (response, reference, request) => {
    const shown = state === undefined ? {} : { payment: { id: "psp_1", reference, status: state, amount: AMOUNT } };
    json(status, { error: { code }, ...shown })(response, reference, request);
  };
};

/** What a state of a payment answers: 402 to the request that is declined, 200 to one that asks. */
const WIRE: Readonly<Record<Exclude<Scene, "connection refused">, Answer>> = {
  captured: payment(201, "captured"),
  pending: payment(202, "pending"),
  declined: (response, reference, request) => {
    const asked = request.method === "GET" || request.url?.endsWith("/void");
    payment(asked ? 200 : 402, "failed", { decline_reason: "do_not_honor" })(response, reference, request);
  },
  "declined with a text of any kind": payment(402, "failed", { decline_reason: "Card of Alice Example refused" }),
  voided: payment(200, "voided"),
  "not found": refusal(404, "not_found"),
  "not found by something in between": json(404, { message: "no route" }),
  "in flight": refusal(409, "in_flight"),
  "key of another request": refusal(409, "idempotency_key_reused"),
  "reference already used, captured": refusal(409, "duplicate_reference", "captured"),
  "reference burnt": refusal(409, "reference_voided"),
  "too late to void, captured": refusal(409, "already_captured", "captured"),
  "request rejected": refusal(422, "unknown_instrument"),
  "throttled for 120 s": json(429, { error: { code: "slow_down" } }, { "retry-after": "120" }),
  throttled: json(429, { error: { code: "slow_down" } }),
  "credentials refused": json(401, { error: { code: "unauthenticated" } }),
  "server error": json(500, { error: { code: "server_error" } }),
  redirected: (response) => response.writeHead(302, { location: "/elsewhere" }).end(),
  "answer that is not JSON": (response) => response.writeHead(200).end("<html>"),
  "answer of another shape": json(200, { ok: true }),
  "answer of no end": (response) => response.writeHead(200).end(" ".repeat(70_000)),
  "answer about another payment": json(200, {
    id: "psp_1",
    reference: "chg_other",
    status: "captured",
    amount: AMOUNT,
  }),
  "instrument known": json(200, { token: TOKEN, type: "card", brand: "sandbox", fingerprint: "fp_1" }),
  "instrument unknown": refusal(404, "unknown_instrument"),
  "connection reset": (response) => response.socket?.resetAndDestroy(),
  "hung up in the middle": (response) => {
    response.writeHead(200, { "content-length": "100" });
    response.write("{", () => response.socket?.destroy());
  },
  "no answer": () => undefined,
  "answer that stalls": (response) => {
    response.writeHead(200, { "content-length": "100" }).write("{");
  },
};

const listen = (server: Server): Promise<number> =>
  new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve((server.address() as AddressInfo).port)));

const openStage = async (): Promise<Stage> => {
  let scene: Exclude<Scene, "connection refused"> = "captured";
  let asked = "";
  let refused = false;
  const server = createServer((request, response) => {
    request.resume();
    request.on("end", () => WIRE[scene](response, asked, request));
  });
  const port = await listen(server);
  const closed = createServer();
  const deadPort = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  return {
    adapter: sandboxAdapter({
      url: `http://127.0.0.1:${port}`,
      apiKey: API_KEY,
      fetch: (url, init) => fetch(refused ? url.replace(`:${port}`, `:${deadPort}`) : url, init),
    }),
    async play(next, reference) {
      refused = next === "connection refused";
      asked = reference;
      if (next !== "connection refused") scene = next;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
};

conforms("sandbox", openStage);

test("a capture carries the key, the reference, the amount and the credentials, and follows no redirect", async () => {
  const requests: { url: string; init: RequestInit }[] = [];
  const adapter = sandboxAdapter({
    url: "http://psp.test/base/",
    apiKey: API_KEY,
    fetch: async (url, init) => {
      requests.push({ url, init });
      return new Response("{}", { status: 500 });
    },
  });
  const call = {
    call: "capture",
    reference: "chg_1",
    key: "sag_1:capture",
    amount: AMOUNT,
    instrument: TOKEN,
  } as const;
  await adapter.capture({ ...call, charge: "chg_1", pod: "pod_1" }, AbortSignal.timeout(1_000));
  await adapter.query("a/../b", AbortSignal.timeout(1_000));
  const [capture, query] = requests;
  expect(capture?.url).toBe("http://psp.test/base/v1/payments");
  expect(capture?.init).toMatchObject({
    method: "POST",
    redirect: "manual",
    headers: { authorization: `Bearer ${API_KEY}`, "idempotency-key": "sag_1:capture" },
  });
  expect(JSON.parse(String(capture?.init.body))).toEqual({
    reference: "chg_1",
    amount: AMOUNT,
    instrument: TOKEN,
    capture: true,
    metadata: { charge: "chg_1", pod: "pod_1" },
  });
  expect(query?.url).toBe("http://psp.test/base/v1/payments/by-reference/a%2F..%2Fb");
});
