/** How long the merchant has to answer a webhook. */
const DELIVERY_TIMEOUT_MS = 3_000;
/** A request may have six connections open; the rest of a batch waits for one of them. */
const CONCURRENCY = 6;

export type Delivery = { seq: number; eventId: string; body: string; attempts: number };

/**
 * The `webhook-signature` of the Standard Webhooks scheme: `v1,` + base64 HMAC-SHA256 of `id.timestamp.body`.
 * `secret` is `whsec_` + base64 key, `timestamp` in seconds.
 */
export async function sign(secret: string, id: string, timestamp: number, body: string): Promise<string> {
  const rawKey = Uint8Array.from(atob(secret.replace(/^whsec_/, "")), (character) => character.charCodeAt(0));
  const key = await crypto.subtle.importKey("raw", rawKey, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
  const mac = await crypto.subtle.sign("HMAC", key, new TextEncoder().encode(`${id}.${timestamp}.${body}`));
  return `v1,${btoa(String.fromCharCode(...new Uint8Array(mac)))}`;
}

/** Delivers one webhook, signed as of now. True once the merchant answered 2xx; never throws for a failed delivery. */
export async function deliver(url: string, secret: string, delivery: Delivery): Promise<boolean> {
  const timestamp = Math.floor(Date.now() / 1000);
  const signature = await sign(secret, delivery.eventId, timestamp, delivery.body);
  // Not AbortSignal.timeout(): its timer would outlive an answered delivery and keep the object from being evicted.
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), DELIVERY_TIMEOUT_MS);
  try {
    const response = await fetch(url, {
      method: "POST",
      redirect: "manual",
      headers: {
        "content-type": "application/json",
        "webhook-id": delivery.eventId,
        "webhook-timestamp": String(timestamp),
        "webhook-signature": signature,
      },
      body: delivery.body,
      signal: abort.signal,
    });
    await response.body?.cancel();
    return response.ok;
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Delivers a batch, a few at a time, and pairs each delivery with whether it arrived. */
export async function deliverAll(
  url: string,
  secret: string,
  batch: readonly Delivery[],
): Promise<{ delivery: Delivery; arrived: boolean }[]> {
  const queue = [...batch];
  const results: { delivery: Delivery; arrived: boolean }[] = [];
  const drain = async () => {
    for (let delivery = queue.shift(); delivery; delivery = queue.shift()) {
      results.push({ delivery, arrived: await deliver(url, secret, delivery) });
    }
  };
  await Promise.all(Array.from({ length: CONCURRENCY }, drain));
  return results;
}
