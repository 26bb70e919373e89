import { evictAllDurableObjects } from "cloudflare:test";
import { exports, env as untypedEnv } from "cloudflare:workers";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type { SandboxEnv } from "../env.ts";
import type { BooksRow, Payment } from "./contract.ts";
import { shardOf } from "./shards.ts";
import { sign } from "./webhooks.ts";

const env = untypedEnv as unknown as SandboxEnv;
const worker = (exports as unknown as { default: Fetcher }).default;

type Received = { id: string; timestamp: string; signature: string; raw: string; at: number };
type Event = { type: string; timestamp: string; data: Payment & { metadata: { charge: string; pod: string } } };

/** The merchant's end: everything the provider ever delivered, and what the next deliveries are answered. */
const received: Received[] = [];
let merchantAnswers: () => Response | Promise<Response> = () => new Response(null, { status: 204 });

beforeAll(() => {
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    if (request.url !== env.PRODUCT_WEBHOOK_URL) throw new Error(`nobody listens at ${request.url}`);
    received.push({
      id: request.headers.get("webhook-id") ?? "",
      timestamp: request.headers.get("webhook-timestamp") ?? "",
      signature: request.headers.get("webhook-signature") ?? "",
      raw: await request.text(),
      at: Date.now(),
    });
    return merchantAnswers();
  });
});
afterAll(() => vi.restoreAllMocks());
afterEach(() => {
  merchantAnswers = () => new Response(null, { status: 204 });
});

let last = 0;
const newReference = () => `chg_test_${++last}`;

function call(method: string, path: string, headers: Record<string, string> = {}, body?: unknown) {
  return worker.fetch(`http://sandbox.test${path}`, {
    method,
    headers: { authorization: `Bearer ${env.PSP_API_KEY}`, ...headers },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
}

type Overrides = { capture?: boolean; amount?: string; charge?: string; pod?: string };

function pay(instrument: string, reference: string, key = `key_${reference}`, overrides: Overrides = {}) {
  const { capture = true, amount = "12.34", charge = reference, pod = "pod_1" } = overrides;
  const body = { reference, amount: { amount, currency: "EUR" }, instrument, capture, metadata: { charge, pod } };
  return call("POST", "/v1/payments", { "idempotency-key": key }, body);
}

const find = (reference: string) => call("GET", `/v1/payments/by-reference/${reference}`);
const voidPayment = (reference: string) => call("POST", `/v1/payments/${reference}/void`);
const capture = (reference: string, key: string) =>
  call("POST", `/v1/payments/${reference}/capture`, { "idempotency-key": key });

async function books(query: string): Promise<BooksRow[]> {
  const response = await worker.fetch(`http://sandbox.test/books?${query}`);
  const answer = await response.json<{ data: BooksRow[]; next: null }>();
  expect(answer.next).toBeNull();
  return answer.data;
}

const statusOf = async (reference: string) => (await (await find(reference)).json<Payment>()).status;
const codeOf = async (response: Response) => (await response.json<{ error: { code: string } }>()).error.code;
const eventsOf = (reference: string) =>
  received
    .map((delivery) => ({ ...delivery, event: JSON.parse(delivery.raw) as Event }))
    .filter(({ event }) => event.data.reference === reference);

const eventually = <T>(check: () => T) => vi.waitFor(check, { timeout: 15_000, interval: 50 });

describe("paying", () => {
  test("tok_ok captures once, shows it in the books and announces it with a valid signature", async () => {
    const reference = newReference();
    const response = await pay("tok_ok", reference);
    const payment = await response.json<Payment>();
    expect(response.status).toBe(201);
    expect(payment).toEqual({
      id: expect.stringMatching(/^psp_[0-9a-f]{32}$/),
      reference,
      status: "captured",
      amount: { amount: "12.34", currency: "EUR" },
    });
    expect(await (await find(reference)).json()).toEqual(payment);
    expect(await books(`charge=${reference}`)).toEqual([
      {
        charge: reference,
        reference: payment.id,
        key: `key_${reference}`,
        status: "captured",
        amount: { amount: "12.34", currency: "EUR" },
        refunded: { amount: "0.00", currency: "EUR" },
      },
    ]);

    const [delivery] = await eventually(() => {
      const events = eventsOf(reference);
      expect(events).toHaveLength(1);
      return events;
    });
    expect(delivery?.event).toEqual({
      type: "payment.captured",
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      data: { ...payment, metadata: { charge: reference, pod: "pod_1" } },
    });
    expect(delivery?.id).toMatch(/^evt_/);
    expect(delivery?.signature).toBe(
      await sign(env.WEBHOOK_SECRET, delivery?.id ?? "", Number(delivery?.timestamp), delivery?.raw ?? ""),
    );
  });

  test.each([
    ["tok_declined", "do_not_honor"],
    ["tok_insufficient", "insufficient_funds"],
  ])("%s is a 402 that moved no money, and is announced", async (instrument, reason) => {
    const reference = newReference();
    const response = await pay(instrument, reference);
    expect(response.status).toBe(402);
    expect(await response.json()).toMatchObject({ reference, status: "failed", decline_reason: reason });
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "failed" }]);
    await eventually(() =>
      expect(eventsOf(reference).map(({ event }) => [event.type, event.data.decline_reason])).toEqual([
        ["payment.failed", reason],
      ]),
    );
  });

  test.each([
    ["tok_timeout_then_captured", "captured", 201],
    ["tok_timeout_then_failed", "failed", 402],
  ])("%s is %s durably at once but not answered for five seconds", async (instrument, status, httpStatus) => {
    const reference = newReference();
    const began = Date.now();
    const answer = pay(instrument, reference);
    await eventually(async () => expect((await find(reference)).status).toBe(200));
    expect(await statusOf(reference)).toBe(status);
    const retried = await pay(instrument, reference);
    expect([retried.status, await codeOf(retried)]).toEqual([409, "in_flight"]);
    expect(Date.now() - began).toBeLessThan(4_500);

    expect((await answer).status).toBe(httpStatus);
    expect(Date.now() - began).toBeGreaterThanOrEqual(5_000);
    expect(await (await pay(instrument, reference)).json()).toEqual(await (await answer).json());
    expect(await books(`charge=${reference}`)).toHaveLength(1);
  });

  test("tok_slow is pending for three seconds and then answers captured", async () => {
    const reference = newReference();
    const began = Date.now();
    const answer = pay("tok_slow", reference);
    await eventually(async () => expect((await find(reference)).status).toBe(200));
    expect(await statusOf(reference)).toBe("pending");
    const response = await answer;
    expect(Date.now() - began).toBeGreaterThanOrEqual(3_000);
    expect([response.status, (await response.json<Payment>()).status]).toEqual([201, "captured"]);
  });

  test("tok_slow voided while it is pending answers voided and never captures", async () => {
    const reference = newReference();
    const answer = pay("tok_slow", reference);
    await eventually(async () => expect((await find(reference)).status).toBe(200));
    expect(await (await voidPayment(reference)).json()).toMatchObject({ status: "voided" });
    expect(await (await answer).json()).toMatchObject({ status: "voided" });
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "failed" }]);
  });

  test("tok_5xx_twice leaves nothing behind twice and captures the third time", async () => {
    const reference = newReference();
    for (const attempt of [1, 2]) {
      expect((await pay("tok_5xx_twice", reference)).status, `attempt ${attempt}`).toBe(500);
      expect((await find(reference)).status).toBe(404);
      expect(await books(`charge=${reference}`)).toEqual([]);
    }
    const third = await pay("tok_5xx_twice", reference);
    expect([third.status, (await third.json<Payment>()).status]).toEqual([201, "captured"]);
    expect(await books(`charge=${reference}`)).toHaveLength(1);
  });

  test("tok_duplicate_webhook tells the same event three times, once before it answers", async () => {
    const reference = newReference();
    await pay("tok_duplicate_webhook", reference);
    expect(eventsOf(reference)).toHaveLength(1);
    await eventually(() => expect(eventsOf(reference)).toHaveLength(3));
    expect(new Set(eventsOf(reference).map(({ id }) => id)).size).toBe(1);
    expect(await books(`charge=${reference}`)).toHaveLength(1);
  });

  test("tok_duplicate_webhook answers after a second even if the merchant does not take the webhook", async () => {
    const reference = newReference();
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    merchantAnswers = () => held.then(() => new Response(null, { status: 204 }));
    const began = Date.now();
    const response = await pay("tok_duplicate_webhook", reference);
    expect(response.status).toBe(201);
    expect(Date.now() - began).toBeLessThan(2_500);
    release();
  });

  test.each([
    ["tok_async", "captured", "payment.captured"],
    ["tok_async_failed", "failed", "payment.failed"],
  ])("%s is pending, then %s, and only the webhook says when", async (instrument, status, type) => {
    const reference = newReference();
    const response = await pay(instrument, reference);
    const pending = await response.json<Payment>();
    expect([response.status, pending.status]).toEqual([202, "pending"]);
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "pending" }]);
    await eventually(() => expect(eventsOf(reference).map(({ event }) => event.type)).toEqual([type]));
    expect(await statusOf(reference)).toBe(status);
    const replay = await pay(instrument, reference);
    expect(await replay.json()).toEqual(pending);
  });

  test("tok_wrong_amount captures more than it was asked to, and says so everywhere", async () => {
    const reference = newReference();
    const payment = await (await pay("tok_wrong_amount", reference)).json<Payment>();
    expect(payment).toMatchObject({ status: "captured", amount: { amount: "112.34", currency: "EUR" } });
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "captured", amount: payment.amount }]);
  });

  test("tok_no_answer captures once, and answers 500 to whoever asks about it", async () => {
    const reference = newReference();
    expect([(await pay("tok_no_answer", reference)).status, (await pay("tok_no_answer", reference)).status]).toEqual([
      500, 500,
    ]);
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "captured" }]);
    expect((await find(reference)).status).toBe(500);
    expect((await voidPayment(reference)).status).toBe(500);
    expect(eventsOf(reference)).toEqual([]);
  });

  test("tok_dispute captures and is charged back a second later", async () => {
    const reference = newReference();
    await pay("tok_dispute", reference);
    await eventually(() =>
      expect(eventsOf(reference).map(({ event }) => event.type)).toEqual(["payment.captured", "dispute.opened"]),
    );
    expect(await statusOf(reference)).toBe("captured");
  });
});

describe("asking twice", () => {
  test("the same key and body get the same answer and move money once", async () => {
    const reference = newReference();
    const first = await pay("tok_ok", reference);
    const again = await Promise.all([pay("tok_ok", reference), pay("tok_ok", reference)]);
    const answer = await first.text();
    for (const response of again) {
      expect([response.status, response.headers.get("idempotent-replayed")]).toEqual([200, "true"]);
      expect(await response.text()).toBe(answer);
    }
    expect(await books(`charge=${reference}`)).toHaveLength(1);
  });

  test("a declined key stays declined", async () => {
    const reference = newReference();
    const first = await pay("tok_declined", reference);
    const again = await pay("tok_declined", reference);
    expect(again.status).toBe(402);
    expect(await again.text()).toBe(await first.text());
  });

  test("ten at once with one key capture once", async () => {
    const reference = newReference();
    const answers = await Promise.all(Array.from({ length: 10 }, () => pay("tok_ok", reference)));
    expect(new Set(await Promise.all(answers.map((response) => response.text()))).size).toBe(1);
    expect(await books(`charge=${reference}`)).toHaveLength(1);
  });

  test("the same key with another body is refused", async () => {
    const reference = newReference();
    await pay("tok_ok", reference, "one-key");
    const response = await pay("tok_ok", reference, "one-key", { amount: "99.00" });
    expect([response.status, await codeOf(response)]).toEqual([409, "idempotency_key_reused"]);
  });

  test("another key for a reference already used is refused with the payment it has", async () => {
    const reference = newReference();
    const first = await (await pay("tok_ok", reference, "a")).json<Payment>();
    const response = await pay("tok_ok", reference, "b");
    expect(response.status).toBe(409);
    expect(await response.json()).toEqual({ error: { code: "duplicate_reference" }, payment: first });
  });
});

describe("authorising, capturing, voiding", () => {
  test("an authorised payment is captured once", async () => {
    const reference = newReference();
    const authorised = await pay("tok_ok", reference, "auth", { capture: false });
    expect(await authorised.json()).toMatchObject({ status: "authorised" });
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "pending" }]);
    const first = await capture(reference, "cap");
    const again = await capture(reference, "cap");
    expect([first.status, again.status]).toEqual([200, 200]);
    expect(await again.text()).toBe(await first.text());
    const other = await capture(reference, "cap-2");
    expect([other.status, await codeOf(other)]).toEqual([409, "already_captured"]);
    expect(await statusOf(reference)).toBe("captured");
    await eventually(() => expect(eventsOf(reference).map(({ event }) => event.type)).toEqual(["payment.captured"]));
  });

  test("a voided authorisation cannot be captured", async () => {
    const reference = newReference();
    await pay("tok_ok", reference, "auth", { capture: false });
    expect((await voidPayment(reference)).status).toBe(200);
    expect(await codeOf(await capture(reference, "cap"))).toBe("not_authorised");
    expect(await books(`charge=${reference}`)).toMatchObject([{ status: "failed" }]);
  });

  test("a captured payment is not voided", async () => {
    const reference = newReference();
    const payment = await (await pay("tok_ok", reference)).json<Payment>();
    const response = await voidPayment(reference);
    expect(response.status).toBe(409);
    expect(await response.json()).toEqual({ error: { code: "already_captured" }, payment });
  });

  test("a failed payment stays as it is", async () => {
    const reference = newReference();
    await pay("tok_declined", reference);
    const response = await voidPayment(reference);
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ status: "failed", decline_reason: "do_not_honor" });
  });

  test("tok_async voided before its decision is never captured", async () => {
    const reference = newReference();
    await pay("tok_async", reference);
    expect(await (await voidPayment(reference)).json()).toMatchObject({ status: "voided" });
    const marker = newReference();
    await pay("tok_async", marker);
    await eventually(() => expect(eventsOf(marker)).toHaveLength(1));
    expect(await statusOf(reference)).toBe("voided");
    expect(eventsOf(reference)).toEqual([]);
  });

  test("voiding a reference nobody used burns it", async () => {
    const reference = newReference();
    for (const _ of [1, 2]) {
      const response = await voidPayment(reference);
      expect(response.status).toBe(200);
      expect(await response.json()).toEqual({ reference, status: "voided" });
    }
    expect((await find(reference)).status).toBe(404);
    const late = await pay("tok_ok", reference);
    expect([late.status, await codeOf(late)]).toEqual([409, "reference_voided"]);
    expect(await books(`charge=${reference}`)).toEqual([]);
  });

  test("a reference voided between two server errors never captures", async () => {
    const reference = newReference();
    await pay("tok_5xx_twice", reference);
    await voidPayment(reference);
    expect(await codeOf(await pay("tok_5xx_twice", reference))).toBe("reference_voided");
  });

  test("capturing what was never authorised is not found", async () => {
    expect((await capture(newReference(), "cap")).status).toBe(404);
  });
});

describe("delivering", () => {
  test("a webhook the merchant refuses is told again, with the same id, until it is taken", async () => {
    const reference = newReference();
    merchantAnswers = () => new Response(null, { status: 503 });
    await pay("tok_ok", reference);
    await eventually(() => expect(eventsOf(reference)).toHaveLength(1));
    merchantAnswers = () => new Response(null, { status: 204 });
    await eventually(() => expect(eventsOf(reference)).toHaveLength(2));
    const [first, second] = eventsOf(reference);
    expect(second?.id).toBe(first?.id);
    expect(second?.raw).toBe(first?.raw);
    expect((second?.at ?? 0) - (first?.at ?? 0)).toBeGreaterThanOrEqual(900);
  });

  test("a merchant that cannot be reached does not hurt the payment", async () => {
    const reference = newReference();
    merchantAnswers = () => Promise.reject(new Error("connection refused"));
    expect((await pay("tok_duplicate_webhook", reference)).status).toBe(201);
    await eventually(() => expect(eventsOf(reference).length).toBeGreaterThanOrEqual(3));
  });

  test("what is pending is decided and told although the object was evicted meanwhile", async () => {
    const reference = newReference();
    await pay("tok_async", reference);
    await evictAllDurableObjects();
    await eventually(() => expect(eventsOf(reference).map(({ event }) => event.type)).toEqual(["payment.captured"]));
    expect(await statusOf(reference)).toBe("captured");
  });
});

describe("the door", () => {
  test("without the key nothing under /v1 answers, while /books and /healthz do", async () => {
    for (const headers of [{}, { authorization: "Bearer wrong" }, { authorization: "Basic x" }] as HeadersInit[]) {
      const response = await worker.fetch("http://sandbox.test/v1/instruments/tok_ok", { headers });
      expect(await codeOf(response)).toBe("unauthenticated");
      expect([400, 401]).toContain(response.status);
    }
    expect((await worker.fetch("http://sandbox.test/books")).status).toBe(200);
    expect(await (await worker.fetch("http://sandbox.test/healthz")).json()).toEqual({ ok: true });
  });

  test("instruments are known by their token", async () => {
    expect(await (await call("GET", "/v1/instruments/tok_ok")).json()).toEqual({
      token: "tok_ok",
      type: "card",
      brand: "sandbox",
      fingerprint: "fp_tok_ok",
    });
    const unknown = await call("GET", "/v1/instruments/tok_3ds");
    expect([unknown.status, await codeOf(unknown)]).toEqual([404, "unknown_instrument"]);
    const paid = await pay("tok_3ds", newReference());
    expect([paid.status, await codeOf(paid)]).toEqual([422, "unknown_instrument"]);
  });

  test("a payment without a key, or with money that is none, is refused", async () => {
    const keyless = await call("POST", "/v1/payments", {}, {});
    expect([keyless.status, await codeOf(keyless)]).toEqual([400, "idempotency_key_missing"]);
    for (const amount of ["0.00", "-1.00", "1e3", " 1.00", "1.", ""]) {
      const response = await pay("tok_ok", newReference(), "key", { amount });
      expect([amount, response.status, await codeOf(response)]).toEqual([amount, 400, "invalid_request"]);
    }
    expect((await call("GET", "/v1/nothing")).status).toBe(404);
  });
});

test("the books list a pod's payments from every shard, oldest first", async () => {
  const references = Array.from({ length: 12 }, newReference);
  for (const reference of references) await pay("tok_ok", reference, undefined, { pod: "pod_listed" });
  expect(new Set(references.map(shardOf)).size).toBeGreaterThan(1);
  const rows = await books("pod=pod_listed&limit=5");
  expect(rows.map(({ charge }) => charge)).toEqual(references);
  expect(await books(`pod=pod_listed&charge=${references[3]}`)).toHaveLength(1);
  expect(await books(`pod=pod_1&charge=${references[3]}`)).toEqual([]);
});
