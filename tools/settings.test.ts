import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { faultSetting, localSecrets, portSetting, ROOT, rateSetting, stateDirectory } from "./settings.ts";

const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-settings-"));
afterAll(() => rmSync(stateDir, { recursive: true, force: true }));

test("secrets are made once, for their owner's eyes, and stay what they are", () => {
  const first = localSecrets(stateDir);
  expect(Buffer.from(first.KEK ?? "", "base64")).toHaveLength(32);
  expect(first.WEBHOOK_SECRET_SANDBOX).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
  expect(first.PSP_API_KEY_SANDBOX).toMatch(/^psk_/);
  expect(statSync(join(stateDir, "secrets.json")).mode & 0o777).toBe(0o600);
  expect(localSecrets(stateDir)).toEqual(first);
});

test("a secret that a later version adds joins the old ones", () => {
  const path = join(stateDir, "secrets.json");
  const { KEK } = localSecrets(stateDir);
  writeFileSync(path, JSON.stringify({ KEK }));
  expect(localSecrets(stateDir)).toMatchObject({ KEK, PSP_API_KEY_SANDBOX: expect.any(String) });
  expect(JSON.parse(readFileSync(path, "utf8")).KEK).toBe(KEK);
});

test("the state directory is the one named, the checkout's own by default", () => {
  expect(stateDirectory({})).toBe(join(ROOT, ".crowdpay"));
  expect(stateDirectory({ CROWDPAY_STATE: "here" })).toBe(join(ROOT, "here"));
  expect(stateDirectory({ CROWDPAY_STATE: stateDir })).toBe(stateDir);
});

test("a port, a rate and fault points are read strictly", () => {
  expect([undefined, "", "0", "8787", "65535"].map((PORT) => portSetting({ PORT }, "PORT"))).toEqual([
    undefined,
    undefined,
    0,
    8787,
    65535,
  ]);
  for (const PORT of ["65536", "x", "-1", "80.5"]) expect(() => portSetting({ PORT }, "PORT")).toThrow(/PORT/);
  expect([rateSetting({}), rateSetting({ CROWDPAY_RATE: "600" })]).toEqual([0, 600]);
  expect(() => rateSetting({ CROWDPAY_RATE: "many" })).toThrow(/CROWDPAY_RATE/);
  expect(faultSetting({}, stateDir)).toBeUndefined();
  const strikes = faultSetting({ CROWDPAY_FAULTS: "a:b, c#2," }, stateDir);
  expect(["c", "a:b", "c"].map((point) => strikes?.(point))).toEqual([false, true, true]);
});
