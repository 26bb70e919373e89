import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { armedFaults, faultPoint, faultPoints, liveFaultFiles, liveFaults } from "./faults.ts";

test("a point strikes on the hit it was armed for, once", () => {
  const strikes = armedFaults(["charge:capture:intended", "post#2"]);
  const hits = ["post", "charge:capture:intended", "post", "charge:capture:intended", "post", "other"];
  expect(hits.map(strikes)).toEqual([false, true, true, false, false, false]);
});

test("a point armed while the server runs strikes from then on, and every hit is written down", () => {
  const stateDir = mkdtempSync(join(tmpdir(), "crowdpay-faults-"));
  try {
    const files = liveFaultFiles(stateDir);
    const strikes = liveFaults(stateDir);
    expect(["post", "conclude"].map(strikes)).toEqual([false, false]);
    writeFileSync(files.armed, "conclude, post#2");
    expect(["post", "post", "post", "conclude"].map(strikes)).toEqual([false, true, false, true]);
    rmSync(files.armed);
    expect(strikes("post")).toBe(false);
    expect(readFileSync(files.passed, "utf8")).toBe("post\nconclude\npost\npost\npost\nconclude\npost\n");
  } finally {
    rmSync(stateDir, { recursive: true, force: true });
  }
});

test("a list of points is separated by commas", () => {
  expect(faultPoints(" a, b#2,,c ")).toEqual(["a", "b#2", "c"]);
});

test("a point is named by the request's path", () => {
  expect(faultPoint("http://faults/charge:capture:intended")).toBe("charge:capture:intended");
  expect(faultPoint("http://faults/a%20b")).toBe("a b");
});
