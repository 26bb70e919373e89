import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Answer, Api } from "../support/client.ts";
import { api, poll } from "../support/client.ts";
import { FeedClient, Follower, feedTicket, knock } from "../support/feed-client.ts";
import { seeded } from "../support/seeded.ts";
import { type Server, startServer, token } from "../support/server.ts";
import { charge, must, type OpenPod, openPod, operator, person } from "../support/story.ts";

/** The live feed as clients meet it, against a server as `npm start` runs one. */

type Problem = { code: string; status: number };
type Row = { seq: number; event: { type: string; data: Record<string, unknown> }; hash: string };

/** For what needs thousands of calls, on a machine that may be busy with other tests. */
const HEAVY_MS = 240_000;
/** Longer than the runtime keeps an object awake that nobody stirs. */
const ASLEEP_MS = 12_000;

let server: Server;
/** A feed that nobody stirs while the other tests run. */
let idle: { pod: OpenPod; client: FeedClient; since: number };
beforeAll(async () => {
  server = await startServer();
  const pod = await openPod(server);
  idle = { pod, client: await listen(pod.owner, pod.id), since: Date.now() };
});
afterAll(() => server?.[Symbol.asyncDispose]());

const feedPath = (pod: string, query = "") => `/v1/pods/${pod}/feed${query}`;
const listen = (caller: Api, pod: string, after = 0) => FeedClient.open(server.url, caller, pod, after);
const upto = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);

/** The whole log, through the API. */
const logOf = async (reader: Api, pod: string): Promise<Row[]> => {
  const rows: Row[] = [];
  for (let after = "0"; ; ) {
    const path = `/v1/pods/${pod}/events?limit=200&after=${after}`;
    const page = must(await reader.get<{ data: Row[]; next: string | null }>(path), 200);
    rows.push(...page.data);
    if (page.next === null) return rows;
    after = page.next;
  }
};

const seqOf = async (reader: Api, pod: string): Promise<number> =>
  must(await reader.get<{ seq: number }>(`/v1/pods/${pod}`), 200).seq;

const rename = async (pod: OpenPod, name: string) => must(await pod.owner.patch(`/v1/pods/${pod.id}`, { name }), 200);

describe("a feed's client", () => {
  test(
    "that hangs up at random fifty times while charges run sees every event once and in order",
    async () => {
      const seed = Number(process.env.SEED ?? Date.now() % 1_000_000);
      const random = seeded(seed);
      const pod = await openPod(server, { members: ["bob"] });
      const follower = new Follower(pod.id);
      let paid = 0;
      let running = true;
      const paying = (async () => {
        while (running) {
          paid++;
          must(await charge(pod.owner, pod, { amount: "1.00", from: "tok_ok", key: `feed-${paid}` }), 201);
        }
      })();
      try {
        for (let connection = 0; connection < 50; connection++) {
          const client = await follower.connect(server.url, pod.as("bob"));
          const more = Math.floor(random() * 4);
          await client.until(({ frames }) => frames.filter(({ type }) => type === "event").length >= more);
          follower.drop();
        }
      } finally {
        running = false;
        await paying;
      }
      const log = await logOf(pod.owner, pod.id);
      if (follower.last < log.length) await (await follower.connect(server.url, pod.as("bob"))).untilSeq(log.length);
      follower.drop();
      expect([seed, follower.seen.map(({ seq }) => seq)]).toEqual([seed, upto(log.length)]);
      expect(follower.seen.map(({ event }) => event)).toEqual(log.map(({ event }) => event));
      expect(log.filter(({ event }) => event.type === "charge.succeeded")).toHaveLength(paid);
    },
    HEAVY_MS,
  );

  test(
    "is one of five hundred: each sees every event once and in order",
    async () => {
      const pod = await openPod(server, { members: ["bob"] });
      const crowd: FeedClient[] = [];
      const people = [pod.owner, pod.as("bob")];
      while (crowd.length < 500) {
        const caller = people[crowd.length % 2] as Api;
        crowd.push(...(await Promise.all(Array.from({ length: 25 }, (_, index) => listen(caller, pod.id, index % 5)))));
      }
      await Promise.all(
        upto(20).map(async (number) =>
          must(await charge(pod.owner, pod, { amount: "1.00", from: "tok_ok", key: `crowd-${number}`, wait: 30 }), 201),
        ),
      );
      const log = await logOf(pod.owner, pod.id);
      for (const [index, client] of crowd.entries()) {
        await client.untilSeq(log.length, 60_000);
        expect([index, client.seqs]).toEqual([index, upto(log.length, ((index % 25) % 5) + 1)]);
      }
      for (const client of crowd) client.close();
    },
    HEAVY_MS,
  );

  test("reads a charge's outcome that its payer was told of, whenever it comes", async () => {
    const pod = await openPod(server);
    const paid = must(await charge(pod.owner, pod, { amount: "5.00", from: "tok_ok", key: "told" }), 201);
    const seq = await seqOf(pod.owner, pod.id);
    const client = await (await listen(pod.owner, pod.id)).untilSeq(seq);
    expect(client.of("event").at(-1)?.event).toMatchObject({ type: "charge.succeeded", data: { charge: paid.id } });
    client.close();
  });

  test("hears hello first, of the log's head and its incarnation, and pong for ping", async () => {
    const pod = await openPod(server);
    const [first, second] = [await listen(pod.owner, pod.id, 2), await listen(pod.owner, pod.id, 2)];
    first.send("ping");
    await first.until(({ texts }) => texts.filter((text) => text === "pong").length === 2);
    await second.until(({ frames }) => frames.length > 0);
    expect(first.frames).toEqual([{ type: "hello", epoch: expect.stringMatching(/^[0-9a-f]{16}$/), seq: 2 }]);
    expect(second.frames[0]).toEqual(first.frames[0]);
    for (const client of [first, second]) client.close();
  });

  test("that is ahead of the log is told where to go on", async () => {
    const pod = await openPod(server);
    const client = await listen(pod.owner, pod.id, 1_000);
    await rename(pod, "Porto");
    await client.untilSeq(3);
    expect(client.frames.map((frame) => (frame.type === "resync" ? `resync from ${frame.from}` : frame.type))).toEqual([
      "hello",
      "resync from 2",
      "event",
    ]);
    expect(client.seqs).toEqual([3]);
    client.close();
  });

  test(
    "that never acknowledges is closed after a thousand events, with the last seq, and goes on from there",
    async () => {
      const pod = await openPod(server);
      for (let number = 0; number < 1_010; number += 10) {
        await Promise.all(upto(10).map((offset) => rename(pod, `Trip ${number + offset}`)));
      }
      const head = await seqOf(pod.owner, pod.id);
      const slow = await listen(pod.owner, pod.id);
      expect(await slow.untilClosed()).toEqual({ code: 4008, reason: "1000" });
      expect(slow.seqs).toEqual(upto(1_000));
      const again = await (await listen(pod.owner, pod.id, 1_000)).untilSeq(head);
      expect(again.seqs).toEqual(upto(head, 1_001));
      again.close();

      const prompt = await listen(pod.owner, pod.id);
      prompt.acknowledgeEvery(100);
      await prompt.untilSeq(head);
      expect([prompt.seqs, prompt.closed]).toEqual([upto(head), null]);
      prompt.close();
    },
    HEAVY_MS,
  );
});

describe("who may listen", () => {
  test("a viewer may, and an operator, who is not announced", async () => {
    const pod = await openPod(server, { members: { vera: "viewer" } });
    const ops = await operator(server);
    const head = await seqOf(pod.owner, pod.id);
    const vera = await (await listen(pod.as("vera"), pod.id)).untilSeq(head);
    const watcher = await (await listen(ops, pod.id)).untilSeq(head);
    expect([vera.seqs, watcher.seqs]).toEqual([upto(head), upto(head)]);
    await rename(pod, "Seen by both");
    await Promise.all([vera.untilSeq(head + 1), watcher.untilSeq(head + 1)]);
    expect([vera.of("presence"), watcher.of("presence")]).toEqual([
      [],
      [{ type: "presence", user: "vera", state: "online" }],
    ]);
    for (const client of [vera, watcher]) client.close();
  });

  test("a removed member gets the event of the removal, nothing after it, and 4003", async () => {
    const pod = await openPod(server, { members: ["bob"] });
    const bob = await listen(pod.as("bob"), pod.id);
    const owner = await listen(pod.owner, pod.id);
    must(await pod.owner.delete(`/v1/pods/${pod.id}/members/bob`), 204);
    const removal = await seqOf(pod.owner, pod.id);
    await rename(pod, "Without Bob");
    expect(await bob.untilClosed()).toEqual({ code: 4003, reason: "no longer a member" });
    expect(bob.seqs).toEqual(upto(removal));
    await owner.untilSeq(removal + 1);
    expect(owner.of("presence").map(({ user, state }) => [user, state])).toEqual([
      ["bob", "online"],
      ["bob", "offline"],
    ]);
    expect(await pod.as("bob").post<Problem>(`/v1/pods/${pod.id}/feed-tickets`, {})).toMatchObject({ status: 404 });
    owner.close();
  });

  test("a token's end closes its socket with 4001, and a ticket under a new token goes on without a drop", async () => {
    const pod = await openPod(server);
    const brief = async () => api(server.url, await token(server.stateDir, "alice", { ttlSeconds: 3 }));
    const [ends, renews] = [await listen(await brief(), pod.id), await listen(await brief(), pod.id)];
    renews.send({ type: "auth", ticket: await feedTicket(pod.owner, pod.id) });
    expect(await ends.untilClosed()).toEqual({ code: 4001, reason: "token ended" });
    await rename(pod, "Still here");
    await renews.untilSeq(3);
    expect([renews.seqs, renews.closed, renews.of("auth").length]).toEqual([upto(3), null, 1]);
    renews.close();
  });

  test("who comes and goes is told to those who are there", async () => {
    const pod = await openPod(server, { members: ["bob"] });
    const owner = await listen(pod.owner, pod.id);
    const [phone, laptop] = [await listen(pod.as("bob"), pod.id), await listen(pod.as("bob"), pod.id)];
    await phone.until((client) => client.of("presence").length === 1);
    expect(phone.of("presence")).toEqual([{ type: "presence", user: "alice", state: "online" }]);
    phone.close();
    await phone.untilClosed();
    laptop.close();
    await owner.until((client) => client.of("presence").some(({ state }) => state === "offline"));
    expect(owner.of("presence").map(({ user, state }) => [user, state])).toEqual([
      ["bob", "online"],
      ["bob", "offline"],
    ]);
    owner.close();
  });
});

describe("the door", () => {
  let pod: OpenPod;
  let authorization: string;
  beforeAll(async () => {
    pod = await openPod(server);
    authorization = `Bearer ${await token(server.stateDir, "alice")}`;
  });

  test("opens by the header and by a ticket, and by no ticket twice", async () => {
    expect((await knock(server.url, feedPath(pod.id), { authorization })).status).toBe(101);
    const path = feedPath(pod.id, `?ticket=${await feedTicket(pod.owner, pod.id)}`);
    const answers = [await knock(server.url, path), await knock(server.url, path)];
    expect(answers.map(({ status }) => status)).toEqual([101, 401]);
    expect(answers[1]).toMatchObject({
      headers: { "content-type": "application/problem+json", "www-authenticate": expect.stringMatching(/^Bearer /) },
      body: { code: "unauthenticated", status: 401 },
    });
  });

  test("takes up no compression that a client offers", async () => {
    const offer = { authorization, "sec-websocket-extensions": "permessage-deflate; client_max_window_bits" };
    const { status, headers } = await knock(server.url, feedPath(pod.id), offer);
    expect([status, headers["sec-websocket-extensions"]]).toEqual([101, undefined]);
  });

  test("opens by each of two tickets that were asked for under one idempotency key: a ticket is told once", async () => {
    const ask = () => pod.owner.post<{ ticket: string }>(`/v1/pods/${pod.id}/feed-tickets`, {}, { key: "one-key" });
    const answers = [await ask(), await ask()];
    expect(answers.map(({ status, headers }) => [status, headers.get("idempotency-replayed")])).toEqual(
      Array(2).fill([201, null]),
    );
    const tickets = answers.map(({ body }) => body.ticket);
    expect(new Set(tickets).size).toBe(2);
    const opened = await Promise.all(tickets.map((ticket) => knock(server.url, feedPath(pod.id, `?ticket=${ticket}`))));
    expect(opened.map(({ status }) => status)).toEqual([101, 101]);
  });

  test("opens for one of many who bring the same ticket at once", async () => {
    const path = feedPath(pod.id, `?ticket=${await feedTicket(pod.owner, pod.id)}`);
    const answers = await Promise.all(upto(10).map(() => knock(server.url, path)));
    expect(answers.map(({ status }) => status).sort()).toEqual([101, ...Array(9).fill(401)]);
  });

  test("is shut to the ticket of another pod, to strangers, and to what is no place in a log", async () => {
    const other = await openPod(server, { owner: "mallory" });
    const foreign = await feedTicket(other.owner, other.id);
    const stranger = { authorization: `Bearer ${await token(server.stateDir, "mallory")}` };
    const nowhere = feedPath("pod_01J00000000000000000000000");
    const answers = [
      await knock(server.url, feedPath(pod.id, `?ticket=${foreign}`)),
      await knock(server.url, feedPath(pod.id)),
      await knock(server.url, feedPath(pod.id), stranger),
      await knock(server.url, nowhere, stranger),
      await knock(server.url, feedPath(pod.id, "?after=x"), { authorization }),
    ];
    expect(answers.map(({ status, body }) => [status, (body as Problem).code])).toEqual([
      [401, "unauthenticated"],
      [401, "unauthenticated"],
      [404, "not_found"],
      [404, "not_found"],
      [400, "invalid_request"],
    ]);
    const words = answers.slice(2, 4).map(({ body }) => ({ ...(body as object), instance: "" }));
    expect(words[0]).toEqual(words[1]);
  });

  test("asks for the upgrade, and the ticket that came without one is spent", async () => {
    const path = feedPath(pod.id, `?ticket=${await feedTicket(pod.owner, pod.id)}`);
    const plain: Answer<Problem> = await api(server.url).get(path);
    expect([plain.status, plain.body.code]).toEqual([426, "upgrade_required"]);
    expect((await knock(server.url, path)).status).toBe(401);
  });

  test("writes no ticket down", async () => {
    const alice = await person(server, "alice");
    const ticket = await feedTicket(alice, pod.id);
    const client = await FeedClient.openWith(server.url, ticket, pod.id);
    const renewal = await feedTicket(alice, pod.id);
    client.send({ type: "auth", ticket: renewal });
    await client.until((one) => one.of("auth").length > 0);
    await knock(server.url, feedPath(pod.id, `?ticket=${ticket}`));
    await poll(
      async () => server.logs,
      (logs) => logs.includes('"route":"/v1/pods/{id}/feed","status":401'),
    );
    expect([ticket, renewal].filter((secret) => server.logs.includes(secret))).toEqual([]);
    client.close();
  });
});

test("a socket that was idle for longer than its feed is kept awake goes on where it was", async () => {
  const { pod, client, since } = idle;
  await poll(
    async () => Date.now() - since,
    (slept) => slept > ASLEEP_MS,
    ASLEEP_MS,
  );
  await rename(pod, "Awake again");
  await client.untilSeq(3);
  client.send({ type: "auth", ticket: await feedTicket(pod.owner, pod.id) });
  await client.until((one) => one.of("auth").length === 1);
  expect([client.seqs, client.closed]).toEqual([upto(3), null]);
  client.close();
});
