import { type Context, Hono } from "hono";
import { isOverloaded, isRetryable, refusalIn } from "../../objects/kit/stub.ts";
import { type Rejection, reject } from "../../schema/rejections.ts";
import { type Env, edgeSettings } from "../env.ts";
import { authenticate } from "./authenticate.ts";
import type { Caller } from "./authorize.ts";
import { discardBody } from "./body.ts";
import { problemBody, problemHeaders } from "./problem.ts";
import { withinRate } from "./rate-limit.ts";
import type { Answer, Route } from "./route.ts";

type Hosted = Context<{ Bindings: Env }>;

const HEADERS: Readonly<Record<string, string>> = {
  "cache-control": "no-store",
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'",
  "referrer-policy": "no-referrer",
  "strict-transport-security": "max-age=31536000",
  "x-content-type-options": "nosniff",
};

const requestIdOf = (request: Request): string => {
  const theirs = request.headers.get("x-request-id") ?? "";
  return /^[A-Za-z0-9-]{8,64}$/.test(theirs) ? theirs : crypto.randomUUID();
};

const refuse = (rejection: Rejection): Answer => ({ ok: false, rejection });

/** A fault of the platform, or a bug. The caller learns whether to come again, the log what it was. */
const fault = (error: unknown, requestId: string): Answer => {
  const { name, message, stack } = error instanceof Error ? error : new Error("not an error");
  console.error(JSON.stringify({ level: "error", request_id: requestId, error: name, message, stack }));
  const refusal = refusalIn(error);
  if (refusal !== null) return refuse(refusal);
  return isOverloaded(error) || isRetryable(error)
    ? reject("overloaded", "an actor could not be reached in time; the same call may be made again", { retry_after: 1 })
    : reject("internal", message);
};

const render = (answer: Answer, requestId: string): Response => {
  const headers = new Headers(HEADERS);
  headers.set("x-request-id", requestId);
  if (answer.ok && "upgraded" in answer) {
    return new Response(null, { status: 101, webSocket: answer.upgraded.webSocket, headers });
  }
  if (answer.replayed === true) headers.set("idempotency-replayed", "true");
  if (!answer.ok) {
    for (const [name, value] of Object.entries(problemHeaders(answer.rejection))) headers.set(name, value);
    const body = problemBody(answer.rejection, answer.request_id ?? requestId);
    return new Response(JSON.stringify(body), { status: body.status as number, headers });
  }
  for (const [name, value] of Object.entries(answer.headers ?? {})) headers.set(name, value);
  if (answer.body === null) return new Response(null, { status: answer.status, headers });
  if (answer.body instanceof ReadableStream) return new Response(answer.body, { status: answer.status, headers });
  headers.set("content-type", "application/json");
  return new Response(JSON.stringify(answer.body), { status: answer.status, headers });
};

/** One line of JSON a request. The route's pattern, never the path: a path may hold an invitation's token. */
const log = (
  request: Request,
  route: string,
  response: Response,
  requestId: string,
  user: string | null,
  from: number,
) => {
  const line = {
    level: "info",
    method: request.method,
    route,
    status: response.status,
    ms: Date.now() - from,
    request_id: requestId,
    user,
  };
  console.log(JSON.stringify(line));
};

/**
 * Whoever shows a ticket where one is taken is nobody yet: the actor that issued it says who they are. Until then it is their
 * address that keeps within its rate.
 */
const withTicket = async ({ req, env }: Hosted, now: number) => {
  const address = req.raw.headers.get("cf-connecting-ip") ?? "unknown";
  const within = await withinRate(env, `address:${address}`, now);
  return within.ok ? { ok: true as const, value: null } : within;
};

/** Who calls, within their rate; null on public routes and for the bearer of a ticket. */
const atTheDoor = async (route: Route, context: Hosted) => {
  if (route.auth === "public") return { ok: true as const, value: null };
  const now = Date.now();
  const { headers, url } = context.req.raw;
  const ticketed = route.upgrades === true && !headers.has("authorization") && new URL(url).searchParams.has("ticket");
  if (ticketed) return withTicket(context, now);
  const caller = await authenticate(context.req.raw.headers.get("authorization"), context.env, now);
  if (!caller.ok) return caller;
  const within = await withinRate(context.env, `user:${caller.value.user}`, now);
  return within.ok ? caller : within;
};

const notFound = (): Answer => reject("not_found", "there is nothing at this path");

const serve = async (route: Route, context: Hosted): Promise<Response> => {
  const from = Date.now();
  const request = context.req.raw;
  const requestId = requestIdOf(request);
  let caller: Caller | null = null;
  let answer: Answer;
  try {
    const admitted = await atTheDoor(route, context);
    if (admitted.ok) {
      caller = admitted.value;
      const { env } = context;
      const url = new URL(request.url);
      answer = await route.serve({ request, env, url, params: context.req.param(), requestId, caller });
    } else {
      answer = refuse(admitted.rejection);
    }
  } catch (error) {
    answer = fault(error, requestId);
  }
  await discardBody(request);
  const response = render(answer, requestId);
  log(request, route.path, response, requestId, caller?.user ?? null, from);
  return response;
};

const exists = (route: Route, env: Env): boolean => route.when === undefined || route.when(edgeSettings(env));

const answerUnrouted = async (context: Hosted, route: string, answer: Answer): Promise<Response> => {
  const from = Date.now();
  const requestId = requestIdOf(context.req.raw);
  await discardBody(context.req.raw);
  const response = render(answer, requestId);
  log(context.req.raw, route, response, requestId, null, from);
  return response;
};

/** What a path answers to a method none of its routes has. */
const wrongMethod = (routes: readonly Route[], context: Hosted): Promise<Response> => {
  const [first] = routes;
  const allow = routes
    .filter((route) => exists(route, context.env))
    .flatMap(({ method }) => (method === "GET" ? ["GET", "HEAD"] : [method]));
  return answerUnrouted(
    context,
    first?.path ?? "",
    allow.length === 0 ? notFound() : reject("method_not_allowed", "this path does not take that method", { allow }),
  );
};

/** The application over a table of routes: there is no other way in. */
export const createApp = (routes: readonly Route[]): Hono<{ Bindings: Env }> => {
  const app = new Hono<{ Bindings: Env }>();
  for (const [path, group] of Map.groupBy(routes, (route) => route.path)) {
    const pattern = path.replaceAll(/\{(\w+)\}/g, ":$1");
    for (const route of group) {
      app.on(route.method, pattern, (context, next) => (exists(route, context.env) ? serve(route, context) : next()));
    }
    app.all(pattern, (context) => wrongMethod(group, context));
  }
  app.notFound((context) => answerUnrouted(context, "(none)", notFound()));
  app.onError((error, context) => answerUnrouted(context, "(none)", fault(error, requestIdOf(context.req.raw))));
  return app;
};
