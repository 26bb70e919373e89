import { env, evictDurableObject, runInDurableObject } from "cloudflare:test";
import { describe, expect, test, vi } from "vitest";
import { canonicalJson, chainHash, GENESIS_HASH, type LogRow, type Meta } from "../../schema/events.ts";
import { createIdSource } from "../../schema/ids.ts";
import type { Role } from "../../schema/permissions.ts";
import { reject } from "../../schema/rejections.ts";
import type { CommandKey } from "../../schema/rpc/actor.ts";
import type { PermitAnswer, PermitOp, PodAnswer, PodCommand, PodReply, PodRpc, Viewer } from "../../schema/rpc/pod.ts";
import { Growth } from "../kit/growth.ts";
import { KEPT_MS, PRUNE_BATCH } from "../kit/kept-answers.ts";
import { rewriteEvent } from "../kit/testing/stored.ts";
import { creation, euros } from "./fixtures.ts";
import { tokenHash } from "./invitation-token.ts";
import type { CrowdPod } from "./object.ts";
import { MAX_PERMIT_OPS } from "./run-permit.ts";

const PODS = (env as unknown as { PODS: DurableObjectNamespace<CrowdPod> }).PODS;
const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));
const newId = (prefix: "pod" | "sag") => ids.next(prefix, Date.now());

/** Stubs are made anew for every call, as callers do: one that failed once stays dead. */
const stubOf = (pod: string) => PODS.getByName(pod);
const podOf = (pod: string) => stubOf(pod) as unknown as PodRpc;

const metaOf = (user: string, correlation = "request-0001"): Meta => ({
  principal: { user, client_id: "tests" },
  correlation,
  causation: null,
});
const person = (user: string): Viewer => ({ user, operator: false });

const keyed = (user: string, command: PodCommand, key: string | null): CommandKey => ({
  subject: user,
  command: `pod.${command.type}`,
  key,
  request: canonicalJson(command),
});

const send = (pod: string, user: string, command: PodCommand, key: string | null = null, request = "request-0001") =>
  podOf(pod).command(command, keyed(user, command, key), person(user), metaOf(user, request)) as Promise<PodAnswer>;

const replyTo = async <T extends PodReply["type"]>(answer: Promise<PodAnswer>, type: T) => {
  const given = await answer;
  if (!given.ok) throw new Error(`refused: ${given.rejection.code} ${given.rejection.detail}`);
  const { value } = given.value;
  if (value.type !== type) throw new Error(`answered ${value.type}`);
  return value as Extract<PodReply, { type: T }>;
};
const codeOf = async (answer: Promise<PodAnswer>): Promise<string> => {
  const given = await answer;
  return given.ok ? "ok" : given.rejection.code;
};

const openPod = async (owner = "olga"): Promise<string> => {
  const pod = newId("pod");
  const made = await podOf(pod).create(creation({ pod }), metaOf(owner));
  if (!made.ok) throw new Error(made.rejection.detail);
  return pod;
};
const invite = (pod: string, by: string, role: Role = "member", key: string | null = null) =>
  replyTo(send(pod, by, { type: "invite", role, expires_in_s: 3_600 }, key), "invitation");
const join = async (pod: string, user: string, role: Role = "member"): Promise<void> => {
  const { token } = await invite(pod, "olga", role);
  await replyTo(send(pod, user, { type: "accept", token }), "joined");
};

const logOf = async (pod: string): Promise<LogRow[]> => (await podOf(pod).eventsSince(0, 500)) as LogRow[];
const typesOf = async (pod: string) => (await logOf(pod)).map(({ event }) => event.type);
const rows = <T>(pod: string, sql: string, ...bindings: unknown[]): Promise<T[]> =>
  runInDurableObject(stubOf(pod), (_, state) => state.storage.sql.exec(sql, ...bindings).toArray() as T[]);

/** Kills the object: whatever is only in memory is gone. */
const crash = async (pod: string): Promise<void> => {
  try {
    await runInDurableObject(stubOf(pod), (_, state) => state.abort("a crash of the tests"));
  } catch {
    // The call into the aborted object fails, as it should.
  }
};

const admit = (saga: string, payer = "olga", settle_currency = "EUR"): PermitOp => ({
  op: "admit",
  saga,
  charge: `chg_of_${saga}`,
  payer,
  amount: euros("25.00"),
  settle_currency,
});
const conclude = (saga: string, outcome: "succeeded" | "failed" | "cancelled" = "succeeded"): PermitOp => ({
  op: "conclude",
  saga,
  outcome,
  settled: euros("24.62"),
  failure: outcome === "failed" ? "payment_declined" : null,
});
const permit = async (pod: string, ...ops: PermitOp[]): Promise<PermitAnswer[]> =>
  (await podOf(pod).permits(ops.map((op) => ({ op, meta: metaOf("olga", "sag_of_tests") })))) as PermitAnswer[];

describe("creating a pod", () => {
  test("makes it once: the same command gets the first answer byte for byte, however the pod has changed", async () => {
    const pod = newId("pod");
    const first = await podOf(pod).create(creation({ pod }), metaOf("olga"));
    if (!first.ok) throw new Error(first.rejection.detail);
    expect(first.value).toMatchObject({ replayed: false, value: { id: pod, status: "active", seq: 2 } });
    expect(first.value.value.members).toEqual([{ user: "olga", role: "owner" }]);
    await send(pod, "olga", { type: "rename", name: "Porto trip" });
    await crash(pod);
    const again = await podOf(pod).create(creation({ pod }), metaOf("olga", "request-0002"));
    if (!again.ok) throw new Error(again.rejection.detail);
    expect(again.value.replayed).toBe(true);
    expect(JSON.stringify(again.value.value)).toBe(JSON.stringify(first.value.value));
    expect(await typesOf(pod)).toEqual(["pod.created", "member.joined", "pod.updated"]);
  });

  test("is refused to another command and to another person", async () => {
    const pod = await openPod();
    const other = await podOf(pod).create(creation({ pod, name: "Mine" }), metaOf("olga"));
    const stranger = await podOf(pod).create(creation({ pod }), metaOf("eve"));
    expect([other, stranger]).toMatchObject([{ rejection: { code: "conflict" } }, { rejection: { code: "conflict" } }]);
    expect((await podOf(pod).head()).seq).toBe(2);
  });

  test("refused leaves nothing, and the id is free for a good command", async () => {
    const pod = newId("pod");
    const refused = await podOf(pod).create(creation({ pod, home_currency: "JPY" }), metaOf("olga"));
    expect(refused).toMatchObject({ ok: false, rejection: { code: "invalid_request" } });
    expect((await podOf(pod).create(creation({ pod }), metaOf("olga"))).ok).toBe(true);
  });
});

describe("seeing a pod", () => {
  test("is for members and operators; nobody else learns whether it is there", async () => {
    const pod = await openPod();
    const nowhere = newId("pod");
    expect(await podOf(pod).see(person("eve"))).toBeNull();
    expect(await podOf(nowhere).see(person("eve"))).toBeNull();
    expect(await podOf(nowhere).see({ user: "root", operator: true })).toBeNull();
    expect(await podOf(pod).see({ user: "root", operator: true })).toMatchObject({ role: null, pod: { id: pod } });
    const { seq, hash } = await podOf(pod).head();
    expect(await podOf(pod).see(person("olga"))).toMatchObject({ role: "owner", pod: { seq, log_head: hash } });
    const rename: PodCommand = { type: "rename", name: "Mine now" };
    expect(await send(pod, "eve", rename)).toEqual(await send(nowhere, "eve", rename));
    expect(await rows(nowhere, "SELECT 1 FROM subject_keys")).toEqual([]);
  });
});

describe("an invitation", () => {
  test("sent again under its key gives the same token, which is stored nowhere in clear", async () => {
    const pod = await openPod();
    const first = await invite(pod, "olga", "treasurer", "key-1");
    await crash(pod);
    const again = await send(pod, "olga", { type: "invite", role: "treasurer", expires_in_s: 3_600 }, "key-1");
    expect(again).toEqual({ ok: true, value: { replayed: true, value: first } });
    expect(first.token).toMatch(new RegExp(`^${pod}~[A-Za-z0-9_-]{32}$`));
    const secret = first.token.split("~")[1] ?? "";
    const stored: string[] = [];
    for (const table of ["events", "commands", "invitations", "subject_keys", "relayed", "creation"]) {
      stored.push(JSON.stringify(await rows(pod, `SELECT * FROM ${table}`)));
    }
    expect(stored.join()).not.toContain(secret);
    expect(stored.join()).toContain(tokenHash(first.token));
    expect((await typesOf(pod)).filter((type) => type === "member.invited")).toHaveLength(1);
  });

  test("whose maker's data was shredded cannot be told again", async () => {
    const pod = await openPod();
    await invite(pod, "olga", "member", "key-1");
    await rows(pod, "DELETE FROM subject_keys");
    await crash(pod);
    expect(await codeOf(send(pod, "olga", { type: "invite", role: "member", expires_in_s: 3_600 }, "key-1"))).toBe(
      "invitation_expired",
    );
  });

  test("is used once, and then told from a token that never was", async () => {
    const pod = await openPod();
    const { token } = await invite(pod, "olga");
    const answers = await Promise.all(
      ["nina", "otto", "pia"].map((user) => send(pod, user, { type: "accept", token })),
    );
    expect(answers.filter(({ ok }) => ok)).toHaveLength(1);
    expect(answers.filter((answer) => !answer.ok && answer.rejection.code === "invitation_expired")).toHaveLength(2);
    expect(await codeOf(send(pod, "rosa", { type: "accept", token: `${pod}~never` }))).toBe("not_found");
    expect(await codeOf(send(newId("pod"), "rosa", { type: "accept", token }))).toBe("not_found");
  });

  test("accepted again under the same key gives the same answer, without a key a conflict", async () => {
    const pod = await openPod();
    const { token } = await invite(pod, "olga");
    const accept: PodCommand = { type: "accept", token };
    const joined = await replyTo(send(pod, "nina", accept, "key-1"), "joined");
    expect(joined).toEqual({ type: "joined", pod, user: "nina", role: "member" });
    expect(await send(pod, "nina", accept, "key-1")).toEqual({ ok: true, value: { replayed: true, value: joined } });
    expect(await codeOf(send(pod, "nina", accept))).toBe("conflict");
    expect(JSON.stringify(await rows(pod, "SELECT request FROM commands"))).not.toContain(token.split("~")[1]);
    const { token: other } = await invite(pod, "olga");
    expect(await send(pod, "nina", { type: "accept", token: other }, "key-1")).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/token" },
    });
  });
});

describe("an idempotency key", () => {
  test("repeats a refusal that is kept word for word, with the request it was first given to", async () => {
    const pod = await openPod();
    const leave: PodCommand = { type: "remove", user: "olga" };
    const first = await send(pod, "olga", leave, "key-1", "request-0001");
    expect(first).toMatchObject({ ok: false, replayed: false, request_id: "request-0001" });
    await join(pod, "oskar", "owner");
    const again = await send(pod, "olga", leave, "key-1", "request-0002");
    expect(again).toEqual({ ...first, replayed: true });
    expect(await codeOf(send(pod, "olga", leave, "key-2"))).toBe("ok");
  });

  test("may be used again after a refusal that is not kept", async () => {
    const pod = await openPod();
    await join(pod, "mia");
    const rename: PodCommand = { type: "rename", name: "Porto trip" };
    expect(await codeOf(send(pod, "mia", rename, "key-1"))).toBe("forbidden");
    await send(pod, "olga", { type: "change_role", user: "mia", role: "admin" });
    expect(await codeOf(send(pod, "mia", rename, "key-1"))).toBe("ok");
  });

  test("used for another command names the first field that differs, and belongs to one person", async () => {
    const pod = await openPod();
    await join(pod, "adam", "admin");
    const rename = (name: string): PodCommand => ({ type: "rename", name });
    const first = await send(pod, "olga", rename("Porto trip"), "key-1");
    expect(await send(pod, "olga", rename("Braga trip"), "key-1")).toMatchObject({
      rejection: { code: "idempotency_mismatch", field: "/name" },
    });
    expect(await codeOf(send(pod, "adam", rename("Faro trip"), "key-1"))).toBe("ok");
    const again = await send(pod, "olga", rename("Porto trip"), "key-1");
    if (!first.ok || !again.ok) throw new Error("refused");
    expect(again.value).toEqual({ replayed: true, value: first.value.value });
  });

  test("is forgotten after thirty days, in batches, by a timer of its own", async () => {
    const pod = await openPod();
    await send(pod, "olga", { type: "rename", name: "Porto trip" }, "key-1");
    const [armed] = await rows<{ due_at: number }>(pod, "SELECT due_at FROM timers WHERE kind = 'prune'");
    expect(Math.abs((armed?.due_at ?? 0) - Date.now() - KEPT_MS)).toBeLessThan(60_000);
    const long = Date.now() - KEPT_MS - 1_000;
    await rows(
      pod,
      `INSERT INTO commands SELECT 'old', 'c', value, '{}', '{}', ? FROM json_each(?)`,
      long,
      JSON.stringify(Array.from({ length: PRUNE_BATCH + 1 }, (_, n) => `k${n}`)),
    );
    const left = async () => {
      await rows(pod, "UPDATE timers SET due_at = 0 WHERE kind = 'prune'");
      await podOf(pod).runDueTimers();
      return (await rows(pod, "SELECT key FROM commands")).length;
    };
    expect(await left()).toBe(2);
    expect(await left()).toBe(1);
    const [next] = await rows<{ due_at: number }>(pod, "SELECT due_at FROM timers WHERE kind = 'prune'");
    expect(next).toEqual(armed);
    await rows(pod, "UPDATE commands SET at = ?", long);
    expect(await left()).toBe(0);
    expect(await rows(pod, "SELECT 1 FROM timers WHERE kind = 'prune'")).toEqual([]);
  });
});

describe("permits", () => {
  test("asked for again and again, after a crash too, are one permit with one answer", async () => {
    const pod = await openPod();
    const saga = newId("sag");
    const [first] = await permit(pod, admit(saga));
    const [joined] = (await logOf(pod)).filter(({ event }) => event.type === "member.joined");
    expect(first).toEqual({ ok: true, seq: 3, member_since: joined?.event.recorded_at });
    await crash(pod);
    expect(await permit(pod, admit(saga), admit(saga))).toEqual([first, first]);
    const [ended] = await permit(pod, conclude(saga));
    expect(ended).toEqual({ ok: true, seq: 5, member_since: null });
    await crash(pod);
    expect(await permit(pod, conclude(saga), admit(saga))).toEqual([ended, first]);
    expect((await typesOf(pod)).slice(2)).toEqual(["permit.granted", "charge.created", "charge.succeeded"]);
  });

  test("of fifty charges at once are all granted, in one unbroken log", async () => {
    const pod = await openPod();
    const sagas = Array.from({ length: 50 }, () => newId("sag"));
    const granted = await Promise.all(sagas.map((saga) => permit(pod, admit(saga))));
    expect(new Set(granted.flat().map((answer) => (answer.ok ? answer.seq : 0))).size).toBe(50);
    await Promise.all(sagas.map((saga) => permit(pod, conclude(saga))));
    const log = await logOf(pod);
    expect(log.map(({ seq }) => seq)).toEqual(Array.from({ length: 152 }, (_, at) => at + 1));
    let hash = GENESIS_HASH;
    for (const row of log) {
      expect(row.prev_hash).toBe(hash);
      hash = chainHash(hash, canonicalJson(row.event));
      expect(row.hash).toBe(hash);
    }
    expect(await podOf(pod).verifyLog(0, GENESIS_HASH, 500)).toMatchObject({ upto: 152, failure: null, hash });
  });

  test("refused are refused for good, and leave no event", async () => {
    const pod = await openPod();
    const [stranger, currency] = [newId("sag"), newId("sag")];
    const first = await permit(pod, admit(stranger, "eve"), admit(currency, "olga", "JPY"));
    expect(first).toMatchObject([{ rejection: { code: "not_found" } }, { rejection: { code: "currency_mismatch" } }]);
    await join(pod, "eve");
    const { seq } = await podOf(pod).head();
    expect(await permit(pod, admit(stranger, "eve"))).toEqual([first[0]]);
    expect((await podOf(pod).head()).seq).toBe(seq);
    expect(await permit(newId("pod"), admit(newId("sag")))).toMatchObject([{ rejection: { code: "not_found" } }]);
  });

  test("taken back before they were asked for are never given", async () => {
    const pod = await openPod();
    const saga = newId("sag");
    expect(await permit(pod, { op: "release", saga, reason: "expired" })).toMatchObject([{ ok: true }]);
    expect(await permit(pod, admit(saga))).toMatchObject([{ rejection: { code: "conflict" } }]);
    expect(await typesOf(pod)).not.toContain("permit.granted");
  });

  test("run on in a frozen pod, which gives no new ones; a review is told of once", async () => {
    const pod = await openPod();
    const saga = newId("sag");
    await permit(pod, admit(saga));
    await send(pod, "olga", { type: "freeze", reason: "strange payments" });
    expect(await permit(pod, admit(newId("sag")))).toMatchObject([{ rejection: { code: "pod_not_active" } }]);
    const money = { amount: euros("25.00"), settled: euros("24.62") };
    const review: PermitOp = { op: "announce_review", saga, charge: `chg_of_${saga}`, payer: "olga", ...money };
    const [told] = await permit(pod, review);
    expect(await permit(pod, review)).toEqual([told]);
    await permit(pod, conclude(saga, "cancelled"));
    expect((await typesOf(pod)).slice(2)).toEqual([
      "permit.granted",
      "pod.frozen",
      "charge.created",
      "charge.requires_review",
      "charge.cancelled",
    ]);
  });

  test("with a bug among them fail alone", async () => {
    const pod = await openPod();
    const [good, bad] = [newId("sag"), newId("sag")];
    await permit(pod, admit(good), admit(bad));
    const broken = { ...conclude(bad, "failed"), failure: null } as PermitOp;
    expect(await permit(pod, broken, conclude(good))).toMatchObject([
      { ok: false, rejection: { code: "internal" } },
      { ok: true },
    ]);
    expect(await permit(pod, conclude(bad, "failed"))).toMatchObject([{ ok: true }]);
  });

  test("come at most 256 in one call", async () => {
    const pod = await openPod();
    const ops = (n: number) => Array.from({ length: n }, () => admit(newId("sag")));
    expect((await permit(pod, ...ops(MAX_PERMIT_OPS))).every(({ ok }) => ok)).toBe(true);
    let refusal = "";
    try {
      await permit(pod, ...ops(MAX_PERMIT_OPS + 1));
    } catch (error) {
      refusal = (error as Error).message;
    }
    expect(refusal).toMatch(/at most 256/);
  });
});

describe("a pod's log", () => {
  test("gives the same state after eviction, past a snapshot and without it", async () => {
    const pod = await openPod();
    await join(pod, "mia");
    await invite(pod, "olga");
    for (let n = 0; n < 100; n++) {
      const saga = newId("sag");
      await permit(pod, admit(saga, n % 2 === 0 ? "mia" : "olga"), conclude(saga));
    }
    await permit(pod, admit(newId("sag"), "mia"));
    const before = await podOf(pod).see(person("olga"));
    expect((await rows(pod, "SELECT DISTINCT seq FROM snapshots")).length).toBe(1);
    await evictDurableObject(stubOf(pod));
    expect(await podOf(pod).see(person("olga"))).toEqual(before);
    await rows(pod, "DELETE FROM snapshots");
    await crash(pod);
    expect(await podOf(pod).see(person("olga"))).toEqual(before);
    expect(await codeOf(send(pod, "olga", { type: "rename", name: "Porto trip" }))).toBe("ok");
  });

  test("nearly full admits nothing new, but what it admitted is concluded", async () => {
    const pod = await openPod();
    const saga = newId("sag");
    const later = newId("sag");
    const [first] = await permit(pod, admit(saga));
    const { rejection } = reject("overloaded", "nearly full");
    const full = vi.spyOn(Growth.prototype, "nearlyFull", "get").mockReturnValue(rejection);
    expect(await permit(pod, admit(later), admit(saga), conclude(saga))).toMatchObject([
      { ok: false, rejection: { code: "overloaded" } },
      first ?? {},
      { ok: true },
    ]);
    full.mockRestore();
    expect(await permit(pod, admit(later))).toMatchObject([{ ok: true }]);
  });

  test("tampered with names the event, and the pod refuses to write on", async () => {
    const pod = await openPod();
    await join(pod, "mia");
    await runInDurableObject(stubOf(pod), (_, { storage: { sql } }) =>
      rewriteEvent(sql, 4, (body) => body.replaceAll('"role":"member"', '"role":"owner"')),
    );
    expect(await podOf(pod).verifyLog(0, GENESIS_HASH, 500)).toMatchObject({ upto: 3, failure: { seq: 4 } });
    await crash(pod);
    expect(await send(pod, "mia", { type: "rename", name: "Mine" })).toMatchObject({
      ok: false,
      rejection: { code: "upstream_unavailable" },
    });
    expect(await permit(pod, admit(newId("sag")))).toMatchObject([{ rejection: { code: "upstream_unavailable" } }]);
    expect(await podOf(pod).create(creation({ pod }), metaOf("olga"))).toMatchObject({ ok: false });
    expect((await podOf(pod).head()).seq).toBe(4);
  });

  test("names the person, the request and the operator as the caller gave them", async () => {
    const pod = await openPod();
    const rename: PodCommand = { type: "rename", name: "Porto trip" };
    const viewer: Viewer = { user: "olga", operator: true };
    await podOf(pod).command(rename, keyed("olga", rename, null), viewer, metaOf("operator", "request-0009"));
    const [, , renamed] = await logOf(pod);
    expect(renamed?.event).toMatchObject({
      type: "pod.updated",
      principal: { user: "operator", client_id: "tests" },
      correlation: "request-0009",
    });
  });
});
