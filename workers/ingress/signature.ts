/** A signature is believed for this long before and after its timestamp. */
const TOLERANCE_S = 300;
const MAX_SIGNATURES = 8;

const fromBase64 = (text: string): Uint8Array<ArrayBuffer> | null => {
  if (!/^[A-Za-z0-9+/]*={0,2}$/.test(text) || text.length % 4 !== 0) return null;
  return Uint8Array.from(Buffer.from(text, "base64"));
};

const keys = new Map<string, Promise<CryptoKey>>();

/** The HMAC key of a `whsec_…` secret. Throws for a secret that is not base64: settings were checked before. */
const keyOf = (secret: string): Promise<CryptoKey> => {
  const known = keys.get(secret);
  if (known !== undefined) return known;
  const bytes = fromBase64(secret.replace(/^whsec_/, ""));
  if (bytes === null) throw new Error("a webhook secret is not base64");
  const key = crypto.subtle.importKey("raw", bytes, { name: "HMAC", hash: "SHA-256" }, false, ["verify"]);
  keys.set(secret, key);
  return key;
};

export type Verdict = { ok: true; id: string } | { ok: false; reason: string };

/**
 * Verifies a webhook by the Standard Webhooks scheme, over the bytes as they came: HMAC-SHA256 of `id.timestamp.body`, one of
 * the `v1` signatures of the header, compared in constant time. Signatures of other schemes are passed over.
 */
export const verifyWebhook = async (
  headers: Headers,
  body: Uint8Array,
  secret: string,
  nowMs: number,
): Promise<Verdict> => {
  const id = headers.get("webhook-id") ?? "";
  const timestamp = headers.get("webhook-timestamp") ?? "";
  const signatures = headers.get("webhook-signature") ?? "";
  if (!/^[\x21-\x2d\x2f-\x7e]{1,128}$/.test(id)) return { ok: false, reason: "webhook-id is missing or malformed" };
  if (!/^\d{1,12}$/.test(timestamp)) return { ok: false, reason: "webhook-timestamp is missing or malformed" };
  if (Math.abs(nowMs / 1000 - Number(timestamp)) > TOLERANCE_S) {
    return { ok: false, reason: "webhook-timestamp is too far from now" };
  }
  const signed = Buffer.concat([Buffer.from(`${id}.${timestamp}.`, "utf8"), body]);
  const key = await keyOf(secret);
  for (const signature of signatures.split(" ").slice(0, MAX_SIGNATURES)) {
    if (!signature.startsWith("v1,")) continue;
    const mac = fromBase64(signature.slice(3));
    if (mac !== null && (await crypto.subtle.verify("HMAC", key, mac, signed))) return { ok: true, id };
  }
  return { ok: false, reason: "no signature of ours" };
};
