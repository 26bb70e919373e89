import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { generateKeyPair, importJWK, type JWK, type JWTPayload, SignJWT } from "jose";
import { LOCAL_AUDIENCE, LOCAL_ISSUER } from "../../tools/issuer.ts";
import type { TokenFault } from "../http/refusals.table.ts";

const HOUR = 3_600;

const encode = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A token for each way of being wrong; all but two are signed with the very key the server believes. */
export const forgedTokens = async (stateDir: string): Promise<Record<TokenFault, string>> => {
  const jwk = JSON.parse(readFileSync(join(stateDir, "issuer.json"), "utf8")) as JWK;
  const now = Math.floor(Date.now() / 1000);
  const good: JWTPayload = {
    iss: LOCAL_ISSUER,
    aud: LOCAL_AUDIENCE,
    sub: "alice",
    client_id: "test",
    iat: now,
    exp: now + HOUR,
  };
  const ours = await importJWK(jwk, "EdDSA");
  const sign = (claims: JWTPayload, typ = "at+jwt", key: Parameters<SignJWT["sign"]>[0] = ours) =>
    new SignJWT({ ...good, ...claims }).setProtectedHeader({ alg: "EdDSA", typ, kid: "local" }).sign(key);
  const unsigned = (alg: string) => `${encode({ alg, typ: "at+jwt", kid: "local" })}.${encode(good)}`;
  const publicKey = Buffer.from(jwk.x ?? "", "base64url");
  const hmac = createHmac("sha256", publicKey).update(unsigned("HS256")).digest("base64url");
  return {
    expired: await sign({ iat: now - HOUR, exp: now - 120 }),
    "alg none": `${unsigned("none")}.`,
    "HS256 with the public key": `${unsigned("HS256")}.${hmac}`,
    "another key": await sign({}, "at+jwt", (await generateKeyPair("EdDSA")).privateKey),
    "another issuer": await sign({ iss: "https://elsewhere.test" }),
    "another audience": await sign({ aud: "elsewhere" }),
    "another type": await sign({}, "JWT"),
    "an e-mail address": await sign({ sub: "alice@example.com" }),
    "a life of two hours": await sign({ exp: now + 2 * HOUR }),
    "not yet issued": await sign({ iat: now + 600, exp: now + HOUR }),
    "no client": await sign({ client_id: undefined }),
  };
};
