import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { readAll } from "../support/checker.ts";
import { type Api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { eur, must, operator, ulid } from "../support/story.ts";

/** A wallet's log of over five hundred events, a month later: its beginning lies in the bucket, and nobody who reads it notices. */

type Verification = {
  ok: boolean;
  checked: { actors: number; events: number };
  failures: { stream: string; seq: number; reason: string }[];
};

const WALLET = "wallet:saver:EUR";
const DEPOSITS = 770;
const AT_ONCE = 260;

let server: Server;
let admin: Api;

const deposit = async (): Promise<void> => {
  const order = {
    id: `trf_${ulid()}`,
    legs: [
      { account: "bank:sandbox:EUR", direction: "debit", amount: eur("1.00") },
      { account: WALLET, direction: "credit", amount: eur("1.00") },
    ],
  };
  must(await admin.post("/v1/ledger/transfers", order, { headers: { prefer: "wait=30" } }), 201);
};
const verifyAll = async (): Promise<Verification> => must(await admin.post<Verification>("/v1/ledger/verify", {}), 200);
const account = async () =>
  must(await admin.get<{ available: string; head_hash: string; seq: number }>(`/v1/ledger/accounts/${WALLET}`), 200);
const blobs = (): string[] => {
  const folder = join(server.stateDir, "data/r2");
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.parentPath.endsWith("blobs"))
    .map((entry) => join(entry.parentPath, entry.name));
};

beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  admin = await operator(server);
  for (let done = 0; done < DEPOSITS; done += AT_ONCE) {
    await Promise.all(Array.from({ length: Math.min(AT_ONCE, DEPOSITS - done) }, deposit));
  }
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe("a month later", () => {
  test("the oldest events lie in the bucket; balance, entries and verification are what they were", async () => {
    const before = await account();
    expect(before).toMatchObject({ available: `${DEPOSITS}.00`, seq: DEPOSITS + 1 });
    const booked = () => readAll<{ seq: number }>(admin, `/v1/ledger/accounts/${WALLET}/entries`);
    const entries = await poll(booked, ({ length }) => length === DEPOSITS);
    const verified = await verifyAll();
    expect(blobs()).toEqual([]);
    must(await admin.post("/v1/test/clock", { advance: "P1M" }), 200);
    await poll(
      async () => blobs().length,
      (count) => count === 1,
    );
    expect(await account()).toEqual(before);
    expect(await booked()).toEqual(entries);
    const again = await verifyAll();
    expect(again).toMatchObject({ ok: true, failures: [] });
    expect(again.checked.events).toBeGreaterThanOrEqual(verified.checked.events);
  });

  test("a byte flipped in the bucket while the server is stopped is named by its stream and seq", async () => {
    await server.stop();
    const [blob = ""] = blobs();
    const lines = readFileSync(blob, "utf8").split("\n");
    expect(lines).toHaveLength(501);
    lines[122] = (lines[122] ?? "").replace('"amount":"1.00"', '"amount":"9.00"');
    writeFileSync(blob, lines.join("\n"));
    server = await startServer({ stateDir: server.stateDir });
    admin = await operator(server);
    expect((await verifyAll()).failures).toEqual([
      { stream: `account/${WALLET}`, seq: 123, reason: "sealed: hash does not follow" },
    ]);
  });
});
