import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { ROOT } from "../settings.ts";
import { PLANTED } from "./planted.ts";
import { rewrite } from "./rewrite.ts";

const source = (file: string): string => readFileSync(join(ROOT, file), "utf8");

test.each(PLANTED.map((bug) => [bug.name, bug] as const))(
  "the code that %s changes still stands",
  (_, { edits, check }) => {
    for (const file of new Set(edits.map((edit) => edit.file))) {
      const before = source(file);
      const own = edits.filter((edit) => edit.file === file);
      expect(rewrite(before, own)).not.toBe(before);
    }
    expect(source(check.file)).toContain(check.test);
  },
);

test("a bug whose code has moved on is told, and so is one that could be planted in two places", () => {
  const edit = { file: "a.ts", find: "one", replace: "two" };
  expect(() => rewrite("nothing", [edit])).toThrow("a.ts: found 0 times, not once: one");
  expect(() => rewrite("one and one", [edit])).toThrow("found 2 times");
  expect(rewrite("just one", [edit])).toBe("just two");
});

test("no two planted bugs share a name", () => {
  expect(new Set(PLANTED.map(({ name }) => name)).size).toBe(PLANTED.length);
});
