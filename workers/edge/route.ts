import type { z } from "zod";
import type { Meta } from "../../schema/events.ts";
import { accept, type Rejection, type Result, reject } from "../../schema/rejections.ts";
import { type EdgeSettings, type Env, edgeSettings } from "../env.ts";
import { type Actors, actorsOf } from "./actors.ts";
import { type Auth, authOf, authorize, type Caller, type Operation } from "./authorize.ts";
import { readBody, readQuery } from "./body.ts";
import { type KeyPolicy, readKey } from "./idempotency.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";

/** What a route answers: a resource (a stream goes out as it is, under a content type of its own), the socket that a request was upgraded to, or a refusal. `request_id` of a replayed refusal is that of the call first refused. */
export type Answer =
  | { ok: true; upgraded: Response }
  | { ok: true; status: number; body: unknown; headers?: Record<string, string>; replayed?: boolean }
  | { ok: false; rejection: Rejection; request_id?: string; replayed?: boolean };

export const answer = (
  status: number,
  body: unknown,
  extra: { headers?: Record<string, string>; replayed?: boolean } = {},
): Answer => ({ ok: true, status, body, ...extra });

/** A request that has come through the door: its sender is known, nothing of it has been read. */
export type Visit = {
  request: Request;
  env: Env;
  url: URL;
  params: Readonly<Record<string, string>>;
  requestId: string;
  /** Null on public routes, and where a ticket was shown instead of a token. */
  caller: Caller | null;
};

/** What policy and handlers of a route see: everything parsed. */
export type Call<B, Q> = Omit<Visit, "caller"> & {
  caller: Caller;
  /** Throws when the deployment is misconfigured; a route that needs none of them answers all the same. */
  settings: () => EdgeSettings;
  actors: Actors;
  body: B;
  query: Q;
  meta: Meta;
};

export type Responses = Readonly<
  Record<number, { description: string; schema: z.ZodType | null /** JSON when absent. */; contentType?: string }>
>;

type Declaration = {
  operation: Operation;
  method: Method;
  /** As OpenAPI writes it: `/v1/pods/{id}`. */
  path: string;
  summary: string;
  responses: Responses;
  /** The route answers with a WebSocket; `?ticket=` opens it as well as a token does. */
  upgrades?: boolean;
  /** The route heeds `Prefer: wait=…`. */
  waits?: boolean;
  /** Statuses of refusals that its shape does not tell of: an account in a body that does not exist, say. */
  refuses?: readonly number[];
  /** The most its body may hold, bytes; what every body may when absent. */
  maxBody?: number;
  /** Where the route exists at all; everywhere when absent. */
  when?: (settings: EdgeSettings) => boolean;
};

/** A route as the application and the OpenAPI document see it. */
export type Route = Declaration & {
  auth: Auth;
  idempotency: KeyPolicy;
  body: z.ZodType | "raw" | null;
  query: z.ZodType | null;
  serve(visit: Visit): Promise<Answer>;
};

const NOBODY: Caller = { user: "", clientId: "", operator: false, tokenEndsAt: 0 };

const TRACEPARENT = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

const metaOf = ({ request, requestId, caller }: Visit): Meta => {
  const traceparent = request.headers.get("traceparent");
  return {
    principal: { user: caller?.user ?? "system", client_id: caller?.clientId ?? "crowdpay" },
    correlation: requestId,
    causation: null,
    ...(traceparent !== null && TRACEPARENT.test(traceparent) ? { traceparent } : {}),
  };
};

/** In a pod's events an operator reads "operator", whoever is on duty. */
export const metaInPod = ({ meta, caller }: { meta: Meta; caller: Caller }): Meta =>
  caller.operator ? { ...meta, principal: { ...meta.principal, user: "operator" } } : meta;

/** Asks the policy port about an operation that needs nothing but the caller. */
const admitCaller =
  (operation: Operation) =>
  async ({ caller }: { caller: Caller }): Promise<Result<null>> => {
    const decision = authorize(operation, { caller });
    return decision.allow ? accept(null) : reject("forbidden", decision.detail, { reason: decision.reason });
  };

type Spec<B extends z.ZodType, Q extends z.ZodType, S> = Declaration & {
  idempotency: KeyPolicy;
  body?: B;
  query?: Q;
  /**
   * The policy step: loads what the decision needs and asks for it. What it has loaded goes on to the handler. By default the
   * policy port is asked about the caller alone.
   */
  admit?: (call: Call<z.output<B>, z.output<Q>>) => Promise<Result<S>>;
  handler: (call: Call<z.output<B>, z.output<Q>> & { seen: S; key: string | null }) => Promise<Answer>;
};

/**
 * Declares a route once, for the application and the OpenAPI document alike. It is served in one order: parse, policy,
 * idempotency key, domain; authentication and the rate limit come before it.
 */
export const defineRoute = <B extends z.ZodType, Q extends z.ZodType, S = null>(spec: Spec<B, Q, S>): Route => {
  const { body, query, handler, ...declaration } = spec;
  // Without an `admit` of its own a route has declared S as null.
  const admit = (spec.admit ?? admitCaller(spec.operation)) as NonNullable<Spec<B, Q, S>["admit"]>;
  return {
    ...declaration,
    auth: authOf(spec.operation),
    body: body ?? null,
    query: query ?? null,
    async serve(visit) {
      const parsedQuery = query === undefined ? accept(undefined) : readQuery(visit.url, query);
      if (!parsedQuery.ok) return parsedQuery;
      const parsedBody = body === undefined ? accept(undefined) : await readBody(visit.request, body, spec.maxBody);
      if (!parsedBody.ok) return parsedBody;
      const call = {
        ...visit,
        caller: visit.caller ?? NOBODY,
        settings: () => edgeSettings(visit.env),
        actors: actorsOf(visit.env),
        body: parsedBody.value as z.output<B>,
        query: parsedQuery.value as z.output<Q>,
        meta: metaOf(visit),
      };
      const seen = await admit(call);
      if (!seen.ok) return seen;
      const key = readKey(visit.request.headers.get("idempotency-key"), spec.idempotency);
      if (!key.ok) return key;
      return handler({ ...call, seen: seen.value, key: key.value });
    },
  };
};
