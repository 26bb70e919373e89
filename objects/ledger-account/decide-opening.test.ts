import { expect, test } from "vitest";
import { Bench, credit, debit, opOn, said } from "./bench.fixture.ts";

const POD = "pod:pod_01JGB3Z5J00000000000000000:EUR";
const WALLET = "wallet:ana:EUR";

test.each([POD, WALLET])("%s is opened by whoever vouches for it, and once open needs nobody to", (name) => {
  const stranger = { open: false };
  expect(said(new Bench(name).apply(opOn(name, "post", "trf_1", credit(5n), stranger)))).toBe("not_found");
  const account = new Bench(name);
  expect(said(account.apply(opOn(name, "post", "trf_2", credit(5n))))).toBe("posted");
  expect(said(account.apply(opOn(name, "post", "trf_3", credit(5n), stranger)))).toBe("posted");
  expect(said(account.apply(opOn(name, "reserve", "trf_4", debit(5n), stranger)))).toBe("reserved");
});

test("no is said for good: to another body, and to what comes after a void", () => {
  const account = new Bench(WALLET);
  account.apply(opOn(WALLET, "post", "trf_1", credit(5n)));
  expect(account.apply(opOn(WALLET, "post", "trf_1", credit(5n), { body: "other" }))).toMatchObject({
    ok: false,
    final: true,
    rejection: { code: "idempotency_mismatch" },
  });
  account.apply(opOn(WALLET, "void", "trf_2", credit(5n)));
  expect(account.apply(opOn(WALLET, "reserve", "trf_2", credit(5n)))).toMatchObject({
    ok: false,
    final: true,
    rejection: { code: "conflict" },
  });
});
