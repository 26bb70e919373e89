import { type Context, Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { bodyLimit } from "hono/body-limit";
import { timingSafeEqual } from "hono/utils/buffer";
import { z } from "zod";
import { configOf, type SandboxEnv } from "../env.ts";
import {
  behaviourShape,
  isProvider,
  PROVIDERS,
  quoteShape,
  type RefusalCode,
  type Reply,
  referenceShape,
  tradeShape,
} from "./contract.ts";

type Bindings = { Bindings: SandboxEnv };

const BODY_LIMIT = 16 * 1024;

const refusalStatus = {
  already_filled: 409,
  invalid_amount: 422,
  not_found: 404,
  quote_expired: 409,
  quote_refused: 422,
  quote_used: 409,
  reference_cancelled: 409,
  reference_used: 409,
  trade_refused: 422,
  unavailable: 503,
  unsupported_pair: 422,
} as const satisfies Record<RefusalCode, number>;

const fault = (code: string, message?: string) => ({ error: message ? { code, message } : { code } });
const unauthenticated = { message: fault("unauthenticated") };

const provider = (c: Context<Bindings>) => {
  const name = c.req.param("provider") ?? "";
  return isProvider(name) ? c.env.LP_BOOKS.getByName(name) : null;
};

const answer = async <T extends object>(
  c: Context<Bindings>,
  reply: Reply<T>,
  status: 200 | 201,
): Promise<Response> => {
  // Decided and committed; only the answer is late. The wait is here so that it keeps no object busy.
  if (reply.withhold_ms) await scheduler.wait(reply.withhold_ms);
  if (reply.kind === "done") return c.json(reply.value, status);
  return c.json({ ...fault(reply.code), ...(reply.trade ? { trade: reply.trade } : {}) }, refusalStatus[reply.code]);
};

/** The providers' APIs, under /lp/{provider}/v1, for holders of the API key. */
export const lpApi = new Hono<Bindings>()
  .use(
    bearerAuth({
      verifyToken: (token, c: Context<Bindings>) => timingSafeEqual(token, configOf(c.env).lpApiKey),
      noAuthenticationHeader: unauthenticated,
      invalidAuthenticationHeader: unauthenticated,
      invalidToken: unauthenticated,
    }),
  )
  .use(bodyLimit({ maxSize: BODY_LIMIT, onError: (c) => c.json(fault("payload_too_large"), 413) }))

  .post("/quotes", async (c) => {
    const books = provider(c);
    if (books === null) return c.json(fault("no_such_provider"), 404);
    const request = quoteShape.safeParse(await c.req.json().catch(() => undefined));
    if (!request.success) return c.json(fault("invalid_request", z.prettifyError(request.error)), 400);
    return answer(c, await books.quote(request.data), 201);
  })

  .post("/trades", async (c) => {
    const books = provider(c);
    if (books === null) return c.json(fault("no_such_provider"), 404);
    const request = tradeShape.safeParse(await c.req.json().catch(() => undefined));
    if (!request.success) return c.json(fault("invalid_request", z.prettifyError(request.error)), 400);
    return answer(c, await books.trade(request.data.quote, request.data.reference), 201);
  })

  .get("/trades/by-reference/:reference", async (c) => {
    const books = provider(c);
    if (books === null) return c.json(fault("no_such_provider"), 404);
    return answer(c, await books.find(c.req.param("reference")), 200);
  })

  .post("/trades/by-reference/:reference/cancel", async (c) => {
    const books = provider(c);
    if (books === null) return c.json(fault("no_such_provider"), 404);
    const reference = referenceShape.safeParse(c.req.param("reference"));
    if (!reference.success) return c.json(fault("invalid_request", "malformed reference"), 400);
    return answer(c, await books.cancel(reference.data), 200);
  });

/** What the providers themselves believe, and the strings they hang on: for tests and whoever reconciles. No key asked. */
export const lpBooks = new Hono<Bindings>()
  .get("/lp/books", async (c) => {
    const rows = await Promise.all(PROVIDERS.map((name) => c.env.LP_BOOKS.getByName(name).list()));
    const data = rows.flat().sort((a, b) => a.at.localeCompare(b.at));
    return c.json({ data, next: null });
  })
  .get("/fx/providers", async (c) => {
    const data = await Promise.all(
      PROVIDERS.map(async (name) => ({ provider: name, ...(await c.env.LP_BOOKS.getByName(name).behave()) })),
    );
    return c.json({ data, next: null });
  })
  .post("/fx/providers/:provider", async (c) => {
    const books = provider(c);
    if (books === null) return c.json(fault("no_such_provider"), 404);
    const change = behaviourShape.safeParse(await c.req.json().catch(() => undefined));
    if (!change.success) return c.json(fault("invalid_request", z.prettifyError(change.error)), 400);
    const kept = Object.fromEntries(Object.entries(change.data).filter(([, value]) => value !== undefined));
    return c.json({ provider: c.req.param("provider"), ...(await books.behave(kept)) });
  });
