import { expect, test } from "vitest";
import { mutantsOf, withMutant } from "./guards.ts";

const mutations = (source: string): string[] => mutantsOf(source).map((mutant) => withMutant(source, mutant));

test("a condition is dropped, negated and moved by one", () => {
  expect(mutations("if (a < 1) b();").toSorted()).toEqual(
    ["if (false) b();", "if (!(a < 1)) b();", "if (a <= 1) b();"].toSorted(),
  );
});

test("each side of a conjunction is dropped", () => {
  expect(mutations("const ok = a === 1 && b;").toSorted()).toEqual(
    ["const ok = a === 1;", "const ok = b;", "const ok = a !== 1 && b;"].toSorted(),
  );
});

test("a choice is negated, a flag turned, types and defaults are left alone", () => {
  expect(mutations("const x: 1 | 2 = a ? 1 : 2;")).toEqual(["const x: 1 | 2 = !(a) ? 1 : 2;"]);
  expect(mutations("const step = { undo: false };")).toEqual(["const step = { undo: true };"]);
  expect(mutations("const y = a ?? b;")).toEqual([]);
});
