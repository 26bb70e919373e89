import { execFile } from "node:child_process";
import { copyFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type StoredEvent, type StoredRow, unpackRow } from "../../objects/kit/log-rows.ts";
import { fold } from "../../objects/ledger-account/state.ts";
import type { EventBody } from "../../schema/events.ts";
import { ROOT } from "../../tools/settings.ts";
import { type Answer, type Api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Charge, charge, eur, fundWallet, must, type OpenPod, openPod, operator, ulid } from "../support/story.ts";

/**
 * Somebody with the disk in his hands. The server is stopped, stored events are changed with SQLite, and the server must say which,
 * write nothing to those accounts, carry on with all others, and lose nothing once the files are as they were.
 */

type Problem = { code: string; detail: string };
type Failure = { stream: string; seq: number; reason: string };
type Verification = { id: string; ok: boolean; checked: { actors: number; events: number }; failures: Failure[] };
type Trial = { balanced: boolean; cut: { accounts: Record<string, { seq: number; hash: string }> } };

/** Lays a log out anew, an event a row, as somebody who knows how it is kept could. What commits said of their ends stays where it was. */
const rewrite = (db: DatabaseSync, change: (events: StoredEvent[]) => StoredEvent[]): StoredEvent[] => {
  const rows = db.prepare("SELECT seq, body, hash, summary FROM events ORDER BY seq").all() as unknown as (StoredRow & {
    summary: string | null;
  })[];
  const summaries = new Map(rows.map(({ seq, summary }) => [seq, summary]));
  const events = change(rows.flatMap(unpackRow));
  db.exec("DELETE FROM events");
  const insert = db.prepare("INSERT INTO events (seq, body, hash, summary) VALUES (?, ?, ?, ?)");
  for (const { seq, body, hash } of events) insert.run(seq, body, hash, summaries.get(seq) ?? null);
  return events;
};

const flipByte = (db: DatabaseSync, seq: number): void => {
  rewrite(db, (events) =>
    events.map((event) => {
      if (event.seq !== seq) return event;
      const at = event.body.indexOf('"amount":"') + '"amount":"'.length;
      const flipped = String.fromCharCode(event.body.charCodeAt(at) ^ 1);
      return { ...event, body: event.body.slice(0, at) + flipped + event.body.slice(at + 1) };
    }),
  );
};

const relayedUpto = (file: string): number => {
  const db = new DatabaseSync(file, { readOnly: true });
  try {
    return (db.prepare("SELECT max(seq) AS seq FROM relayed").get() as { seq: number | null }).seq ?? 0;
  } finally {
    db.close();
  }
};

/** Cuts the tail off and makes the account's own word on where it ends fit: by itself such a file is without fault. */
const truncateWithState = (db: DatabaseSync, upto: number): void => {
  const events = rewrite(db, (all) => all.filter(({ seq }) => seq <= upto));
  const state = events.map(({ body }) => JSON.parse(body) as EventBody).reduce(fold.evolve, fold.initial);
  db.prepare("UPDATE events SET summary = ? WHERE seq = ?").run(fold.summary(state), upto);
  db.exec("DELETE FROM relayed");
};

/** What is done to each wallet's five events, and the first that does not fit. */
const TAMPERINGS: readonly {
  user: string;
  what: string;
  seq: number;
  reason: RegExp;
  tamper: (db: DatabaseSync) => unknown;
}[] = [
  {
    user: "flipped",
    what: "a flipped byte",
    seq: 3,
    reason: /hash does not follow/,
    tamper: (db) => flipByte(db, 3),
  },
  {
    user: "deleted",
    what: "a deleted event",
    seq: 2,
    reason: /missing event/,
    tamper: (db) => rewrite(db, (events) => events.filter(({ seq }) => seq !== 2)),
  },
  {
    user: "swapped",
    what: "two events swapped",
    seq: 3,
    reason: /hash does not follow/,
    tamper: (db) =>
      rewrite(db, (events) =>
        events.map((event) => (event.seq === 3 || event.seq === 4 ? { ...event, seq: 7 - event.seq } : event)),
      ),
  },
  {
    user: "inserted",
    what: "an inserted event",
    seq: 4,
    reason: /hash does not follow/,
    tamper: (db) =>
      rewrite(db, (events) => {
        const later = events.slice(3).map((event) => ({ ...event, seq: event.seq + 1 }));
        return [...events.slice(0, 3), ...events.slice(2, 3).map((event) => ({ ...event, seq: 4 })), ...later];
      }),
  },
  {
    user: "truncated",
    what: "a truncated tail",
    seq: 4,
    reason: /cut short: .+ has seen seq 5/,
    tamper: (db) => rewrite(db, (events) => events.filter(({ seq }) => seq <= 3)),
  },
  {
    user: "forgotten",
    what: "a truncated tail that the account's own state denies",
    seq: 4,
    reason: /cut short: .+ has seen seq 5/,
    tamper: (db) => truncateWithState(db, 3),
  },
];
/** One more deposit for each wallet; asked for again, it is the same one. */
const orders = new Map(TAMPERINGS.map(({ user }) => [user, `trf_${ulid()}`]));
const orderOf = (user: string) => ({
  id: orders.get(user),
  legs: [
    { account: "bank:sandbox:EUR", direction: "debit", amount: eur("5.00") },
    { account: walletOf(user), direction: "credit", amount: eur("5.00") },
  ],
});
const walletOf = (user: string): string => `wallet:${user}:EUR`;

let server: Server;
let admin: Api;
let whole: OpenPod;
let broken: OpenPod;
let verified: Verification;
/** A file as it was before it was changed, and its copy. */
const originals: { file: string; copy: string }[] = [];

/** `npm run where`, as a person would call it. */
const where = async (name: string): Promise<string> => {
  const script = [join(ROOT, "tools/where.ts"), name];
  const env = { ...process.env, CROWDPAY_STATE: server.stateDir };
  const { stdout } = await promisify(execFile)(join(ROOT, "node_modules/.bin/node"), script, { env });
  return stdout;
};

const restart = async (): Promise<void> => {
  server = await startServer({ stateDir: server.stateDir });
  admin = await operator(server);
};

/** Then the file alone is the whole database, and can be copied. */
const foldWriteAheadLog = (file: string): void => {
  const db = new DatabaseSync(file);
  db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  db.close();
};

const change = async (account: string, tamper: (db: DatabaseSync) => unknown): Promise<void> => {
  const file = (await where(account)).trimEnd();
  foldWriteAheadLog(file);
  copyFileSync(file, `${file}.original`);
  originals.push({ file, copy: `${file}.original` });
  const db = new DatabaseSync(file);
  tamper(db);
  db.close();
};

const verifyAll = async (): Promise<Verification> => must(await admin.post<Verification>("/v1/ledger/verify", {}), 200);

const pay = (pod: OpenPod, key: string, wait: number): Promise<Answer<Charge>> =>
  charge(pod.owner, pod, { amount: "20.00", from: "tok_ok", key, wait });

beforeAll(async () => {
  server = await startServer();
  admin = await operator(server);
  [whole, broken] = await Promise.all([openPod(server, { owner: "ann" }), openPod(server, { owner: "ben" })]);
  for (const pod of [whole, broken]) must(await pay(pod, "before", 20), 201);
  for (let round = 0; round < 4; round++) {
    await Promise.all(TAMPERINGS.map(({ user }) => fundWallet(admin, user, "5.00")));
  }
  const { balanced, cut } = must(await admin.get<Trial>("/v1/ledger/trial-balance?wait=fresh"), 200);
  expect(balanced).toBe(true);
  expect(TAMPERINGS.map(({ user }) => cut.accounts[walletOf(user)]?.seq)).toEqual(TAMPERINGS.map(() => 5));
  expect((await verifyAll()).failures).toEqual([]);
  // An account notes how far it has sent eight seconds after it was touched: from then on its own file knows of a missing tail.
  const file = (await where(walletOf("truncated"))).trimEnd();
  await poll(
    async () => relayedUpto(file),
    (seq) => seq === 5,
  );
  await server.stop();

  for (const { user, tamper } of TAMPERINGS) await change(walletOf(user), tamper);
  await change(`pod:${broken.id}:EUR`, (db) => flipByte(db, 2));
  await restart();
  verified = await verifyAll();
});
afterAll(() => server?.[Symbol.asyncDispose]());

describe("after the server was stopped and stored events were changed", () => {
  const failureOf = (stream: string) => verified.failures.filter((failure) => failure.stream === stream);

  test.each(TAMPERINGS)("verification names $what by its stream and its seq", ({ user, seq, reason }) => {
    expect(failureOf(`account/${walletOf(user)}`)).toEqual([
      { stream: `account/${walletOf(user)}`, seq, reason: expect.stringMatching(reason) },
    ]);
  });

  test("verification names nothing else", () => {
    const streams = [...TAMPERINGS.map(({ user }) => walletOf(user)), `pod:${broken.id}:EUR`];
    expect(verified.ok).toBe(false);
    expect(verified.failures.map(({ stream }) => stream).sort()).toEqual(
      streams.map((name) => `account/${name}`).sort(),
    );
    expect(failureOf(`account/pod:${broken.id}:EUR`)).toMatchObject([{ seq: 2 }]);
  });

  // The one whose own file denies the missing tail cannot know; whoever verifies does.
  test.each(TAMPERINGS.slice(0, -1))("a write to an account with $what is refused", async ({ user, seq }) => {
    const refused = await admin.post<Problem>("/v1/ledger/transfers", orderOf(user));
    expect(refused).toMatchObject({ status: 503, body: { code: "upstream_unavailable" } });
    expect(refused.body.detail).toContain(`account/${walletOf(user)} fails verification at seq ${seq}`);
  });

  test("a balance that cannot be vouched for is not shown", async () => {
    const refused = await admin.get<Problem>(`/v1/ledger/accounts/${walletOf("flipped")}`);
    expect(refused).toMatchObject({ status: 503, body: { code: "upstream_unavailable" } });
  });

  test("the trial balance says which account it cannot be had from", async () => {
    const refused = await admin.get<Problem>("/v1/ledger/trial-balance?wait=fresh");
    expect(refused).toMatchObject({ status: 503, body: { code: "upstream_unavailable" } });
    expect(refused.body.detail).toMatch(/^the log of account\/\S+ fails verification at seq \d+$/);
  });

  test("a charge into the broken pod is refused, into another it succeeds, and with the files as they were nothing is lost", async () => {
    const refused = (await pay(broken, "meanwhile", 20)) as Answer<unknown>;
    expect(refused).toMatchObject({ status: 503, body: { code: "upstream_unavailable" } });
    expect(refused.body).toMatchObject({ detail: expect.stringContaining(`account/pod:${broken.id}:EUR fails`) });
    expect(must(await pay(whole, "meanwhile", 20), 201).status).toBe("succeeded");

    await server.stop();
    for (const { file, copy } of originals) {
      foldWriteAheadLog(file);
      copyFileSync(copy, file);
    }
    await restart();
    // What was under way goes on by itself, and the same commands tell what became of it.
    const ended = await poll(
      () => pay(broken, "meanwhile", 20),
      ({ status }) => status === 201,
      60_000,
    );
    expect(ended.body).toMatchObject({ status: "succeeded", settled: eur("19.70") });
    for (const { user } of TAMPERINGS.slice(0, -1)) {
      await poll(
        () => admin.post("/v1/ledger/transfers", orderOf(user)),
        ({ status }) => status === 201,
        60_000,
      );
      const account = must(await admin.get<{ available: string }>(`/v1/ledger/accounts/${walletOf(user)}`), 200);
      expect(account.available).toBe("25.00");
    }
    expect(await verifyAll()).toMatchObject({ ok: true, failures: [] });
    expect(must(await admin.get<Trial>("/v1/ledger/trial-balance?wait=fresh"), 200).balanced).toBe(true);
  });
});

describe("where an actor keeps its log", () => {
  test("is one line and nothing else, whether the server runs or not", async () => {
    const file = await where(walletOf("flipped"));
    expect(file).toBe(`${originals[0]?.file}\n`);
    expect(await where(`account/${walletOf("flipped")}`)).toBe(file);
  });

  test("is an error in one line for an actor that was never written to", async () => {
    const refused = await where("wallet:nobody:EUR").catch(
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
    expect(refused).toMatchObject({ code: 1, stdout: "" });
    expect((refused as { stderr: string }).stderr).toMatch(/^where: wallet:nobody:EUR has no file in .*\n$/);
  });
});
