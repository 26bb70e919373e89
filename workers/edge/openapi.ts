import { z } from "zod";
import { problemResource } from "../../schema/resources.ts";
import type { Responses, Route } from "./route.ts";

type Json = { [key: string]: unknown };

const PROBLEM_CONTENT = { "application/problem+json": { schema: { $ref: "#/components/schemas/Problem" } } };

const REQUEST_ID_HEADER = { "X-Request-Id": { $ref: "#/components/headers/RequestId" } };

/** Collects the named schemas that others refer to, so that each is written once. */
class Components {
  readonly schemas: Record<string, Json> = {};

  /** The JSON Schema of a zod schema, its named parts moved to the components. `input`: before defaults and transforms. */
  schemaOf(schema: z.ZodType, io: "input" | "output"): Json {
    const {
      $schema: _,
      $defs = {},
      ...own
    } = z.toJSONSchema(schema, { io, unrepresentable: "any" }) as Json & {
      $defs?: Record<string, Json>;
    };
    for (const [name, part] of Object.entries($defs)) {
      const { $id: _id, id: _name, ...rest } = part;
      this.schemas[name] = this.#pointed(rest) as Json;
    }
    return this.#named(this.#pointed(own) as Json);
  }

  /** A schema that has a name itself becomes a component too. */
  #named(schema: Json): Json {
    const { id, $id: _, ...rest } = schema;
    if (typeof id !== "string") return rest;
    this.schemas[id] = rest;
    return { $ref: `#/components/schemas/${id}` };
  }

  /** Local `$defs` pointers become pointers to the components. */
  #pointed(value: unknown): unknown {
    if (Array.isArray(value)) return value.map((item) => this.#pointed(item));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(
      Object.entries(value).map(([key, item]) =>
        key === "$ref" && typeof item === "string"
          ? [key, item.replace("#/$defs/", "#/components/schemas/")]
          : [key, this.#pointed(item)],
      ),
    );
  }
}

const pathParameters = (path: string): Json[] =>
  [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({
    name,
    in: "path",
    required: true,
    schema: { type: "string" },
  }));

const queryParameters = (route: Route, components: Components): Json[] => {
  if (route.query === null) return [];
  const { properties = {}, required = [] } = components.schemaOf(route.query, "input") as {
    properties?: Record<string, Json>;
    required?: string[];
  };
  return Object.entries(properties).map(([name, schema]) => ({
    name,
    in: "query",
    required: required.includes(name),
    schema,
  }));
};

const headerParameters = (route: Route): Json[] => {
  const named = (name: string) => ({ $ref: `#/components/parameters/${name}` });
  return [
    ...(route.idempotency === "required" ? [named("IdempotencyKeyRequired")] : []),
    ...(route.idempotency === "honoured" ? [named("IdempotencyKey")] : []),
    ...(route.waits === true ? [named("Prefer")] : []),
    named("RequestId"),
  ];
};

const successes = (responses: Responses, keyed: boolean, components: Components): Json =>
  Object.fromEntries(
    Object.entries(responses).map(([status, { description, schema, contentType = "application/json" }]) => [
      status,
      {
        description,
        headers: {
          ...REQUEST_ID_HEADER,
          ...(keyed ? { "Idempotency-Replayed": { $ref: "#/components/headers/IdempotencyReplayed" } } : {}),
          ...(status === "202" ? { "Retry-After": { $ref: "#/components/headers/RetryAfter" } } : {}),
          ...(status === "201" || status === "202" ? { Location: { $ref: "#/components/headers/Location" } } : {}),
        },
        ...(schema === null ? {} : { content: { [contentType]: { schema: components.schemaOf(schema, "output") } } }),
      },
    ]),
  );

/** Which refusals a route may answer; each status once. */
const refusalStatuses = (route: Route): number[] => {
  const statuses = [405, 500, 503, ...(route.refuses ?? []), ...(route.upgrades === true ? [426] : [])];
  if (route.auth !== "public") statuses.push(401, 403, 429);
  if (route.path.includes("{")) statuses.push(404);
  if (route.query !== null || route.body !== null || route.idempotency !== "none") statuses.push(400);
  if (route.body !== null) statuses.push(413, 415, 422);
  if (route.method !== "GET") statuses.push(409);
  if (route.path.startsWith("/v1/invitations/")) statuses.push(410);
  return [...new Set(statuses)].sort((a, b) => a - b);
};

/** One of these opens the route. */
const securityOf = ({ auth, upgrades }: Route): Json[] => {
  if (auth === "public") return [];
  return [{ bearer: auth === "admin" ? ["admin"] : [] }, ...(upgrades === true ? [{ ticket: [] }] : [])];
};

const operationOf = (route: Route, components: Components): Json => {
  const keyed = route.idempotency !== "none";
  const refusals = refusalStatuses(route).filter((status) => route.responses[status] === undefined);
  return {
    operationId: route.operation,
    summary: route.summary,
    tags: [route.operation.split(".")[0]],
    security: securityOf(route),
    parameters: [...pathParameters(route.path), ...queryParameters(route, components), ...headerParameters(route)],
    ...(route.body === null
      ? {}
      : {
          requestBody: {
            required: route.body === "raw" || !route.body.safeParse({}).success,
            content: {
              "application/json": {
                schema: route.body === "raw" ? { type: "object" } : components.schemaOf(route.body, "input"),
              },
            },
          },
        }),
    responses: {
      ...successes(route.responses, keyed, components),
      ...Object.fromEntries(
        refusals.map((status) => [
          status,
          { $ref: `#/components/responses/${status === 401 ? "Unauthenticated" : "Problem"}` },
        ]),
      ),
    },
  };
};

const text = (description: string) => ({ description, schema: { type: "string" } });
const keyParameter = (required: boolean) => ({
  name: "Idempotency-Key",
  in: "header",
  required,
  description: "1-255 visible ASCII characters; with or without quotation marks it is the same key. Kept 30 days.",
  schema: { type: "string" },
});

/** The OpenAPI 3.1 document of a table of routes. */
export const openapiDocument = (routes: readonly Route[], version: string): Json => {
  const components = new Components();
  components.schemaOf(problemResource, "output");
  const paths: Record<string, Json> = {};
  for (const route of routes) {
    paths[route.path] = { ...paths[route.path], [route.method.toLowerCase()]: operationOf(route, components) };
  }
  return {
    openapi: "3.1.0",
    info: {
      title: "CrowdPay Connect",
      version,
      description: "Communities pool and move money. Refusals are problem documents (RFC 9457) with a `code`.",
    },
    paths,
    components: {
      schemas: components.schemas,
      securitySchemes: {
        bearer: {
          type: "http",
          scheme: "bearer",
          bearerFormat: "JWT",
          description: "An access token as in RFC 9068. The scope `admin` is the operator's.",
        },
        ticket: {
          type: "apiKey",
          in: "query",
          name: "ticket",
          description: "A ticket for this pod's feed, spent by its use.",
        },
      },
      parameters: {
        IdempotencyKey: keyParameter(false),
        IdempotencyKeyRequired: keyParameter(true),
        Prefer: {
          name: "Prefer",
          in: "header",
          required: false,
          description: "`wait=0` to `wait=30`: how many seconds to wait for the outcome; ten otherwise.",
          schema: { type: "string" },
        },
        RequestId: {
          name: "X-Request-Id",
          in: "header",
          required: false,
          description: "Kept when it is 8-64 letters, digits or hyphens; one is made otherwise.",
          schema: { type: "string" },
        },
      },
      headers: {
        RequestId: text("The id of this request."),
        IdempotencyReplayed: text("`true` when this answer was given before."),
        RetryAfter: text("Seconds after which to ask again."),
        Location: text("Where the thing is read."),
      },
      responses: {
        Problem: { description: "A refusal.", headers: REQUEST_ID_HEADER, content: PROBLEM_CONTENT },
        Unauthenticated: {
          description: "No token, or one that is not believed.",
          headers: { ...REQUEST_ID_HEADER, "WWW-Authenticate": text("How to authenticate.") },
          content: PROBLEM_CONTENT,
        },
      },
    },
  };
};
