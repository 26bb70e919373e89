import { createExecutionContext, createMessageBatch, getQueueResult } from "cloudflare:test";
import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { LogRow } from "../../schema/events.ts";
import { beacon } from "../../schema/run-message.ts";
import { parseCursor } from "../read-model/page.ts";
import { listDeadLetters, MAX_REDRIVE, redrive } from "./dead-letters.ts";
import type { ConsumerEnv } from "./env.ts";
import { consume } from "./index.ts";
import { retryDelay } from "./projector.ts";
import { entriesIn } from "./testing/entries.ts";
import { beaconOf, logOf, runOf as logRun, sentOf, tampered } from "./testing/logs.ts";
import { creditsTo } from "./testing/stories.ts";

const { READ_MODEL: db } = env as unknown as { READ_MODEL: D1Database };

/** The message that carries events `from`…`to` of a log. */
const runOf = (...stretch: Parameters<typeof logRun>) => sentOf(logRun(...stretch));

let made = 0;
/** Names that no other test uses, of this file or another: they may share one storage. */
const fresh = () => `1${String(++made).padStart(25, "0")}`;
const creditLog = (...amounts: bigint[]) => {
  const account = `pod:pod_${fresh()}:EUR`;
  return { account, log: logOf(`account/${account}`, creditsTo(account, amounts)) };
};

/** Bindings whose account actors hold these logs (others cannot be reached) and whose queue keeps what is sent to it. */
const envWith = (...logs: LogRow[][]) => {
  const sent: unknown[][] = [];
  const accounts = new Map(logs.map((log) => [log[0]?.event.stream.replace("account/", ""), log]));
  const getByName = (name: string) => ({
    eventsSince: async (after: number, limit: number) => {
      const log = accounts.get(name);
      if (log === undefined) throw new Error("unreachable");
      return log.slice(after, after + limit);
    },
  });
  const EVENTS = {
    sendBatch: async (messages: Iterable<{ body: unknown }>) => sent.push([...messages].map(({ body }) => body)),
  };
  const bindings = { READ_MODEL: db, EVENTS, ACCOUNTS: { getByName }, PODS: { getByName } } as unknown as ConsumerEnv;
  return { bindings, sent };
};

/** Delivers bodies as one batch; what became of each. */
const deliver = async (bodies: unknown[], bindings: ConsumerEnv, queue = "events") => {
  const ids = bodies.map(() => `msg-${fresh()}`);
  const messages = bodies.map((body, index) => ({ id: ids[index] ?? "", timestamp: 0, attempts: 1, body }));
  const batch = createMessageBatch(queue, messages);
  const ctx = createExecutionContext();
  await consume(batch, bindings);
  const result = await getQueueResult(batch, ctx);
  const fates = ids.map((id) => {
    if (result.ackAll || result.explicitAcks.includes(id)) return "acked";
    return result.retryMessages.some(({ msgId }) => msgId === id) ? "retried" : "neither";
  });
  return { ids, fates };
};
const parked = async (id: string | undefined) =>
  db
    .prepare("SELECT queue, stream, reason, attempts, redriven_at FROM dead_letters WHERE id = ?")
    .bind(id)
    .first<Record<string, unknown>>();
const entriesOf = (account: string) => entriesIn(db, account);

describe("a batch of the events queue", () => {
  it("acknowledges what it applied", async () => {
    const { account, log } = creditLog(500n, 300n);
    const { fates } = await deliver([runOf(log, 1, 2), runOf(log, 3, 3), sentOf(beaconOf(log))], envWith().bindings);
    expect(fates).toEqual(["acked", "acked", "acked"]);
    expect(await entriesOf(account)).toBe(2);
  });

  it("retries the messages of a stream that cannot go on and no others", async () => {
    const [good, gap] = [creditLog(500n), creditLog(500n)];
    const { fates } = await deliver([runOf(gap.log, 2, 2), runOf(good.log, 1, 2)], envWith().bindings);
    expect(fates).toEqual(["retried", "acked"]);
    expect([await entriesOf(good.account), await entriesOf(gap.account)]).toEqual([1, 0]);
  });

  it("acknowledges the part of a stream that was applied before the gap", async () => {
    const { log } = creditLog(1n, 2n, 3n);
    const { fates } = await deliver([runOf(log, 1, 2), runOf(log, 4, 4)], envWith().bindings);
    expect(fates).toEqual(["acked", "retried"]);
  });

  it("waits longer the more often a message has failed, a minute at most", () => {
    expect([1, 3, 5, 6, 20].map(retryDelay)).toEqual([2, 8, 32, 60, 60]);
  });

  it("retries what is no run at all, beside runs that are applied", async () => {
    const { account, log } = creditLog(500n);
    const run = runOf(log, 1, 2);
    const bad = [
      "hello",
      null,
      { ...run, extra: 1 },
      { ...run, stream: "purse/1" },
      { ...run, events: '{"seq":"1"}' },
      { ...run, prev_hash: "f" },
    ];
    const { fates } = await deliver([...bad, run], envWith().bindings);
    expect(fates).toEqual([...bad.map(() => "retried"), "acked"]);
    expect(await entriesOf(account)).toBe(1);
  });

  it("takes a run of 64 events and none of 65", async () => {
    const { account, log } = creditLog(...Array.from({ length: 64 }, () => 1n));
    expect((await deliver([runOf(log, 1, 65)], envWith().bindings)).fates).toEqual(["retried"]);
    expect((await deliver([runOf(log, 1, 64, 64)], envWith().bindings)).fates).toEqual(["acked"]);
    expect(await entriesOf(account)).toBe(63);
  });

  it("parks a run whose hashes do not hold, and applies none of it", async () => {
    const { account, log } = creditLog(500n, 300n);
    const run = logRun(log, 1, 3);
    const forged = { ...run, events: run.events.map((row) => (row.seq === 3 ? tampered(row) : row)) };
    const { ids, fates } = await deliver([sentOf(forged)], envWith().bindings);
    expect(fates).toEqual(["acked"]);
    expect(await parked(ids[0])).toMatchObject({ reason: "chain", queue: "events", stream: `account/${account}` });
    expect(await entriesOf(account)).toBe(0);
  });

  it("parks a run that belongs to another history of its stream", async () => {
    const { account, log } = creditLog(500n);
    const other = logOf(`account/${account}`, creditsTo(account, [900n, 1n]));
    await deliver([runOf(log, 1, 2)], envWith().bindings);
    const { ids } = await deliver([runOf(other, 3, 3)], envWith(other).bindings);
    expect(await parked(ids[0])).toMatchObject({ reason: "chain" });
    expect(await entriesOf(account)).toBe(1);
  });

  it("goes on with a backlog by a message of its own, so that none is retried for it", async () => {
    const { account, log } = creditLog(...Array.from({ length: 600 }, () => 1n));
    const { bindings, sent } = envWith(log);
    expect((await deliver([runOf(log, 590, 601)], bindings)).fates).toEqual(["acked"]);
    expect(sent).toEqual([[beacon(`account/${account}`, 501, 601)]]);
    expect((await deliver(sent[0] ?? [], bindings)).fates).toEqual(["acked"]);
    expect(await entriesOf(account)).toBe(600);
    expect(sent).toHaveLength(1);
  });

  it("retries everything when the read model cannot be reached", async () => {
    const { log } = creditLog(1n);
    const gone = { ...envWith().bindings, READ_MODEL: {} as D1Database };
    expect((await deliver([runOf(log, 1, 2), "hello"], gone)).fates).toEqual(["retried", "retried"]);
  });

  it("has no consumer for a queue it does not know", () => {
    expect(() => consume(createMessageBatch("other", []), envWith().bindings)).toThrow("no consumer");
  });
});

describe("dead letters", () => {
  it("are kept once however often they are delivered", async () => {
    const { bindings } = envWith();
    const message = { id: `msg-${fresh()}`, timestamp: 0, attempts: 3, body: { stream: "pod/x", odd: true } };
    for (let time = 0; time < 2; time++) {
      const batch = createMessageBatch("events-dead", [message]);
      await consume(batch, bindings);
      expect((await getQueueResult(batch, createExecutionContext())).ackAll).toBe(true);
    }
    expect(await parked(message.id)).toEqual({
      queue: "events-dead",
      stream: "pod/x",
      reason: "exhausted",
      attempts: 3,
      redriven_at: null,
    });
  });

  it("are delivered again when they could not be kept", async () => {
    const batch = createMessageBatch("events-dead", [{ id: `msg-${fresh()}`, timestamp: 0, attempts: 1, body: 1 }]);
    const failed = await consume(batch, { ...envWith().bindings, READ_MODEL: {} as D1Database }).then(
      () => false,
      () => true,
    );
    expect(failed).toBe(true);
  });

  it("keep a body that no JSON can hold as null", async () => {
    const { ids } = await deliver([undefined], envWith().bindings, "events-dead");
    expect(
      (await listDeadLetters(db, { limit: 200, after: null })).data.find(({ id }) => id === ids[0])?.body,
    ).toBeNull();
  });

  it("are applied when redriven after the cause is gone, and harm nothing redriven twice", async () => {
    const { account, log } = creditLog(500n);
    const { ids } = await deliver([runOf(log, 1, 2)], envWith().bindings, "events-dead");
    const { bindings, sent } = envWith();
    for (let time = 0; time < 2; time++) {
      expect(await redrive(bindings, { ids }, 1_000)).toBe(1);
      expect((await deliver(sent[time] ?? [], bindings)).fates).toEqual(["acked"]);
    }
    expect(await entriesOf(account)).toBe(1);
    expect(await parked(ids[0])).toMatchObject({ redriven_at: "1970-01-01T00:00:01.000Z" });
  });

  it("go by a hundred at most, within what the queue takes in one call, each once", async () => {
    const bodies = Array.from({ length: MAX_REDRIVE + 1 }, (_, n) => ({ n, text: "€".repeat(2_000) }));
    const { bindings, sent } = envWith();
    // What other tests left behind.
    while ((await redrive(bindings, { all: true, limit: MAX_REDRIVE })) > 0) sent.length = 0;
    await deliver(bodies, bindings, "events-dead");
    expect(await redrive(bindings, { all: true, limit: MAX_REDRIVE + 1 })).toBe(MAX_REDRIVE);
    expect(await redrive(bindings, { all: true, limit: MAX_REDRIVE })).toBe(1);
    expect(await redrive(bindings, { all: true, limit: MAX_REDRIVE })).toBe(0);
    expect(new Set(sent.flat().map((body) => (body as { n: number }).n)).size).toBe(MAX_REDRIVE + 1);
    for (const call of sent) expect(new TextEncoder().encode(JSON.stringify(call)).length).toBeLessThan(256_000);
  });

  it("are listed page by page, newest first", async () => {
    await deliver(["a", "b", "c"], envWith().bindings, "events-dead");
    const whole = await listDeadLetters(db, { limit: 200, after: null });
    const pages = [];
    let after = null;
    for (
      let page = await listDeadLetters(db, { limit: 2, after });
      ;
      page = await listDeadLetters(db, { limit: 2, after })
    ) {
      pages.push(...page.data);
      if (page.next === null) break;
      after = parseCursor(page.next);
    }
    expect(pages.slice(0, 200)).toEqual(whole.data);
    expect(pages.map(({ parked_at }) => parked_at)).toEqual(
      pages
        .map(({ parked_at }) => parked_at)
        .toSorted()
        .toReversed(),
    );
  });
});
