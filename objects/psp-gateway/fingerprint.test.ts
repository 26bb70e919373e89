import { expect, test } from "vitest";
import { houseFingerprint } from "./fingerprint.ts";

test("an instrument is named by a fingerprint of the house that shows nothing of the provider's", () => {
  expect(houseFingerprint("sandbox", "fp_1")).toMatch(/^fp_[0-9a-f]{32}$/);
  expect(houseFingerprint("sandbox", "fp_1")).not.toBe(houseFingerprint("other", "fp_1"));
  expect(houseFingerprint("sandbox", "fp_1")).not.toBe(houseFingerprint("sandbox", "fp_2"));
  expect(houseFingerprint("sandbox", "fp_1")).toBe(houseFingerprint("sandbox", "fp_1"));
});
