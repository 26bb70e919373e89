import { createHash } from "node:crypto";
import { createLocalJWKSet, createRemoteJWKSet, errors, type JWTVerifyGetKey, jwtVerify } from "jose";
import { z } from "zod";
import { USER_PATTERN } from "../../schema/ids.ts";
import { accept, type Result, reject } from "../../schema/rejections.ts";
import { type EdgeSettings, edgeSettings } from "../env.ts";
import type { Caller } from "./authorize.ts";

const LEEWAY_S = 60;
const MAX_LIFE_S = 3_600;
const MAX_TOKEN_LENGTH = 8_192;
/** A verified token is remembered no longer than this, so that a withdrawn key stops counting soon. */
const REMEMBERED_MS = 300_000;
const MAX_REMEMBERED = 2_000;

const claimsSchema = z.object({
  sub: z.string().regex(USER_PATTERN),
  client_id: z.string().regex(/^[\x21-\x7e]{1,128}$/),
  iat: z.number(),
  exp: z.number(),
  scope: z.string().default(""),
});

/** Words of ours where a user's name would stand: `me` in a path, `operator` and `system` in events. No person is called so. */
const RESERVED: ReadonlySet<string> = new Set(["me", "operator", "system"]);

type Remembered = { caller: Caller; until: number };
type Verifier = { keys: JWTVerifyGetKey; issuer: string; audience: string; remembered: Map<string, Remembered> };

const verifiers = new WeakMap<EdgeSettings, Verifier | "none">();

const keysOf = (settings: EdgeSettings): JWTVerifyGetKey | null => {
  if (settings.LOCAL_JWKS !== undefined) return createLocalJWKSet(settings.LOCAL_JWKS);
  return settings.JWKS_URL === undefined ? null : createRemoteJWKSet(new URL(settings.JWKS_URL));
};

/** Without an issuer and keys nobody can be believed: every token is refused. */
const verifierOf = (settings: EdgeSettings): Verifier | "none" => {
  const known = verifiers.get(settings);
  if (known !== undefined) return known;
  const keys = keysOf(settings);
  const verifier =
    keys === null || settings.ISSUER === undefined
      ? "none"
      : { keys, issuer: settings.ISSUER, audience: settings.AUDIENCE, remembered: new Map<string, Remembered>() };
  verifiers.set(settings, verifier);
  return verifier;
};

const unauthenticated = (detail: string, error: "invalid_token" | "invalid_request" = "invalid_token"): Result<never> =>
  reject("unauthenticated", detail, { reason: error });

/** Faults of the key set, not of the token: the caller may well be who they say. */
const isKeySetFault = (error: unknown): boolean =>
  !(error instanceof errors.JOSEError) || error instanceof errors.JWKSTimeout || error instanceof errors.JWKSInvalid;

const describe = (error: unknown): string => {
  if (error instanceof errors.JWTExpired) return "the token has expired";
  if (error instanceof errors.JWTClaimValidationFailed) return `the token's ${error.claim} is not acceptable`;
  return "the token cannot be verified";
};

const verify = async (token: string, verifier: Verifier, nowMs: number): Promise<Result<Remembered>> => {
  let payload: unknown;
  try {
    const verified = await jwtVerify(token, verifier.keys, {
      algorithms: ["EdDSA", "ES256"],
      typ: "at+jwt",
      issuer: verifier.issuer,
      audience: verifier.audience,
      clockTolerance: LEEWAY_S,
      requiredClaims: ["exp", "iat", "sub", "client_id"],
      currentDate: new Date(nowMs),
    });
    payload = verified.payload;
  } catch (error) {
    if (isKeySetFault(error)) return reject("upstream_unavailable", "the issuer's keys cannot be had now");
    return unauthenticated(describe(error));
  }
  const claims = claimsSchema.safeParse(payload);
  if (!claims.success)
    return unauthenticated(`the token's ${claims.error.issues[0]?.path.join(".")} is not acceptable`);
  const { sub, client_id, iat, exp, scope } = claims.data;
  const operator = scope.split(" ").includes("admin");
  if (RESERVED.has(sub) && !(operator && sub === "operator")) {
    return unauthenticated("the token's sub is a word that no person may be called by");
  }
  if (iat > nowMs / 1000 + LEEWAY_S) return unauthenticated("the token is from the future");
  if (exp - iat > MAX_LIFE_S) return unauthenticated("the token lives longer than an hour");
  const caller = {
    user: sub,
    clientId: client_id,
    operator,
    tokenEndsAt: exp * 1000,
  };
  return accept({ caller, until: Math.min((exp + LEEWAY_S) * 1000, nowMs + REMEMBERED_MS) });
};

/**
 * Who calls, by the bearer token of the `Authorization` header (RFC 9068). Tokens are judged by real time, never by a test
 * clock. A verified one is remembered by its hash for a while, because signatures are dear and callers come back.
 */
export const authenticate = async (
  authorization: string | null,
  env: object,
  nowMs: number,
): Promise<Result<Caller>> => {
  if (authorization === null) return reject("unauthenticated", "a bearer token is needed");
  const [, token] = /^Bearer +([A-Za-z0-9._~+/=-]+)$/i.exec(authorization) ?? [];
  if (token === undefined || token.length > MAX_TOKEN_LENGTH) {
    return unauthenticated("the Authorization header holds no bearer token", "invalid_request");
  }
  const verifier = verifierOf(edgeSettings(env));
  if (verifier === "none") return unauthenticated("this deployment has no issuer to trust");

  const hash = createHash("sha256").update(token).digest("base64");
  const known = verifier.remembered.get(hash);
  if (known !== undefined && known.until > nowMs) return accept(known.caller);

  const verified = await verify(token, verifier, nowMs);
  if (!verified.ok) return verified;
  if (verifier.remembered.size >= MAX_REMEMBERED) {
    verifier.remembered.delete(verifier.remembered.keys().next().value ?? "");
  }
  verifier.remembered.set(hash, verified.value);
  return accept(verified.value.caller);
};
