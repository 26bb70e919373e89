import { env } from "cloudflare:workers";
import { describe, expect, it } from "vitest";
import type { LogRow } from "../../schema/events.ts";
import { ENTRIES_A_PAGE } from "../../schema/read-model.ts";
import { projectRuns } from "../consumers/projection.ts";
import { logOf } from "../consumers/testing/logs.ts";
import {
  chargeBegan,
  creditsTo,
  frozen,
  joined,
  podMade,
  promoted,
  removed,
  stepped,
} from "../consumers/testing/stories.ts";
import { type Cursor, encodeCursor, type Listing, MAX_PAGE, type Page, parseCursor } from "./page.ts";
import { accountsOf, listCharges, listEntries, listPods, listSagas, listStreams, parkedSagas } from "./queries.ts";

const { READ_MODEL: db } = env as unknown as { READ_MODEL: D1Database };
const FIRST: Page = { limit: 50, after: null };

let made = 0;
/** Names that no other test uses, of this file or another: they may share one storage. Later ones sort after earlier ones. */
const fresh = () => `2${String(++made).padStart(25, "0")}`;
const newPod = () => `pod_${fresh()}`;
const newUser = () => `u${fresh()}`;

const project = (...logs: LogRow[][]) =>
  projectRuns(
    { db, pull: async () => [], now: () => 0 },
    new Map(
      logs.map((log) => [
        log[0]?.event.stream ?? "",
        [{ stream: log[0]?.event.stream ?? "", from: 1, head: 0, events: log }],
      ]),
    ),
  );
const projectPod = (pod: string, ...more: Parameters<typeof logOf>[1]) =>
  project(logOf(`pod/${pod}`, [...podMade(pod), ...more]));
const projectCredits = (account: string, amounts: bigint[]) =>
  project(logOf(`account/${account}`, creditsTo(account, amounts)));

/** Follows `next` to the end. */
const all = async <T>(limit: number, list: (page: Page) => Promise<Listing<T>>): Promise<T[]> => {
  const found: T[] = [];
  let after: Cursor | null = null;
  do {
    const page: Listing<T> = await list({ limit, after });
    expect(page.data.length).toBeLessThanOrEqual(limit);
    found.push(...page.data);
    after = page.next === null ? null : parseCursor(page.next);
  } while (after !== null);
  return found;
};

/** How the database finds what a list asks for, a line a table or index it looks into. */
const plansOf = async (list: (spied: D1Database) => Promise<unknown>): Promise<string[]> => {
  const asked: D1PreparedStatement[] = [];
  const spied = {
    prepare: (sql: string) => {
      const [statement, plan] = [db.prepare(sql), db.prepare(`EXPLAIN QUERY PLAN ${sql}`)];
      const { bind } = statement;
      statement.bind = (...values: unknown[]) => {
        asked.push(plan.bind(...values));
        return bind.apply(statement, values);
      };
      return statement;
    },
    batch: (statements: D1PreparedStatement[]) => db.batch(statements),
  } as unknown as D1Database;
  await list(spied);
  const plans = await db.batch<{ detail: string }>(asked);
  return plans.flatMap(({ results }) => results.map(({ detail }) => detail));
};

describe("every list", () => {
  const [pod, user] = ["pod_1", "ann"];
  const LISTS: [string, (spied: D1Database) => Promise<unknown>][] = [
    ["a person's pods", (spied) => listPods(spied, user, FIRST)],
    ["a pod's charges", (spied) => listCharges(spied, pod, FIRST)],
    ["a pod's entries", (spied) => listEntries(spied, { pod, currency: "EUR" }, FIRST)],
    ["a person's accounts", (spied) => accountsOf(spied, "wallet", user)],
    ["a person's sagas", (spied) => listSagas(spied, { subject: user }, FIRST)],
    ["sagas under way", (spied) => listSagas(spied, { status: "running" }, FIRST)],
    ["parked sagas by reason", parkedSagas],
  ];

  it.each(LISTS)("goes to its rows by a key, none is looked for: %s", async (_, list) => {
    const plans = await plansOf(list);
    expect(plans.some((detail) => detail.startsWith("SEARCH"))).toBe(true);
    const TABLES = /^SCAN (?:members|checkpoints|charges|entries|sagas)/;
    expect(plans.filter((detail) => TABLES.test(detail))).toEqual([]);
  });
});

describe("a person's pods", () => {
  it("come with members in order of joining and the counters of each account", async () => {
    const [pod, user] = [newPod(), newUser()];
    await projectPod(pod, joined(pod, user), joined(pod, "a-later-one"), promoted(pod, user), frozen(pod));
    await projectCredits(`pod:${pod}:EUR`, [1_000n]);
    const { data, next } = await listPods(db, user, FIRST);
    expect(next).toBeNull();
    expect(data).toHaveLength(1);
    expect(data[0]?.pod).toMatchObject({
      id: pod,
      name: "Trip",
      status: "frozen",
      seq: 6,
      members: [
        { user: "ann", role: "owner" },
        { user, role: "treasurer" },
        { user: "a-later-one", role: "member" },
      ],
    });
    expect(data[0]?.balances).toMatchObject([
      { account: `pod:${pod}:EUR`, currency: "EUR", counters: { credits_posted: "1000" } },
    ]);
  });

  it("are those of nobody else, and not one that was left", async () => {
    const [pod, user] = [newPod(), newUser()];
    await projectPod(pod, joined(pod, user), removed(pod, user));
    expect((await listPods(db, user, FIRST)).data).toEqual([]);
  });

  it("come newest first, each on one page", async () => {
    const user = newUser();
    const pods = Array.from({ length: 7 }, newPod);
    for (const pod of pods) await projectPod(pod, joined(pod, user));
    for (const limit of [1, 3, 7, 8]) {
      const listed = await all(limit, (page) => listPods(db, user, page));
      expect(listed.map(({ pod }) => pod.id)).toEqual(pods.toReversed());
    }
  });
});

describe("a pod's charges", () => {
  it("come newest first, two hundred a page at most", async () => {
    const pod = newPod();
    const ids = Array.from({ length: MAX_PAGE + 1 }, () => `chg_${fresh()}03`);
    await project(
      logOf(
        `saga/shard-${2_000 + made}`,
        ids.map((id) => chargeBegan(id.replace("chg", "sag"), id, pod)),
      ),
    );
    const page = await listCharges(db, pod, { limit: MAX_PAGE + 1, after: null });
    expect(page.data.map(({ id }) => id)).toEqual(ids.toReversed().slice(0, MAX_PAGE));
    const rest = await listCharges(db, pod, { limit: 50, after: parseCursor(page.next ?? "") });
    expect(rest).toMatchObject({ data: [{ id: ids[0], pod, payer: "ann", status: "processing" }], next: null });
  });
});

describe("sagas", () => {
  it("are found by status, kind, subject and age", async () => {
    const user = newUser();
    const [parked, completed, running] = Array.from({ length: 3 }, () => `sag_${fresh()}03`) as [
      string,
      string,
      string,
    ];
    await project(
      logOf(`saga/shard-${2_000 + made}`, [
        ...[parked, completed, running].map((saga) => chargeBegan(saga, saga.replace("sag", "chg"), newPod(), user)),
        stepped(parked, "parked", { parked_reason: "internal" }),
        stepped(completed, "completed"),
      ]),
    );
    const ids = async (filter: Parameters<typeof listSagas>[1]) =>
      (await listSagas(db, { subject: user, ...filter }, FIRST)).data.map(({ id }) => id);
    expect(await ids({})).toEqual([running, completed, parked]);
    expect(await ids({ status: "parked" })).toEqual([parked]);
    expect(await ids({ status: "completed" })).toEqual([completed]);
    expect(await ids({ kind: "ledger_transfer" })).toEqual([]);
    expect(await ids({ older_than: "2026-01-01T00:00:02.000Z" })).toEqual([parked]);
    expect(await all(1, (page) => listSagas(db, { subject: user }, page))).toHaveLength(3);
    const counted = (await parkedSagas(db)).find(({ reason }) => reason === "internal");
    expect(counted).toMatchObject({ count: 1, since: expect.stringMatching(/^2026-01-01T/) });
  });

  it("that are parked are found without reading those that are completed", async () => {
    const plans = await plansOf((spied) => listSagas(spied, { status: "parked" }, FIRST));
    expect(plans.join()).toContain("sagas_uncompleted");
  });
});

describe("entries", () => {
  it("of one currency come in the account's own order", async () => {
    const pod = newPod();
    await projectCredits(`pod:${pod}:EUR`, [100n, 20n, 3n]);
    await projectCredits(`pod:${pod}:JPY`, [7n]);
    const { data } = await listEntries(db, { pod, currency: "EUR" }, FIRST);
    expect(data.map(({ seq, balance }) => [seq, balance.amount])).toEqual([
      [2, "1.00"],
      [3, "1.20"],
      [4, "1.23"],
    ]);
  });

  it("of all currencies come merged by time, each on one page", async () => {
    const pod = newPod();
    await projectCredits(`pod:${pod}:EUR`, [1n, 2n, 3n]);
    await projectCredits(`pod:${pod}:JPY`, [7n, 8n]);
    for (const limit of [1, 2, 4, 5, 6]) {
      const listed = await all(limit, (page) => listEntries(db, { pod }, page));
      expect(listed.map(({ account, seq }) => `${account.slice(-3)} ${seq}`)).toEqual([
        "EUR 2",
        "JPY 2",
        "EUR 3",
        "JPY 3",
        "EUR 4",
      ]);
    }
  });

  it("come in pages of any size, whatever pages they are kept in", async () => {
    const pod = newPod();
    const count = 2 * ENTRIES_A_PAGE + 3;
    await projectCredits(`pod:${pod}:EUR`, Array<bigint>(count).fill(1n));
    await projectCredits(`pod:${pod}:JPY`, Array<bigint>(ENTRIES_A_PAGE).fill(1n));
    for (const limit of [1, 7, ENTRIES_A_PAGE, ENTRIES_A_PAGE + 1, 200]) {
      const listed = await all(limit, (page) => listEntries(db, { pod }, page));
      const ofCurrency = (currency: string) =>
        listed.filter(({ balance }) => balance.currency === currency).map(({ seq }) => seq);
      expect(ofCurrency("EUR")).toEqual(Array.from({ length: count }, (_, n) => n + 2));
      expect(ofCurrency("JPY")).toEqual(Array.from({ length: ENTRIES_A_PAGE }, (_, n) => n + 2));
    }
  });

  it("begin at the beginning behind a cursor that this list never gave out", async () => {
    const pod = newPod();
    await projectCredits(`pod:${pod}:EUR`, [1n, 2n]);
    for (const key of [[`pod:${pod}:EUR`, "2", "0"], [`pod:${pod}:EUR`, "-1"], ["chg_1"]]) {
      const { data } = await listEntries(db, { pod }, { limit: 9, after: parseCursor(encodeCursor(key)) });
      expect(data.map(({ seq }) => seq)).toEqual([2, 3]);
    }
  });

  it("that are projected late are on a later page, not on none", async () => {
    const pod = newPod();
    await projectCredits(`pod:${pod}:EUR`, [1n, 2n, 3n]);
    const first = await listEntries(db, { pod }, { limit: 2, after: null });
    await projectCredits(`pod:${pod}:JPY`, [7n]);
    const second = await listEntries(db, { pod }, { limit: 9, after: parseCursor(first.next ?? "") });
    expect(second.data.map(({ account, seq }) => `${account.slice(-3)} ${seq}`)).toEqual(["JPY 2", "EUR 4"]);
  });

  it("of a striped account are those of its stripes", async () => {
    const stripes = Array.from({ length: 4 }, (_, stripe) => `lp:c${made}:EUR#${stripe}`);
    for (const stripe of stripes.slice(0, 2)) await projectCredits(stripe, [5n]);
    const { data } = await listEntries(db, { accounts: stripes }, FIRST);
    expect(data.map(({ account }) => account)).toEqual(stripes.slice(0, 2));
  });

  it("of sixteen accounts are listed, and of one more refused", async () => {
    const accounts = Array.from({ length: 17 }, () => `pod:${newPod()}:EUR`);
    await projectCredits(accounts[15] ?? "", [5n]);
    expect((await listEntries(db, { accounts: accounts.slice(0, 16) }, FIRST)).data).toHaveLength(1);
    const refusal = await listEntries(db, { accounts }, FIRST).catch((error: unknown) => error);
    expect(refusal).toBeInstanceOf(RangeError);
  });

  it("of a pod without money are none", async () => {
    expect(await listEntries(db, { pod: newPod() }, FIRST)).toEqual({ data: [], next: null });
  });
});

describe("accounts and streams", () => {
  it("of one owner are all listed", async () => {
    const user = newUser();
    await projectCredits(`wallet:${user}:EUR`, [100n]);
    await projectCredits(`wallet:${user}:USD`, []);
    const { data } = await accountsOf(db, "wallet", user);
    expect(data.map(({ account, seq, counters }) => [account, seq, counters.credits_posted])).toEqual([
      [`wallet:${user}:EUR`, 2, "100"],
      [`wallet:${user}:USD`, 1, "0"],
    ]);
  });

  it("are known once the projector has met them", async () => {
    const pod = newPod();
    await projectPod(pod);
    const streams = await all(7, (page) => listStreams(db, page));
    expect(streams).toContain(`pod/${pod}`);
    expect(new Set(streams).size).toBe(streams.length);
  });
});
