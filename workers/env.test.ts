import { describe, expect, it } from "vitest";
import { edgeSettings } from "./env.ts";

const good = { AUDIENCE: "crowdpay", WEBHOOK_SECRET_SANDBOX: "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw" };

describe("the edge's settings", () => {
  it("need no issuer: then nobody is believed", () => {
    expect(edgeSettings(good)).toMatchObject({ AUDIENCE: "crowdpay", BUILD: { version: "0.0.0", commit: null } });
    expect(edgeSettings({ ...good, ISSUER: "", JWKS_URL: "" }).ISSUER).toBeUndefined();
  });

  it.each([
    ["WEBHOOK_SECRET_SANDBOX", "whsec_short"],
    ["LOCAL_JWKS", '{"keys":"sesame"}'],
    ["BUILD", "not-json"],
    ["JWKS_URL", "ftp://keys.test"],
    ["CROWDPAY_CLOCK", "automatic"],
  ])("name %s when it is malformed, and never its value", (name, value) => {
    const read = () => edgeSettings({ ...good, [name]: value });
    expect(read).toThrow(name);
    expect(read).not.toThrow(value);
  });
});
