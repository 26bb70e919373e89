import { describe, expect, it, vi } from "vitest";
import { LIQUIDITY_PROVIDERS } from "../../../schema/liquidity-providers.ts";
import { providersOf } from "./registry.ts";

const settings = { KEK: "", PSP_URL_SANDBOX: "", PSP_API_KEY_SANDBOX: "" };
const access = { LP_URL_SANDBOX: "https://lp.test/", LP_API_KEY_SANDBOX: "secret" };

describe("the providers of a deployment", () => {
  it("are those it named and has access to", () => {
    expect([...providersOf(["lp-wide"], { ...settings, ...access }).keys()]).toEqual(["lp-wide"]);
  });

  it.each(["LP_URL_SANDBOX", "LP_API_KEY_SANDBOX"])("are none without %s, and somebody is told", (missing) => {
    const told = vi.spyOn(console, "error").mockReturnValue(undefined);
    const found = providersOf(LIQUIDITY_PROVIDERS, { ...settings, ...access, [missing]: undefined });
    expect([...found.keys()]).toEqual([]);
    expect(told.mock.calls.join()).toContain("lp-good");
    expect(told.mock.calls.join()).not.toContain("secret");
    told.mockRestore();
  });
});
