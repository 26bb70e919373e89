import { evictDurableObject, runInDurableObject } from "cloudflare:test";
import { env as untypedEnv } from "cloudflare:workers";
import { describe, expect, test, vi } from "vitest";
import { GENESIS_HASH } from "../../schema/events.ts";
import type { RiskAnswer, RiskOp, RiskRpc } from "../../schema/rpc/risk.ts";
import { rewriteEvent } from "../kit/testing/stored.ts";
import { KEPT_MS, MAX_OPS, type RiskProfile } from "./object.ts";
import { assessOp, declineOp, releaseOp } from "./profile.fixture.ts";

const profiles = (untypedEnv as unknown as { RISK_PROFILES: DurableObjectNamespace<RiskProfile> }).RISK_PROFILES;
const stubOf = (user: string) => profiles.getByName(user);
/** The stub by its contract: the type of a stub of ours nests too deep for the compiler. */
const profileOf = (user: string) => stubOf(user) as unknown as RiskRpc;

/** What a call threw; an RPC promise handed to `expect` would be reported a second time, as unhandled. */
const failure = async (call: () => Promise<unknown>): Promise<string> => {
  try {
    await call();
  } catch (error) {
    return error instanceof Error ? error.message : "not an error";
  }
  return "nothing was thrown";
};

const outcomes = (answers: RiskAnswer[]) =>
  answers.map((answer) => (answer.op === "assess" ? answer.decision.outcome : answer.op));

const sqlOf = <T>(user: string, work: (sql: SqlStorage) => T): Promise<T> =>
  runInDurableObject(stubOf(user), (_, ctx) => work(ctx.storage.sql));

describe("a person's risk profile", () => {
  test("answers a retried assessment as the first time and counts once", async () => {
    const ops = [assessOp("sag_1", "6000.00"), assessOp("sag_2", "1.00"), releaseOp("sag_3")];
    const first = await profileOf("retry").applyOps(ops);
    expect(outcomes(first)).toEqual(["review", "approve", "release"]);
    expect(await profileOf("retry").applyOps(ops)).toEqual(first);
    expect((await profileOf("retry").head()).seq).toBe(3);
    expect(outcomes(await profileOf("retry").applyOps([assessOp("sag_3", "1.00")]))).toEqual(["decline"]);
  });

  test("lets no two of many payments at once see the same room under the limit", async () => {
    const calls = Array.from({ length: 40 }, (_, n) =>
      profileOf("crowd").applyOps([assessOp(`sag_${n}`, "4000.00", { charge: `chg_${n}` })]),
    );
    const seen = outcomes((await Promise.all(calls)).flat());
    expect(seen.filter((outcome) => outcome === "approve")).toHaveLength(25);
    expect(seen.filter((outcome) => outcome === "review")).toHaveLength(15);
  });

  test("comes back from an eviction with the same windows, answers and chain", async () => {
    const person = "evicted";
    for (let n = 0; n < 300; n++) {
      await profileOf(person).applyOps([assessOp(`sag_${n}`, "330.00")]);
      await profileOf(person).applyOps([
        assessOp(`gone_${n}`, "330.00", { instrument: `fp_${n}` }),
        declineOp(`gone_${n}`),
      ]);
    }
    const before = await profileOf(person).head();
    await evictDurableObject(stubOf(person));
    const after = await profileOf(person).head();
    expect([after.seq, after.hash]).toEqual([900, before.hash]);
    const verdict = await profileOf(person).verifyLog(0, GENESIS_HASH, 1_000);
    expect(verdict).toMatchObject({ upto: 900, hash: before.hash, failure: null });
    const answers = await profileOf(person).applyOps([
      assessOp("sag_0", "330.00"),
      assessOp("more", "1000.01", { instrument: null }),
    ]);
    expect(outcomes(answers)).toEqual(["approve", "review"]);
  });

  test("takes out what it counted though its clock has gone back since", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    try {
      const person = "back in time";
      await profileOf(person).applyOps([assessOp("sag_1", "60000.00"), assessOp("sag_2", "4000.00")]);
      vi.setSystemTime(Date.now() - 3_600_000);
      await profileOf(person).applyOps([assessOp("sag_3", "4000.00")]);
      vi.setSystemTime(Date.now() - 3_600_000);
      expect(outcomes(await profileOf(person).applyOps([releaseOp("sag_3"), declineOp("sag_2")]))).toEqual([
        "release",
        "decline",
      ]);
      const [state] = await sqlOf(person, (sql) =>
        sql.exec<{ summary: string }>("SELECT summary FROM events ORDER BY seq DESC LIMIT 1").toArray(),
      );
      expect(state?.summary).toBe("counted 0/1 declines 1/1");
    } finally {
      vi.useRealTimers();
    }
  });

  test("refuses every command once a stored event has been tampered with, and names it", async () => {
    const person = "tampered";
    await profileOf(person).applyOps([assessOp("sag_1", "10.00"), assessOp("sag_2", "10.00")]);
    await sqlOf(person, (sql) => rewriteEvent(sql, 1, (body) => body.replaceAll("10.00", "00.01")));
    await evictDurableObject(stubOf(person));
    expect((await profileOf(person).verifyLog(0, GENESIS_HASH, 10)).failure).toMatchObject({ seq: 1 });
    expect(await failure(() => profileOf(person).applyOps([releaseOp("sag_1")]))).toContain("seq 1");
  });

  test(`takes ${MAX_OPS} operations in a call and not one more`, async () => {
    const ops = (count: number): RiskOp[] => Array.from({ length: count }, (_, n) => releaseOp(`sag_${n}`));
    expect(await profileOf("bulk").applyOps(ops(MAX_OPS))).toHaveLength(MAX_OPS);
    expect(await failure(() => profileOf("bulk").applyOps(ops(MAX_OPS + 1)))).toContain(`${MAX_OPS}`);
  });

  test("does the other operations of a call when one cannot be decided, so that a repeat finds them done", async () => {
    const broken = assessOp("broken", "1.00", { amount: { amount: "1.00", currency: "ZZZ" } });
    const ops = [assessOp("before", "1.00"), broken, assessOp("after", "1.00")];
    expect(await failure(() => profileOf("partly").applyOps(ops))).toContain("ZZZ");
    const events = await profileOf("partly").eventsSince(0, 10);
    expect(events.map(({ event }) => event.data.saga)).toEqual(["before", "after"]);
  });

  test("forgets an answer after 30 days", async () => {
    const person = "forgetful";
    await profileOf(person).applyOps([
      assessOp("old", "10.00"),
      assessOp("counted", "10.00"),
      assessOp("released", "10.00"),
      releaseOp("released"),
    ]);
    await sqlOf(person, (sql) => {
      sql.exec("UPDATE assessments SET at = at - ? WHERE saga = 'old'", KEPT_MS + 1);
      sql.exec("UPDATE timers SET due_at = 1 WHERE kind = 'prune'");
    });
    expect(await profileOf(person).runDueTimers()).toBe(1);
    const left = await sqlOf(person, (sql) =>
      sql
        .exec<{ saga: string }>("SELECT saga FROM assessments ORDER BY saga")
        .toArray()
        .map(({ saga }) => saga),
    );
    expect(left).toEqual(["counted", "released"]);
    const next = await sqlOf(person, (sql) =>
      sql.exec<{ due_at: number }>("SELECT due_at FROM timers WHERE kind = 'prune'").one(),
    );
    expect(next.due_at).toBeGreaterThan(Date.now() + KEPT_MS - 60_000);
  });
});
