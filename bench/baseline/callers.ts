import { createLocalJWKSet, jwtVerify } from "jose";
import { LOCAL_AUDIENCE, LOCAL_ISSUER } from "../../tools/issuer.ts";

export type Caller = { user: string; admin: boolean };

/** Who a token names. Rejects for one that is none. */
export type Authenticate = (token: string) => Promise<Caller>;

/** By the keys of this set. A token that was verified is remembered, as the product does. */
export const authenticator = (keySet: string): Authenticate => {
  const keys = createLocalJWKSet(JSON.parse(keySet));
  const remembered = new Map<string, Promise<Caller>>();
  return (token) => {
    const known = remembered.get(token);
    if (known !== undefined) return known;
    const verified = jwtVerify(token, keys, { issuer: LOCAL_ISSUER, audience: LOCAL_AUDIENCE, typ: "at+jwt" }).then(
      ({ payload }) => ({ user: String(payload.sub), admin: payload.scope === "admin" }),
    );
    remembered.set(token, verified);
    return verified;
  };
};
