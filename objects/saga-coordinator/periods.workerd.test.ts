import { env, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type EventBody, SYSTEM } from "../../schema/events.ts";
import { createIdSource, routeTransfer, SHARDS } from "../../schema/ids.ts";
import { fromMinor } from "../../schema/money.ts";
import type { CoordinatorRpc, CreateTransfer, TransferAnswer } from "../../schema/rpc/coordinator.ts";
import { shardName } from "../../schema/streams.ts";
import { freshRuntime } from "../../tests/support/fresh-runtime.ts";
import { rewriteEvent, storedEvents } from "../kit/testing/stored.ts";
import { MAX_TRANSFERS } from "./batch.ts";
import type { SagaCoordinator } from "./object.ts";
import { PERIOD_TIMER } from "./periods.ts";

const COORDINATORS = (env as unknown as { COORDINATORS: DurableObjectNamespace<SagaCoordinator> }).COORDINATORS;
const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));
const stubOf = (shard: number) => COORDINATORS.getByName(shardName(shard));
const shardAt = (shard: number) => stubOf(shard) as unknown as CoordinatorRpc;
const meta = { principal: SYSTEM, correlation: "request-1", causation: null };
const every = Array.from({ length: SHARDS }, (_, shard) => shard);

// Other files break shards on purpose, and these close the books of all of them.
beforeAll(freshRuntime);
afterAll(freshRuntime);

/** Into a wallet, claiming to be from then. */
const claiming = (effective_at: string): CreateTransfer => ({
  id: ids.next("trf", Date.now()),
  legs: [
    { account: "bank:sandbox:EUR", direction: "debit", amount: fromMinor(1n, "EUR") },
    { account: "wallet:period-test:EUR", direction: "credit", amount: fromMinor(1n, "EUR") },
  ],
  reason: null,
  metadata: {},
  effective_at,
});
const make = (command: CreateTransfer): Promise<TransferAnswer> =>
  shardAt(routeTransfer(command.id)).createTransfer(command, 10_000, meta);
const close = (until: string, key: string | null = null) =>
  shardAt(0).closePeriod(
    { until, reason: "month end" },
    { subject: "ops", command: "ledger.close_period", key, request: JSON.stringify({ until }) },
    meta,
  );
const journal = (shard: number): Promise<EventBody[]> =>
  runInDurableObject(stubOf(shard), (_, { storage: { sql } }) =>
    storedEvents(sql).map(({ body }) => JSON.parse(body) as EventBody),
  );
const code = (answer: TransferAnswer): string => (answer.kind === "problem" ? answer.rejection.code : answer.kind);

describe("a closing", () => {
  test("decides every begin that races with it: before it in its shard's journal, or refused", async () => {
    const [inside, until] = ["2025-01-15T00:00:00.000Z", "2025-02-01T00:00:00.000Z"];
    const early = Array.from({ length: 60 }, () => make(claiming(inside)));
    const closed = close(until);
    const late = Array.from({ length: 60 }, () => make(claiming(inside)));
    expect(await closed).toMatchObject({ ok: true, value: { value: { until } } });
    const answers = (await Promise.all([...early, ...late])).map(code);
    expect(new Set(answers)).toEqual(new Set(["resource", "conflict"]));
    for (const shard of every) {
      const types = (await journal(shard)).map(({ type, data }) =>
        type === "saga.began" && (data.input as { effective_at?: string }).effective_at === inside
          ? "in the period"
          : type,
      );
      const end = types.indexOf("period.closed");
      expect([shard, end >= 0, types.lastIndexOf("in the period") < end]).toEqual([shard, true, true]);
    }
    expect((await Promise.all(every.flatMap(() => make(claiming(inside))))).map(code)).toEqual(
      every.map(() => "conflict"),
    );
    expect(await close(until)).toMatchObject({ ok: true, value: { value: { in_flight: 0 } } });
  });

  test("is journalled with who closed and why, and outlives its objects", async () => {
    const until = "2025-03-01T00:00:00.000Z";
    await close(until);
    const [event] = (await journal(0)).filter(({ type, data }) => type === "period.closed" && data.until === until);
    expect(event).toMatchObject({ principal: SYSTEM, correlation: "request-1", data: { until, reason: "month end" } });
    for (const shard of every) await evictDurableObject(stubOf(shard));
    expect(code(await make(claiming("2025-02-28T23:59:59.999Z")))).toBe("conflict");
    expect(code(await make(claiming(until)))).toBe("resource");
    expect(await close("2025-02-01T00:00:00.000Z")).toMatchObject({ ok: false, rejection: { code: "conflict" } });
  });

  test("that cannot reach a shard stands all the same, and says so", async () => {
    const [before, until] = ["2025-03-10T00:00:00.000Z", "2025-03-15T00:00:00.000Z"];
    const flip = (from: string, to: string) =>
      runInDurableObject(stubOf(7), (_, { storage: { sql } }) =>
        rewriteEvent(sql, 1, (body) => body.replaceAll(from, to)),
      );
    await flip('"version":"1"', '"version":"2"');
    await evictDurableObject(stubOf(7));
    expect(await close(until)).toMatchObject({ ok: false, rejection: { code: "upstream_unavailable" } });
    expect(await close(before)).toMatchObject({ ok: false, rejection: { code: "conflict" } });
    await flip('"version":"2"', '"version":"1"');
    await evictDurableObject(stubOf(7));
    expect(await close(until)).toMatchObject({ ok: true });
  });

  test("that reached shard 0 alone goes on by itself", async () => {
    const until = "2025-04-01T00:00:00.000Z";
    // What a closing leaves whose object died between its commit and the first call.
    await runInDurableObject(stubOf(0), (_, { storage: { sql } }) =>
      sql.exec("INSERT OR REPLACE INTO timers (kind, key, due_at) VALUES (?, '', 0)", PERIOD_TIMER).toArray(),
    );
    await shardAt(0).learnPeriod(until, meta);
    const other = routeTransfer(claiming(until).id) === 0 ? 1 : 2;
    expect((await journal(other)).some(({ data }) => data.until === until)).toBe(false);
    await shardAt(0).runDueTimers();
    for (const shard of every) {
      expect([shard, (await journal(shard)).some(({ data }) => data.until === until)]).toEqual([shard, true]);
    }
    const left = await runInDurableObject(stubOf(0), (_, { storage: { sql } }) =>
      sql.exec("SELECT 1 FROM timers WHERE kind = ?", PERIOD_TIMER).toArray(),
    );
    expect(left).toEqual([]);
  });

  test("under a key is decided once, whatever was closed since", async () => {
    const [until, later] = ["2025-04-10T00:00:00.000Z", "2025-04-12T00:00:00.000Z"];
    expect(await close(until, "april")).toMatchObject({ ok: true, value: { replayed: false } });
    expect(await close(later)).toMatchObject({ ok: true });
    expect(await close(until, "april")).toMatchObject({ ok: true, value: { replayed: true, value: { until } } });
    expect(await close(later, "april")).toMatchObject({ ok: false, rejection: { code: "idempotency_mismatch" } });
    expect(await close(until)).toMatchObject({ ok: false, rejection: { code: "conflict" } });
    expect(code(await make(claiming("2025-04-11T00:00:00.000Z")))).toBe("conflict");
  });
});

describe("a call of many transfers", () => {
  const command = () => claiming("2026-01-01T00:00:00.000Z");

  test("takes 256 and answers each in its place; one more is a bug of the caller", async () => {
    const commands = Array.from({ length: MAX_TRANSFERS + 1 }, command);
    const answers = await shardAt(5).createTransfers(commands.slice(0, MAX_TRANSFERS), 10_000, meta);
    expect(answers.map((answer) => (answer.kind === "resource" ? answer.transfer.id : answer.kind))).toEqual(
      commands.slice(0, MAX_TRANSFERS).map(({ id }) => id),
    );
    let refusal: unknown = null;
    try {
      await shardAt(5).createTransfers(commands, 10_000, meta);
    } catch (error) {
      refusal = error;
    }
    expect(String(refusal)).toContain("at most 256");
  });

  test("shares commits: far fewer than a transfer each", async () => {
    const commits = () =>
      runInDurableObject(stubOf(6), (_, { storage: { sql } }) => {
        const [row] = sql.exec<{ n: number }>("SELECT count(*) AS n FROM commits").toArray();
        return row?.n ?? 0;
      });
    await shardAt(6).createTransfers([command()], 10_000, meta);
    await runInDurableObject(stubOf(6), (_, { storage: { sql } }) => {
      sql.exec("CREATE TABLE commits (n INTEGER)");
      sql.exec(
        "CREATE TRIGGER made AFTER INSERT ON events WHEN NEW.summary IS NOT NULL BEGIN INSERT INTO commits VALUES (1); END",
      );
    });
    const answers = await shardAt(6).createTransfers(Array.from({ length: 200 }, command), 10_000, meta);
    expect(new Set(answers.map(code))).toEqual(new Set(["resource"]));
    expect(await commits()).toBeLessThan(60);
  });
});
