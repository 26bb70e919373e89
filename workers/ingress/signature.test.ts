import { describe, expect, it } from "vitest";
import { verifyWebhook } from "./signature.ts";

// The vector of the Standard Webhooks specification.
const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const BODY = new TextEncoder().encode('{"test": 2432232314}');
const AT_MS = 1_614_265_330_000;
const vector = {
  "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
  "webhook-timestamp": "1614265330",
  "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
};

const verdict = (headers: Partial<typeof vector>, nowMs = AT_MS, body = BODY) =>
  verifyWebhook(new Headers({ ...vector, ...headers }), body, SECRET, nowMs);

describe("webhook signatures", () => {
  it("believes the vector of the specification", async () => {
    expect(await verdict({})).toEqual({ ok: true, id: "msg_p5jXN8AQM9LWM0D4loKWxJek" });
  });

  it("believes one good signature among others", async () => {
    const list = `v1a,AAAA v1,AAAA ${vector["webhook-signature"]}`;
    expect((await verdict({ "webhook-signature": list })).ok).toBe(true);
  });

  it.each([
    ["another body", {}, AT_MS, new TextEncoder().encode('{"test": 2432232315}')],
    ["another id", { "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJeK" }, AT_MS, BODY],
    ["another timestamp", { "webhook-timestamp": "1614265331" }, AT_MS, BODY],
    ["a timestamp five minutes old", {}, AT_MS + 301_000, BODY],
    ["a timestamp five minutes ahead", {}, AT_MS - 301_000, BODY],
    ["a timestamp that is no number", { "webhook-timestamp": "1614265330.5" }, AT_MS, BODY],
    ["an id with a dot", { "webhook-id": "msg.1" }, AT_MS, BODY],
    ["no signature", { "webhook-signature": "" }, AT_MS, BODY],
    ["a signature that is not base64", { "webhook-signature": "v1,???" }, AT_MS, BODY],
    [
      "a scheme of another name",
      { "webhook-signature": "v2,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=" },
      AT_MS,
      BODY,
    ],
  ])("does not believe %s", async (_, headers, nowMs, body) => {
    expect((await verdict(headers, nowMs, body)).ok).toBe(false);
  });

  it("goes on until the edge of its tolerance", async () => {
    expect((await verdict({}, AT_MS + 300_000)).ok).toBe(true);
    expect((await verdict({}, AT_MS - 300_000)).ok).toBe(true);
  });
});
