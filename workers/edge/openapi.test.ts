import { describe, expect, it } from "vitest";
import { openapiDocument } from "./openapi.ts";
import { ROUTES } from "./routes.ts";

type Operation = { operationId: string; responses: Record<string, unknown>; parameters: { $ref?: string }[] };
const document = openapiDocument(ROUTES, "1.2.3") as {
  paths: Record<string, Record<string, Operation>>;
  components: Record<string, Record<string, unknown>>;
};

const refsIn = (value: unknown): string[] => {
  if (typeof value !== "object" || value === null) return [];
  const own = "$ref" in value && typeof value.$ref === "string" ? [value.$ref] : [];
  return [...own, ...Object.values(value).flatMap(refsIn)];
};

describe("the OpenAPI document", () => {
  it("has every route of the table, and no other", () => {
    const inDocument = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    expect(inDocument.sort()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
  });

  it("refers only to components it has", () => {
    for (const ref of new Set(refsIn(document))) {
      const [, , kind = "", name = ""] = ref.split("/");
      expect([ref, document.components[kind]?.[name] !== undefined]).toEqual([ref, true]);
    }
  });

  it("names every operation once, and refers to no inline definition", () => {
    const ids = Object.values(document.paths).flatMap((methods) =>
      Object.values(methods).map(({ operationId }) => operationId),
    );
    expect(new Set(ids).size).toBe(ids.length);
    expect(JSON.stringify(document)).not.toContain("$defs");
  });

  it("asks for a key where money moves, and says what a refusal looks like", () => {
    const charge = document.paths["/v1/pods/{id}/charges"]?.post;
    expect(charge?.parameters).toContainEqual({ $ref: "#/components/parameters/IdempotencyKeyRequired" });
    expect(Object.keys(charge?.responses ?? {})).toEqual(
      expect.arrayContaining([
        "201",
        "202",
        "400",
        "401",
        "403",
        "404",
        "409",
        "413",
        "415",
        "422",
        "429",
        "500",
        "503",
      ]),
    );
  });

  it("tells of refusals that follow from what a body names, and of how long an invitation may live", () => {
    const refusalsOf = (path: string, method: string) =>
      Object.keys(document.paths[path]?.[method]?.responses ?? {}).filter((status) => status.startsWith("4"));
    expect(refusalsOf("/v1/ledger/transfers", "post")).toContain("404");
    expect(refusalsOf("/v1/ledger/monitors", "get")).toContain("404");
    expect(refusalsOf("/v1/fx/quotes", "post")).toContain("404");
    expect(refusalsOf("/v1/pods/{id}/statement", "get")).toContain("422");
    expect(refusalsOf("/ingress/psp/{connector}", "post")).toContain("401");
    expect(JSON.stringify(document)).toContain('"minimum":60,"maximum":2592000');
  });

  it("says that a feed is a WebSocket, and what opens it", () => {
    const feed = document.paths["/v1/pods/{id}/feed"]?.get as Operation & { security: object[] };
    expect(Object.keys(feed.responses)).toEqual(expect.arrayContaining(["101", "400", "401", "404", "426"]));
    expect(Object.keys(feed.responses).filter((status) => status.startsWith("2"))).toEqual([]);
    expect(feed.security).toEqual([{ bearer: [] }, { ticket: [] }]);
  });

  it("has no test clock where it is not asked for", () => {
    const settings = { CROWDPAY_CLOCK: undefined } as Parameters<NonNullable<(typeof ROUTES)[number]["when"]>>[0];
    expect(ROUTES.filter(({ when }) => when !== undefined && !when(settings)).map(({ path }) => path)).toEqual([
      "/v1/test/clock",
    ]);
  });
});
