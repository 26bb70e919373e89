import { createHash } from "node:crypto";

/** How many random bytes a token carries. */
export const TOKEN_BYTES = 24;

/** The token of an invitation: its pod's id, so that a path holding nothing but the token finds the pod, and the secret. */
export const invitationToken = (pod: string, secret: Uint8Array): string =>
  `${pod}~${Buffer.from(secret).toString("base64url")}`;

/** What is stored of a token: SHA-256, hex. A token has enough random bits that a plain hash gives nothing away. */
export const tokenHash = (token: string): string => createHash("sha256").update(token, "utf8").digest("hex");
