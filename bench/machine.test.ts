import { expect, test } from "vitest";
import { processorIn } from "./machine.ts";
import { storageOf } from "./scenarios/growing.ts";

test("a process has taken what is told of itself and of the system for it, whatever it is called", () => {
  const rest = "S 1 42 42 0 -1 4194304 900 0 3 0 1234 66 7 8 20 0 9 0 5000 1000000 300";
  expect(processorIn(`42 (workerd) ${rest}`)).toBe(13_000);
  expect(processorIn(`42 (a (b) c) ${rest}`)).toBe(13_000);
  expect(processorIn("")).toBeNaN();
});

test("a charge is told what it left behind, in all and where most of it lies", () => {
  const before = new Map([["CrowdPod", 1_000]]);
  const after = new Map([
    ["CrowdPod", 3_000],
    ["LedgerAccount", 6_000],
  ]);
  expect(storageOf(before, after, 10, "charge")).toBe(
    "800 bytes stored a charge of 10 (LedgerAccount 600, CrowdPod 200)",
  );
});
