import { createHmac } from "node:crypto";
import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from "jose";
import { beforeAll, describe, expect, it } from "vitest";
import { authenticate } from "./authenticate.ts";

const NOW = Date.parse("2026-06-01T12:00:00Z");
const nowS = NOW / 1000;

type Keys = Awaited<ReturnType<typeof generateKeyPair>>;
let ed: Keys;
let es: Keys;
let stranger: Keys;
let env: Record<string, string>;

beforeAll(async () => {
  ed = await generateKeyPair("EdDSA", { extractable: true });
  es = await generateKeyPair("ES256", { extractable: true });
  stranger = await generateKeyPair("EdDSA");
  const keys = [
    { ...(await exportJWK(ed.publicKey)), kid: "ed", alg: "EdDSA" },
    { ...(await exportJWK(es.publicKey)), kid: "es", alg: "ES256" },
  ];
  env = {
    ISSUER: "https://issuer.test",
    AUDIENCE: "crowdpay",
    LOCAL_JWKS: JSON.stringify({ keys }),
    WEBHOOK_SECRET_SANDBOX: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
  };
});

const claims: JWTPayload = {
  iss: "https://issuer.test",
  aud: "crowdpay",
  sub: "alice",
  client_id: "app",
  iat: nowS,
  exp: nowS + 3_600,
};

const mint = (change: JWTPayload = {}, header: { alg?: string; kid?: string; typ?: string } = {}, keys = ed) =>
  new SignJWT({ ...claims, ...change })
    .setProtectedHeader({ alg: "EdDSA", kid: "ed", typ: "at+jwt", ...header })
    .sign(keys.privateKey);

const outcome = async (authorization: string | null, at = NOW) => {
  const result = await authenticate(authorization, env, at);
  return result.ok ? result.value : result.rejection.code;
};

const bearer = (token: string): string => `Bearer ${token}`;

const unsigned = (alg: string): string => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg, kid: "ed", typ: "at+jwt" })}.${part(claims)}`;
};

describe("access tokens", () => {
  it("believes EdDSA and ES256, and reads who calls", async () => {
    expect(await outcome(bearer(await mint()))).toEqual({
      user: "alice",
      clientId: "app",
      operator: false,
      tokenEndsAt: NOW + 3_600_000,
    });
    expect(await outcome(bearer(await mint({}, { alg: "ES256", kid: "es" }, es)))).toMatchObject({ user: "alice" });
    expect(await outcome(bearer(await mint({ scope: "read admin" })))).toMatchObject({ operator: true });
    expect(await outcome(bearer(await mint({ scope: "administrator" })))).toMatchObject({ operator: false });
    expect(await outcome(bearer(await mint({ sub: "operator", scope: "admin" })))).toMatchObject({ operator: true });
    expect(await outcome(`bearer  ${await mint({}, { typ: "application/at+jwt" })}`)).toMatchObject({ user: "alice" });
  });

  it.each<[string, JWTPayload]>([
    ["another issuer", { iss: "https://issuer.test/" }],
    ["another audience", { aud: "other" }],
    ["an e-mail address for a subject", { sub: "alice@example.com" }],
    ["an empty subject", { sub: "" }],
    ["a subject of 65 characters", { sub: "a".repeat(65) }],
    ["a subject that a path takes for the caller", { sub: "me" }],
    ["a subject that reads as an operator", { sub: "operator" }],
    ["a subject that reads as the house, though it be an operator's", { sub: "system", scope: "admin" }],
    ["no client", { client_id: undefined }],
    ["a client with spaces", { client_id: "my app" }],
    ["no subject", { sub: undefined } as unknown as JWTPayload],
    ["no expiry", { exp: undefined } as unknown as JWTPayload],
    ["no time of issue", { iat: undefined } as unknown as JWTPayload],
    ["an expiry more than a minute ago", { iat: nowS - 3_000, exp: nowS - 61 }],
    ["a time of issue in the future", { iat: nowS + 61, exp: nowS + 3_000 }],
    ["a start in the future", { nbf: nowS + 61 }],
    ["a life above an hour", { exp: nowS + 3_601 }],
    ["a scope that is a list", { scope: ["admin"] }],
  ])("refuses %s", async (_, change) => {
    expect(await outcome(bearer(await mint(change)))).toBe("unauthenticated");
  });

  it("gives clocks a minute", async () => {
    expect(await outcome(bearer(await mint({ iat: nowS - 3_000, exp: nowS - 59 })))).toMatchObject({ user: "alice" });
    expect(await outcome(bearer(await mint({ iat: nowS + 59, exp: nowS + 3_000 })))).toMatchObject({ user: "alice" });
  });

  it("refuses other types, algorithms, keys and what is no token", async () => {
    expect(await outcome(bearer(await mint({}, { typ: "JWT" })))).toBe("unauthenticated");
    expect(await outcome(bearer(await mint({}, {}, stranger)))).toBe("unauthenticated");
    expect(await outcome(bearer(await mint({}, { kid: "unknown" })))).toBe("unauthenticated");
    expect(await outcome(bearer(`${unsigned("none")}.`))).toBe("unauthenticated");
    const hmac = createHmac("sha256", env.LOCAL_JWKS ?? "")
      .update(unsigned("HS256"))
      .digest("base64url");
    expect(await outcome(bearer(`${unsigned("HS256")}.${hmac}`))).toBe("unauthenticated");
    for (const text of [null, "", "Bearer", "Bearer ", "Basic YTpi", "Bearer a b", bearer("x"), bearer("a.b.c")]) {
      expect([text, await outcome(text)]).toEqual([text, "unauthenticated"]);
    }
  });

  it("stops believing a token it remembers once it has ended", async () => {
    const token = bearer(await mint({ exp: nowS + 100 }));
    expect(await outcome(token)).toMatchObject({ user: "alice" });
    expect(await outcome(token, NOW + 159_000)).toMatchObject({ user: "alice" });
    expect(await outcome(token, NOW + 161_000)).toBe("unauthenticated");
  });

  it("refuses every token where there is no issuer or no key set", async () => {
    const token = bearer(await mint());
    for (const missing of ["ISSUER", "LOCAL_JWKS"]) {
      const { [missing]: _, ...rest } = env;
      expect((await authenticate(token, rest, NOW)).ok).toBe(false);
    }
  });

  it("blames the key set, not the caller, when the keys cannot be had", async () => {
    const { LOCAL_JWKS: _, ...rest } = env;
    const result = await authenticate(bearer(await mint()), { ...rest, JWKS_URL: "http://127.0.0.1:9/jwks" }, NOW);
    expect(result).toMatchObject({ ok: false, rejection: { code: "upstream_unavailable" } });
  });
});
