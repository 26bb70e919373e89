import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { routeTransfer } from "../../schema/ids.ts";
import type { Api } from "../support/client.ts";
import {
  accountPath,
  credit,
  debit,
  deposit,
  gift,
  newTransfer,
  type Posted,
  type Problem,
  post,
} from "../support/ledger.ts";
import { type Server, startServer } from "../support/server.ts";
import { charge, must, openPod, operator } from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer();
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

const has = async (user: string): Promise<string> =>
  must(await admin.get<{ available: string }>(accountPath(`wallet:${user}:EUR`)), 200).available;
const read = async (id: string): Promise<Posted> => must(await admin.get<Posted>(`/v1/ledger/transfers/${id}`), 200);
const reverse = (reverses: string, id = newTransfer()) => post(admin, { id, reverses });
const posted = async (order: { id: string }): Promise<string> => must(await post(admin, order), 201).id;
/** A new id whose own shard is not the one of `other`. */
const elsewhere = (other: string): string => {
  for (;;) {
    const id = newTransfer();
    if (routeTransfer(id) !== routeTransfer(other)) return id;
  }
};

describe("a reversal", () => {
  test("gives every cent back, and both transfers name each other", async () => {
    await posted(deposit("anna", "50.00"));
    const original = await posted(gift("anna", "bert", "20.00"));
    const reversal = must(await reverse(original), 201);
    expect([await has("anna"), await has("bert")]).toEqual(["50.00", "0.00"]);
    expect(reversal).toMatchObject({
      reverses: original,
      legs: [credit("wallet:anna:EUR", "20.00"), debit("wallet:bert:EUR", "20.00")],
    });
    expect(await read(original)).toMatchObject({ id: original, status: "posted", reversed_by: reversal.id });
    expect(await read(reversal.id)).toEqual(reversal);
  });

  test("is found by its own id from whichever shard that belongs to, and moves money once", async () => {
    await posted(deposit("carl", "10.00"));
    const original = await posted(gift("carl", "dora", "10.00"));
    const id = elsewhere(original);
    const first = must(await reverse(original, id), 201);
    const again = await reverse(original, id);
    expect([again.status, again.headers.get("idempotency-replayed"), again.body]).toEqual([201, "true", first]);
    expect(await has("carl")).toBe("10.00");
  });

  test("happens at most once: of ten at the same time one is posted", async () => {
    await posted(deposit("emil", "30.00"));
    const original = await posted(gift("emil", "fee", "30.00"));
    const answers = await Promise.all(Array.from({ length: 10 }, () => reverse(original)));
    expect(answers.map(({ status }) => status).sort()).toEqual([201, ...Array(9).fill(409)]);
    expect([await has("emil"), await has("fee")]).toEqual(["30.00", "0.00"]);
    expect((await reverse(original)).body.code).toBe("conflict");
  });

  test("is refused when the money has been spent, and leaves the original free to be reversed later", async () => {
    await posted(deposit("gert", "40.00"));
    const original = await posted(gift("gert", "hana", "40.00"));
    await posted(gift("hana", "ivan", "1.00"));
    const id = newTransfer();
    const refused = await reverse(original, id);
    expect([refused.status, refused.body.code, refused.body.available]).toEqual([
      422,
      "insufficient_funds",
      { amount: "39.00", currency: "EUR" },
    ]);
    expect((await read(original)).reversed_by).toBeUndefined();
    await posted(deposit("hana", "1.00"));
    const later = must(await reverse(original), 201);
    expect([await has("gert"), (await read(original)).reversed_by]).toEqual(["40.00", later.id]);
    expect((await reverse(original, id)).body).toMatchObject({ code: "insufficient_funds" });
  });

  test("does not make its id another transfer's, nor take one that is", async () => {
    await posted(deposit("jana", "10.00"));
    const [one, two] = [await posted(gift("jana", "karl", "1.00")), await posted(gift("jana", "karl", "2.00"))];
    const id = must(await reverse(one), 201).id;
    const others = [
      await reverse(two, id),
      await post(admin, { ...gift("jana", "karl", "3.00"), id }),
      await reverse(two, one),
    ];
    expect(others.map(({ status, body }) => [status, body.code, body.field])).toEqual([
      [422, "idempotency_mismatch", "/reverses"],
      [422, "idempotency_mismatch", "/legs"],
      [422, "idempotency_mismatch", "/legs"],
    ]);
    expect(await has("jana")).toBe("8.00");
  });

  test("is not reversed itself, nor is a transfer that never was posted", async () => {
    await posted(deposit("lena", "5.00"));
    const reversal = must(await reverse(await posted(gift("lena", "marc", "5.00"))), 201).id;
    const refused = gift("marc", "lena", "999.00");
    expect((await post(admin, refused)).body.code).toBe("insufficient_funds");
    for (const id of [reversal, refused.id]) {
      const answer = await reverse(id);
      expect([answer.status, answer.body.code]).toEqual([409, "conflict"]);
    }
    expect((await admin.get<Problem>(`/v1/ledger/transfers/${refused.id}`)).status).toBe(404);
  });

  test("is not how a charge is given back", async () => {
    const pod = await openPod(server);
    must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key: "paid" }), 201);
    const { entries } = must(
      await pod.owner.get<{ entries: { transfer: string }[] }>(`/v1/pods/${pod.id}/statement?currency=EUR`),
      200,
    );
    const answer = await reverse(entries[0]?.transfer ?? "");
    expect([answer.status, answer.body.code]).toEqual([409, "conflict"]);
  });
});
