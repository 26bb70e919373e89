import { describe, expect, test } from "vitest";
import { Crowds } from "./gather.ts";

describe("crowds", () => {
  test("are remembered until one is met by nobody else", () => {
    const crowds = new Crowds();
    crowds.note("account:fees", true);
    crowds.note("account:wallet", false);
    expect([crowds.has("account:fees"), crowds.has("account:wallet")]).toEqual([true, false]);
    crowds.note("account:fees", false);
    expect(crowds.has("account:fees")).toBe(false);
  });

  test("are forgotten rather than gathered without end", () => {
    const crowds = new Crowds();
    const names = Array.from({ length: 257 }, (_, index) => `pod:${index}`);
    for (const name of names) crowds.note(name, true);
    expect(names.filter((name) => crowds.has(name))).toEqual(["pod:256"]);
  });
});
