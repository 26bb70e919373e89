import { generateKeyPairSync, randomUUID } from "node:crypto";
import { join } from "node:path";
import { importJWK, type JWK, SignJWT } from "jose";
import { readOrCreate } from "./files.ts";

/** The issuer that exists only beside a server started on this machine. A name, not an address: nothing answers there. */
export const LOCAL_ISSUER = "http://127.0.0.1/local-issuer";
export const LOCAL_AUDIENCE = "crowdpay";

const KEY_ID = "local";
const LONGEST_SECONDS = 3600;
const UNIT_SECONDS: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 };

interface LocalKey {
  readonly kty: "OKP";
  readonly crv: "Ed25519";
  readonly x: string;
  readonly d: string;
}

function localKey(stateDir: string): LocalKey {
  const text = readOrCreate(join(stateDir, "issuer.json"), () =>
    JSON.stringify(generateKeyPairSync("ed25519").privateKey.export({ format: "jwk" })),
  );
  return JSON.parse(text) as LocalKey;
}

/** The public half of the local key, created when there is none, as an inline JSON Web Key Set. */
export function localKeySet(stateDir: string): string {
  const { kty, crv, x } = localKey(stateDir);
  return JSON.stringify({ keys: [{ kty, crv, x, kid: KEY_ID, alg: "EdDSA", use: "sig" }] });
}

/** Seconds in `1s`, `5m`, `1h`; undefined when malformed, zero or longer than an hour. */
export function parseTtl(text: string): number | undefined {
  const [, count, unit] = /^(\d{1,4})([smh])$/.exec(text) ?? [];
  if (count === undefined || unit === undefined) return undefined;
  const seconds = Number(count) * (UNIT_SECONDS[unit] ?? 0);
  return seconds >= 1 && seconds <= LONGEST_SECONDS ? seconds : undefined;
}

/** A user as tokens name one: 1–64 of `[A-Za-z0-9._-]`. */
export function isSubject(text: string): boolean {
  return /^[A-Za-z0-9._-]{1,64}$/.test(text);
}

export interface TokenClaims {
  readonly subject: string;
  /** `admin` for the operator; a person when absent. */
  readonly scope?: string | undefined;
  /** 1–3600 seconds; an hour when absent. */
  readonly ttlSeconds?: number | undefined;
}

/** An access token (RFC 9068) of the local issuer. Works before the first start: it makes the key when there is none. */
export async function mintToken(stateDir: string, claims: TokenClaims): Promise<string> {
  const { kty, crv, x, d } = localKey(stateDir);
  const jwk: JWK = { kty, crv, x, d };
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ client_id: "local-cli", ...(claims.scope === undefined ? {} : { scope: claims.scope }) })
    .setProtectedHeader({ alg: "EdDSA", typ: "at+jwt", kid: KEY_ID })
    .setIssuer(LOCAL_ISSUER)
    .setAudience(LOCAL_AUDIENCE)
    .setSubject(claims.subject)
    .setJti(randomUUID())
    .setIssuedAt(now)
    .setExpirationTime(now + (claims.ttlSeconds ?? LONGEST_SECONDS))
    .sign(await importJWK(jwk, "EdDSA"));
}
