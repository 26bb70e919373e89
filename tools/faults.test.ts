import { expect, test } from "vitest";
import { armedFaults, faultPoint } from "./faults.ts";

test("a point strikes on the hit it was armed for, once", () => {
  const strikes = armedFaults(["charge:capture:intended", "post#2"]);
  const hits = ["post", "charge:capture:intended", "post", "charge:capture:intended", "post", "other"];
  expect(hits.map(strikes)).toEqual([false, true, true, false, false, false]);
});

test("a point is named by the request's path", () => {
  expect(faultPoint("http://faults/charge:capture:intended")).toBe("charge:capture:intended");
  expect(faultPoint("http://faults/a%20b")).toBe("a b");
});
