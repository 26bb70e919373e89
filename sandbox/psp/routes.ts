import { type Context, Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { timingSafeEqual } from "hono/utils/buffer";
import { z } from "zod";
import { configOf, type SandboxEnv } from "../env.ts";
import { newPaymentShape, opaqueShape, type PaymentStatus, type RefusalCode, type Reply } from "./contract.ts";
import { behaviourOf } from "./instruments.ts";
import type { BooksPage } from "./object.ts";
import { allShards, shardOf } from "./shards.ts";

type Bindings = { Bindings: SandboxEnv };

const BODY_LIMIT = 64 * 1024;
const BOOKS_CHUNK = 1_000;

const refusalStatus = {
  already_captured: 409,
  duplicate_reference: 409,
  idempotency_key_reused: 409,
  in_flight: 409,
  not_authorised: 409,
  not_found: 404,
  reference_voided: 409,
  server_error: 500,
  unknown_instrument: 422,
} as const satisfies Record<RefusalCode, number>;

const paymentHttpStatus = {
  authorised: 201,
  captured: 201,
  failed: 402,
  pending: 202,
  voided: 201,
} as const satisfies Record<PaymentStatus, number>;

const fault = (code: string, message?: string) => ({ error: message ? { code, message } : { code } });

const unauthenticated = { message: fault("unauthenticated") };

/** The provider's API: everything under /v1, for holders of the API key. */
export const pspApi = new Hono<Bindings>()
  .use(
    bearerAuth({
      verifyToken: (token, c: Context<Bindings>) => timingSafeEqual(token, configOf(c.env).pspApiKey),
      noAuthenticationHeader: unauthenticated,
      invalidAuthenticationHeader: unauthenticated,
      invalidToken: unauthenticated,
    }),
  )
  .use(bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => c.json(fault("payload_too_large"), 413) }))

  .get("/instruments/:token", (c) => {
    const token = c.req.param("token");
    if (!behaviourOf(token)) return c.json(fault("unknown_instrument"), 404);
    return c.json({ token, type: "card", brand: "sandbox", fingerprint: `fp_${token}` });
  })

  .post("/payments", async (c) => {
    const key = opaqueShape.safeParse(c.req.header("Idempotency-Key"));
    if (!key.success) return c.json(fault("idempotency_key_missing"), 400);
    const request = newPaymentShape.safeParse(await c.req.json().catch(() => undefined));
    if (!request.success) return c.json(fault("invalid_request", z.prettifyError(request.error)), 400);
    const { reference } = request.data;
    let reply = await books(c, reference).pay(key.data, request.data);
    while (reply.kind === "wait") {
      // The books have committed; only the answer is late. The wait is here so that it keeps no object busy.
      await scheduler.wait(reply.ms);
      reply = await books(c, reference).resume(key.data, reference);
    }
    return answer(c, reply);
  })

  .get("/payments/by-reference/:reference", async (c) => {
    const reference = c.req.param("reference");
    return answer(c, await books(c, reference).find(reference), 200);
  })

  .post("/payments/:reference/capture", async (c) => {
    const key = opaqueShape.safeParse(c.req.header("Idempotency-Key"));
    if (!key.success) return c.json(fault("idempotency_key_missing"), 400);
    const reference = c.req.param("reference");
    return answer(c, await books(c, reference).capture(key.data, reference), 200);
  })

  .post("/payments/:reference/void", async (c) => {
    const reference = opaqueShape.safeParse(c.req.param("reference"));
    if (!reference.success) return c.json(fault("invalid_request", "malformed reference"), 400);
    const reply = await books(c, reference.data).cancel(reference.data);
    if (reply === null) return c.json({ reference: reference.data, status: "voided" });
    return answer(c, reply, 200);
  });

/** What the provider itself believes, for whoever reconciles with it. No key asked. */
export const pspBooks = new Hono<Bindings>().get("/books", async (c) => {
  const { pod, charge } = c.req.query();
  const filter = { ...(pod === undefined ? {} : { pod }), ...(charge === undefined ? {} : { charge }) };
  const shards = await Promise.all(allShards.map((shard) => readShard(c.env.PSP_BOOKS, shard, filter)));
  const rows = shards.flat().sort((a, b) => a.createdAt - b.createdAt);
  return c.json({ data: rows.map(({ row }) => row), next: null });
});

function books(c: Context<Bindings>, reference: string) {
  return c.env.PSP_BOOKS.getByName(shardOf(reference));
}

function answer(c: Context<Bindings>, reply: Reply, status?: 200): Response {
  if (reply.kind === "wait") throw new Error("an answer is withheld only from the one who waits for it");
  if (reply.kind === "refused") {
    const { code, payment } = reply;
    return c.json({ ...fault(code), ...(payment ? { payment } : {}) }, refusalStatus[code]);
  }
  if (reply.hangsUp === true) return brokenOff();
  if (reply.replayed) c.header("Idempotent-Replayed", "true");
  const fresh = paymentHttpStatus[reply.payment.status];
  return c.json(reply.payment, status ?? (fresh === 201 && reply.replayed ? 200 : fresh));
}

/** A connection that is lost in the middle of the answer: what was asked for has been done, and nobody is told. */
function brokenOff(): Response {
  const body = new ReadableStream({
    start(controller) {
      controller.enqueue(new TextEncoder().encode('{"id":'));
      controller.error(new Error("the provider hung up"));
    },
  });
  return new Response(body, { status: 201, headers: { "content-type": "application/json" } });
}

async function readShard(
  namespace: SandboxEnv["PSP_BOOKS"],
  shard: string,
  filter: { pod?: string; charge?: string },
): Promise<BooksPage["rows"]> {
  const rows: BooksPage["rows"] = [];
  for (let after: number | null = 0; after !== null; ) {
    const page: BooksPage = await namespace.getByName(shard).list(filter, after, BOOKS_CHUNK);
    rows.push(...page.rows);
    after = page.next;
  }
  return rows;
}
