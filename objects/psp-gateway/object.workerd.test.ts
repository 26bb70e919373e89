import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { GENESIS_HASH } from "../../schema/events.ts";
import type { GatewayAnswer, GatewayCall, GatewayRpc, QuarantineEntry } from "../../schema/rpc/gateway.ts";
import { rewriteEvent } from "../kit/testing/stored.ts";
import { BULKHEAD } from "./bulkhead.ts";
import { BREAKER_POLICY } from "./decide.ts";
import type { PspGateway } from "./object.ts";
import { QUARANTINE, Quarantine, type QuarantineLimits } from "./quarantine.ts";

const gateways = (untypedEnv as unknown as { GATEWAYS: DurableObjectNamespace<PspGateway> }).GATEWAYS;
/** The one connector there is, so one object for all tests of this file: each cleans up after itself. */
const stub = () => gateways.getByName("sandbox");
/** The stub by its contract: the type of a stub of ours nests too deep for the compiler. */
const gateway = () => stub() as unknown as GatewayRpc & { describe(): Promise<{ quarantine_dropped: number }> };

/** One call alone. */
const execute = async (call: GatewayCall): Promise<GatewayAnswer> => {
  const answers: GatewayAnswer[] = [];
  await gateway().execute([call], (_, answer) => void answers.push(answer));
  const [answer] = answers;
  if (answer === undefined || answers.length > 1) throw new Error(`a call was answered ${answers.length} times`);
  return answer;
};

const realFetch = globalThis.fetch;
type Sent = { url: string; method: string; key: string | null; body: string };
const sent: Sent[] = [];
let provider: (request: Request) => Promise<Response> = async () => new Response(null, { status: 500 });

const TOKEN = "tok_secret_of_the_payer";
const AMOUNT = { amount: "12.34", currency: "EUR" };

let last = 0;
const capture = (reference = `chg_${++last}`): GatewayCall => ({
  call: "capture",
  reference,
  key: `${reference}:capture`,
  amount: AMOUNT,
  instrument: TOKEN,
  charge: reference,
  pod: "pod_1",
});

const captures = async (request: Request): Promise<Response> => {
  const { reference } = (await request.json()) as { reference: string };
  return Response.json({ id: "psp_1", reference, status: "captured", amount: AMOUNT }, { status: 201 });
};
const breaksDown = async () => Response.json({ error: { code: "server_error" } }, { status: 500 });

/** One clock for the file, because the log it is written into never goes back. */
let clock = Date.now();

beforeEach(() => {
  sent.length = 0;
  vi.useFakeTimers({ toFake: ["Date"], now: clock });
  vi.spyOn(globalThis, "fetch").mockImplementation(async (input, init) => {
    const request = new Request(input as RequestInfo, init as RequestInit);
    const body = request.method === "GET" ? "" : await request.clone().text();
    sent.push({ url: request.url, method: request.method, key: request.headers.get("idempotency-key"), body });
    return provider(request);
  });
});
afterEach(() => {
  clock = Date.now();
  vi.useRealTimers();
  vi.restoreAllMocks();
});

const advance = (ms: number) => void vi.setSystemTime(Date.now() + ms);

const breakDown = async () => {
  provider = breaksDown;
  for (let n = 0; n < BREAKER_POLICY.faults; n++) {
    await execute(capture());
    advance(BREAKER_POLICY.spanMs);
  }
};

const inStorage = <T>(work: (sql: SqlStorage) => T): Promise<T> =>
  runInDurableObject(stub(), (_, ctx) => work(ctx.storage.sql));

/** Everything the object has stored, as text. */
const everythingStored = () =>
  inStorage((sql) => {
    const tables = sql.exec<{ name: string }>("SELECT name FROM sqlite_master WHERE type = 'table'").toArray();
    return JSON.stringify(
      tables
        .filter(({ name }) => !name.startsWith("_cf"))
        .map(({ name }) => sql.exec(`SELECT * FROM ${name}`).toArray()),
    );
  });

describe("the gateway", () => {
  test("captures once per call, with the saga's key, and writes nothing while all goes well", async () => {
    provider = captures;
    const before = (await gateway().head()).seq;
    const call = capture();
    expect(await execute(call)).toEqual({
      outcome: "state",
      state: "captured",
      provider_ref: "psp_1",
      amount: AMOUNT,
      decline_reason: null,
    });
    expect(sent).toMatchObject([
      { url: "http://psp.test/v1/payments", method: "POST", key: `${call.reference}:capture` },
    ]);
    expect((await gateway().head()).seq).toBe(before);
  });

  test("names an instrument by a fingerprint of the house", async () => {
    provider = async () => Response.json({ token: TOKEN, type: "card", brand: "sandbox", fingerprint: `fp_${TOKEN}` });
    const answer = await gateway().lookupInstrument(TOKEN);
    expect(answer).toEqual({ known: true, fingerprint: expect.stringMatching(/^fp_[0-9a-f]{32}$/) });
    expect(await gateway().lookupInstrument(TOKEN)).toEqual(answer);
    provider = async () => Response.json({ error: { code: "unknown_instrument" } }, { status: 404 });
    expect(await gateway().lookupInstrument("tok_of_nobody")).toEqual({ known: false });
    provider = breaksDown;
    expect(await gateway().lookupInstrument("tok_of_nobody")).toEqual({ known: null });
  });

  test("says unknown of a connection that is refused, because the runtime cannot tell it from one that is lost", async () => {
    provider = () => realFetch("http://127.0.0.1:1/", { method: "POST", body: "{}" });
    expect(await execute(capture())).toEqual({ outcome: "unknown", detail: "the connection was lost" });
  });

  test("stops asking a provider that is down, also after an eviction, and tries again with a probe", async () => {
    const before = (await gateway().head()).seq;
    await breakDown();
    const calls = sent.length;
    const refused = { outcome: "not_sent", retry_after_ms: expect.any(Number), detail: expect.any(String) };
    expect(await execute(capture())).toEqual(refused);
    await evictDurableObject(stub());
    expect(await execute(capture())).toEqual(refused);
    expect(sent).toHaveLength(calls);
    expect((await gateway().describe()).breakers.find(({ operation }) => operation === "capture")).toEqual({
      operation: "capture",
      state: "open",
      failures: 0,
      opened_at: expect.stringMatching(/Z$/),
    });
    expect(await execute({ call: "query", reference: "chg_1" })).toMatchObject({ outcome: "unknown" });

    provider = captures;
    advance(BREAKER_POLICY.openMs);
    expect(await execute(capture())).toMatchObject({ state: "captured" });
    const events = await gateway().eventsSince(before, 10);
    expect(events.map(({ event }) => event.type)).toEqual(["breaker.opened", "breaker.half_opened", "breaker.closed"]);
    const head = await gateway().head();
    expect(await gateway().verifyLog(0, GENESIS_HASH, 1_000)).toMatchObject({ upto: head.seq, failure: null });
  });

  test("keeps no instrument token, whatever happened to its call", async () => {
    const logged = vi.spyOn(console, "error");
    await breakDown();
    advance(BREAKER_POLICY.openMs);
    provider = captures;
    await execute(capture());
    provider = async () => {
      throw new Error(`cannot reach ${TOKEN}`);
    };
    expect(JSON.stringify(await execute(capture()))).not.toContain(TOKEN);
    expect(JSON.stringify(await gateway().lookupInstrument(`${TOKEN}_2`))).not.toContain(TOKEN);
    expect(await everythingStored()).not.toContain(TOKEN);
    expect(JSON.stringify(logged.mock.calls)).not.toContain(TOKEN);
  });

  test(`has ${BULKHEAD.inFlight} calls under way at once and not one more`, async () => {
    let underWay = 0;
    let most = 0;
    let open: () => void = () => undefined;
    const gate = new Promise<void>((resolve) => {
      open = resolve;
    });
    provider = async (request) => {
      most = Math.max(most, ++underWay);
      await gate;
      underWay--;
      return captures(request);
    };
    const calls = Array.from({ length: 140 }, () => execute(capture()));
    await vi.waitFor(() => expect(underWay).toBe(BULKHEAD.inFlight));
    expect((await gateway().describe()).in_flight).toBe(BULKHEAD.inFlight);
    open();
    const answers = await Promise.all(calls);
    expect(answers.every((answer) => answer.outcome === "state")).toBe(true);
    expect(most).toBe(BULKHEAD.inFlight);
    expect((await gateway().describe()).in_flight).toBe(0);
  });

  test("answers each of the calls that came together as soon as its own answer is there", async () => {
    const [slow, quick] = ["chg_slow", "chg_quick"];
    let answerSlow: () => void = () => undefined;
    const waits = new Promise<void>((resolve) => {
      answerSlow = resolve;
    });
    provider = async (request) => {
      const { reference } = (await request.clone().json()) as { reference: string };
      if (reference === slow) await waits;
      return captures(request);
    };
    const answered: number[] = [];
    const call = gateway().execute([capture(slow), capture(quick)], (index) => void answered.push(index));
    await vi.waitFor(() => expect(answered).toEqual([1]));
    answerSlow();
    await call;
    expect(answered).toEqual([1, 0]);
  });
});

describe("the quarantine", () => {
  const LIMITS: QuarantineLimits = { rows: 5, bytes: 100, bodyBytes: 40, keptMs: 1_000 };
  const entry = (body: string, more: Partial<QuarantineEntry> = {}): QuarantineEntry => ({
    reason: "bad_signature",
    source: "192.0.2.1",
    body,
    received_at: "2026-10-01T12:00:00.000Z",
    ...more,
  });
  const clear = (sql: SqlStorage) => {
    sql.exec("DELETE FROM quarantine");
    sql.exec("DELETE FROM quarantine_totals");
  };
  const bodies = (sql: SqlStorage) =>
    sql
      .exec<{ body: string }>("SELECT body FROM quarantine ORDER BY id")
      .toArray()
      .map(({ body }) => body);
  /** The quarantine over real storage, at limits a test can reach; left empty. */
  const withLimits = <T>(work: (quarantine: Quarantine, sql: SqlStorage) => T) =>
    inStorage((sql) => {
      clear(sql);
      const result = work(new Quarantine(sql, LIMITS), sql);
      clear(sql);
      return result;
    });

  test("has the limits the contract states", () => {
    expect(QUARANTINE).toEqual({
      rows: 10_000,
      bytes: 64 * 1024 * 1024,
      bodyBytes: 64 * 1024,
      keptMs: 30 * 24 * 60 * 60 * 1000,
    });
  });

  test("keeps what it is given, and no word of it in the log", async () => {
    await inStorage(clear);
    const before = (await gateway().head()).seq;
    await gateway().quarantine(entry('{"reference":"chg_nobody"}', { reason: "unroutable" }));
    expect(await gateway().describe()).toMatchObject({ quarantined: 1, quarantine_dropped: 0 });
    expect((await gateway().head()).seq).toBe(before);
    await evictDurableObject(stub());
    const rows = await inStorage((sql) =>
      sql.exec("SELECT received_at, source, reason, bytes, body FROM quarantine").toArray(),
    );
    expect(rows).toEqual([
      {
        received_at: "2026-10-01T12:00:00.000Z",
        source: "192.0.2.1",
        reason: "unroutable",
        bytes: 26,
        body: '{"reference":"chg_nobody"}',
      },
    ]);
    await inStorage(clear);
  });

  test("holds so many rows; one more, and the oldest goes and is counted", async () => {
    const seen = await withLimits((quarantine, sql) => {
      const add = (body: string) => quarantine.add(entry(body), 0);
      for (const body of ["1", "2", "3", "4", "5"]) add(body);
      const full = [bodies(sql), quarantine.totals()];
      add("6");
      return [full, [bodies(sql), quarantine.totals()]];
    });
    expect(seen).toEqual([
      [["1", "2", "3", "4", "5"], { rows: 5, bytes: 5, dropped: 0 }],
      [["2", "3", "4", "5", "6"], { rows: 5, bytes: 5, dropped: 1 }],
    ]);
  });

  test("holds so many bytes; one more, and as many of the oldest go as it takes", async () => {
    const seen = await withLimits((quarantine) => {
      const add = (bytes: number) => quarantine.add(entry("x".repeat(bytes)), 0);
      for (const bytes of [20, 40, 40]) add(bytes);
      const full = quarantine.totals();
      add(1);
      const oneMore = quarantine.totals();
      add(40);
      return [full, oneMore, quarantine.totals()];
    });
    expect(seen).toEqual([
      { rows: 3, bytes: 100, dropped: 0 },
      { rows: 3, bytes: 81, dropped: 1 },
      { rows: 3, bytes: 81, dropped: 2 },
    ]);
  });

  test("cuts a body that is too long, between characters", async () => {
    const seen = await withLimits((quarantine, sql) => {
      quarantine.add(entry("x".repeat(40)), 0);
      quarantine.add(entry(`${"x".repeat(39)}é`), 0);
      return [bodies(sql), quarantine.totals()];
    });
    expect(seen).toEqual([["x".repeat(40), "x".repeat(39)], { rows: 2, bytes: 79, dropped: 0 }]);
  });

  test("forgets what is too old, without counting it as dropped, and says when to come again", async () => {
    const seen = await withLimits((quarantine, sql) => {
      quarantine.add(entry("old"), 0);
      quarantine.add(entry("new"), 500);
      const early = quarantine.expire(999);
      const due = quarantine.expire(1_000);
      const left = bodies(sql);
      return [early, due, left, quarantine.totals(), quarantine.expire(1_500), quarantine.totals().rows];
    });
    expect(seen).toEqual([1_000, 1_500, ["new"], { rows: 1, bytes: 3, dropped: 0 }, null, 0]);
  });

  test("is emptied by its timer after 30 days", async () => {
    await inStorage(clear);
    await gateway().quarantine(entry("old"));
    await inStorage((sql) => {
      sql.exec("UPDATE quarantine SET stored_at = stored_at - ?", QUARANTINE.keptMs);
      sql.exec("UPDATE timers SET due_at = 1 WHERE kind = 'quarantine'");
    });
    await gateway().runDueTimers();
    expect(await gateway().describe()).toMatchObject({ quarantined: 0, quarantine_dropped: 0 });
    expect(await inStorage((sql) => sql.exec("SELECT * FROM timers WHERE kind = 'quarantine'").toArray())).toEqual([]);
  });
});

describe("a gateway whose log was tampered with", () => {
  const rewrite = async (from: string, to: string) => {
    await inStorage((sql) => rewriteEvent(sql, 1, (body) => body.replaceAll(from, to)));
    await evictDurableObject(stub());
  };

  test("sends nothing and says so, and names the event", async () => {
    provider = captures;
    await rewrite("sandbox", "sondbox");
    expect(await execute(capture())).toMatchObject({ outcome: "not_sent" });
    expect(await gateway().lookupInstrument("tok_new")).toEqual({ known: null });
    expect(sent).toEqual([]);
    expect((await gateway().verifyLog(0, GENESIS_HASH, 10)).failure).toMatchObject({ seq: 1 });
    await rewrite("sondbox", "sandbox");
    expect(await execute(capture())).toMatchObject({ state: "captured" });
  });
});
