import { describe, expect, it } from "vitest";
import { deskSettings } from "./settings.ts";

describe("the desk's settings", () => {
  it("are the shipped ones where nothing is said, and each can be set alone", () => {
    expect(deskSettings(undefined)).toMatchObject({ deadline_ms: 800, band_bps: 150, limitMinor: 100_000_000n });
    expect(deskSettings('{"deadline_ms":250,"position_limit":"10.5"}')).toMatchObject({
      deadline_ms: 250,
      ttl_ms: 60_000,
      limitMinor: 1_050n,
    });
  });

  it.each([
    "{",
    "[]",
    '{"deadline":1}',
    '{"deadline_ms":0}',
    '{"position_limit":1}',
    '{"position_limit":"-1"}',
    '{"providers":[]}',
  ])("are refused by name when they are %s", (text) =>
    expect(() => deskSettings(text)).toThrow(/^settings: CROWDPAY_FX/),
  );
});
