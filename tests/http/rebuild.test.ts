import { type ChildProcess, spawn } from "node:child_process";
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { liveFaultFiles } from "../../tools/faults.ts";
import { ROOT } from "../../tools/settings.ts";
import { readAll } from "../support/checker.ts";
import { type Api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { type Charge, charge, must, type OpenPod, openPod, operator } from "../support/story.ts";

type Ended = { code: number | null; out: string; err: string };

/** `npm run rebuild` on a state directory. */
const rebuild = (stateDir: string): Promise<Ended> => {
  const child: ChildProcess = spawn("npm", ["run", "-s", "rebuild"], {
    cwd: ROOT,
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, CROWDPAY_STATE: stateDir },
  });
  let [out, err] = ["", ""];
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => (out += chunk));
  child.stderr?.setEncoding("utf8").on("data", (chunk: string) => (err += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve({ code, out, err }));
  });
};

const RIGHT = /^rebuilt [1-9]\d* rows in 5 tables, 0 differ\n$/;

/** The read model's file, while no server has it. */
const readModel = <T>(stateDir: string, work: (database: DatabaseSync) => T): T => {
  const files = readdirSync(join(stateDir, "data"), { recursive: true, encoding: "utf8" });
  for (const file of files.filter((name) => name.endsWith(".sqlite"))) {
    const database = new DatabaseSync(join(stateDir, "data", file));
    try {
      const found = database.prepare("SELECT 1 FROM sqlite_master WHERE name = 'checkpoints_next'").get();
      if (found !== undefined) return work(database);
    } finally {
      database.close();
    }
  }
  throw new Error("no read model in this state directory");
};

const TABLES = ["checkpoints", "members", "charges", "entries", "sagas"];
const dropReadModel = (stateDir: string) =>
  readModel(stateDir, (database) => {
    for (const table of [...TABLES, "read_model", "rebuilds"]) database.exec(`DELETE FROM ${table}`);
  });

const pay = async (pod: OpenPod, key: string): Promise<Charge> =>
  must(await charge(pod.owner, pod, { amount: "10.00", from: "tok_ok", key, wait: 30 }), 201);

type Listed = { id: string; seq: number };
/** Everything a member reads of a pod from lists. */
const listsOf = async (pod: OpenPod) => ({
  pods: await readAll<Listed>(pod.owner, "/v1/pods"),
  charges: await readAll<Charge>(pod.owner, `/v1/pods/${pod.id}/charges`),
  entries: await readAll<{ id: string }>(pod.owner, `/v1/pods/${pod.id}/entries`),
});

/** The lists once they have followed: so many charges have succeeded, and the pod is where it says itself that it is. */
const settled = async (pod: OpenPod, charges: number) => {
  const { seq } = must(await pod.owner.get<Listed>(`/v1/pods/${pod.id}`), 200);
  return poll(
    () => listsOf(pod),
    (lists) =>
      lists.entries.length === charges &&
      lists.charges.filter(({ status }) => status === "succeeded").length === charges &&
      lists.pods.find(({ id }) => id === pod.id)?.seq === seq,
    60_000,
  );
};

describe("while the server runs", () => {
  let server: Server;
  let admin: Api;
  let pod: OpenPod;
  beforeAll(async () => {
    server = await startServer({ env: { CROWDPAY_FAULTS: "live" } });
    admin = await operator(server);
    pod = await openPod(server, { members: ["bob"] });
    for (let n = 0; n < 5; n++) await pay(pod, `before-${n}`);
    await settled(pod, 5);
  });
  afterAll(() => server?.[Symbol.asyncDispose]());

  test("a rebuild leaves every list as it was", async () => {
    const before = await listsOf(pod);
    const { code, out, err } = await rebuild(server.stateDir);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(RIGHT);
    expect(await listsOf(pod)).toEqual(before);
  });

  test("charges go on, and no list shows less than it did or fails", async () => {
    let over = false;
    const reading = (async () => {
      let looks = 0;
      let seen = new Set<string>();
      for (; !over; looks++) {
        // `readAll` throws on any answer but 200.
        const { pods, charges, entries } = await listsOf(pod);
        const now = new Set([...pods, ...charges, ...entries].map(({ id }) => id));
        expect([...seen].filter((id) => !now.has(id))).toEqual([]);
        seen = now;
      }
      return looks;
    })();
    const paying = (async () => {
      let paid = 0;
      for (; !over; paid++) await pay(pod, `during-${paid}`);
      return paid;
    })();
    const runs: Ended[] = [];
    try {
      for (let run = 0; run < 3; run++) runs.push(await rebuild(server.stateDir));
    } finally {
      over = true;
    }
    const [looks, paid] = await Promise.all([reading, paying]);
    expect(runs.map(({ code, err }) => [code, err])).toEqual(Array(3).fill([0, ""]));
    for (const { out } of runs) expect(out).toMatch(RIGHT);
    expect(looks).toBeGreaterThan(5);
    expect(paid).toBeGreaterThan(0);
    const lists = await settled(pod, 5 + paid);
    expect(new Set(lists.entries.map(({ id }) => id)).size).toBe(5 + paid);
  });

  test("of two rebuilds at once the second is refused", async () => {
    const path = "/v1/read-model/rebuild";
    const answers = await Promise.all([admin.post(path, {}), admin.post(path, {})]);
    expect(answers.map(({ status }) => status).toSorted()).toEqual([202, 409]);
    const begun = answers.find(({ status }) => status === 202)?.body as { id: string };
    const ended = await poll(
      async () => (await admin.get<{ phase: string; differ: number }>(`${path}/${begun.id}`)).body,
      ({ phase }) => phase === "done",
      30_000,
    );
    expect(ended).toMatchObject({ differ: 0, error: null });
  });

  test("it is the operator's, and named in the log with who asked for it", async () => {
    expect((await pod.owner.post("/v1/read-model/rebuild", {})).status).toBe(403);
    const audited = server.logs.split("\n").filter((line) => line.includes('"audit":"read_model.rebuild"'));
    expect(audited.length).toBeGreaterThan(0);
    for (const line of audited) expect(line).toContain('"principal":"operator"');
  });

  test("a SIGKILL in the middle leaves the lists, and the next run does it all", async () => {
    for (const phase of ["building", "comparing", "sweeping"]) {
      const before = await listsOf(pod);
      writeFileSync(liveFaultFiles(server.stateDir).armed, `rebuild:${phase}`);
      must(await admin.post("/v1/read-model/rebuild", {}), 202);
      expect(await server.exited).toBeNull();
      await server.kill();
      writeFileSync(liveFaultFiles(server.stateDir).armed, "");
      server = await startServer({ stateDir: server.stateDir, port: server.port, env: { CROWDPAY_FAULTS: "live" } });
      expect(await listsOf(pod)).toEqual(before);
      const { code, out, err } = await rebuild(server.stateDir);
      expect([phase, code, err]).toEqual([phase, 0, ""]);
      expect(out).toMatch(RIGHT);
      expect(await listsOf(pod)).toEqual(before);
    }
  }, 180_000);
});

describe("while the server is stopped", () => {
  test("a read model that was dropped comes back whole, a pod made without a key and never paid into too", async () => {
    await using server = await startServer();
    const paid = await openPod(server, { owner: "alice" });
    const lonely = await openPod(server, { owner: "lena" });
    await pay(paid, "only");
    await settled(paid, 1);
    await settled(lonely, 0);
    const before = [await listsOf(paid), await listsOf(lonely)];
    expect(await server.stop()).toBe(0);
    dropReadModel(server.stateDir);

    const { code, out, err } = await rebuild(server.stateDir);
    expect([code, err]).toEqual([0, ""]);
    expect(out).toMatch(RIGHT);

    await using again = await startServer({ stateDir: server.stateDir, port: server.port });
    expect([await listsOf(paid), await listsOf(lonely)]).toEqual(before);
    const verified = must(await (await operator(again)).post<{ ok: boolean }>("/v1/ledger/verify", {}), 200);
    expect(verified.ok).toBe(true);
  }, 120_000);

  test("a row that is not as the logs say is named, never shown, and put right", async () => {
    await using server = await startServer();
    const pod = await openPod(server, { owner: "alice" });
    const { id } = await pay(pod, "only");
    await settled(pod, 1);
    const before = await listsOf(pod);
    expect(await server.stop()).toBe(0);
    readModel(server.stateDir, (database) =>
      database.prepare("UPDATE charges SET doc = json_set(doc, '$.amount.amount', '99999.99') WHERE id = ?").run(id),
    );

    const first = await rebuild(server.stateDir);
    expect(first.code).toBe(1);
    expect(first.out).toMatch(/^rebuilt [1-9]\d* rows in 5 tables, 1 differ\n$/);
    expect(first.err).toBe(`differs: charges ${pod.id}/${id}\n`);
    expect(await rebuild(server.stateDir)).toMatchObject({ code: 0, err: "" });

    await using _again = await startServer({ stateDir: server.stateDir, port: server.port });
    expect(await listsOf(pod)).toEqual(before);
  }, 120_000);
});
