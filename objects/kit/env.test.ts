import { describe, expect, it } from "vitest";
import { settingsOf } from "./env.ts";

const BEFORE_THE_DESK = {
  KEK: Buffer.alloc(32).toString("base64"),
  PSP_URL_SANDBOX: "https://psp.test/",
  PSP_API_KEY_SANDBOX: "secret",
};

describe("the settings of objects", () => {
  it("are whole without a liquidity provider: who does not exchange must not be stopped by that", () => {
    expect(settingsOf({ ...BEFORE_THE_DESK })).toMatchObject(BEFORE_THE_DESK);
  });

  it("name what is missing, and never a value", () => {
    const { KEK: _, ...rest } = BEFORE_THE_DESK;
    expect(() => settingsOf(rest)).toThrow(/^settings: KEK /);
    expect(() => settingsOf({ ...BEFORE_THE_DESK, LP_URL_SANDBOX: "se cret" })).toThrow(
      /^settings: LP_URL_SANDBOX (?!.*se cret)/,
    );
  });
});
