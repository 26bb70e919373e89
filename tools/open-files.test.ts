import { expect, test } from "vitest";
import { mostAwake } from "./open-files.ts";

test("actors that may be awake are as many as three fifths of the open files allow", () => {
  const of = (soft?: number | string) => mostAwake({ userLimits: { open_files: soft === undefined ? {} : { soft } } });
  expect([of(20_000), of(1_048_576), of(4)]).toEqual([4_000, 209_715, 1]);
  expect([of("unlimited"), of(), mostAwake({})]).toEqual([null, null, null]);
  expect(mostAwake()).not.toBe(0);
});
