import { describe, expect, test } from "vitest";
import { Crowds, gathering } from "./gather.ts";

describe("who is alone", () => {
  test("waits for what was written to be durable, and for nothing else", async () => {
    let durable = () => undefined as unknown;
    const gather = gathering({ sync: () => new Promise<void>((resolve) => (durable = resolve)) });
    let gathered = false;
    const waiting = gather(false).then(() => {
      gathered = true;
    });
    await new Promise((resolve) => setImmediate(resolve));
    expect(gathered).toBe(false);
    durable();
    await waiting;
    expect(gathered).toBe(true);
  });

  test("is let go where it could not be written, and nothing is left rejected", async () => {
    const gather = gathering({ sync: () => Promise.reject(new Error("disk I/O error")) });
    await expect(gather(false)).resolves.toBeUndefined();
  });
});

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
