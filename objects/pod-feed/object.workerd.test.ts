import { env, evictDurableObject, runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, describe, expect, test, vi } from "vitest";
import { canonicalJson, type Meta } from "../../schema/events.ts";
import { CLOSE, FEED_LIMITS, type ServerFrame } from "../../schema/feed.ts";
import { createIdSource } from "../../schema/ids.ts";
import type { Role } from "../../schema/permissions.ts";
import type { Refused } from "../../schema/rejections.ts";
import { ENTRY_HEADER, type Entry, type FeedRpc } from "../../schema/rpc/feed.ts";
import type { PodCommand, PodReply, PodRpc } from "../../schema/rpc/pod.ts";
import type { PodFeed } from "./object.ts";
import type { Seat } from "./state.ts";

const { PODS, FEEDS } = env as unknown as {
  PODS: DurableObjectNamespace;
  FEEDS: DurableObjectNamespace<PodFeed>;
};
const ids = createIdSource((bytes) => crypto.getRandomValues(bytes));

const stubOf = (pod: string) => FEEDS.getByName(pod);
const feedOf = (pod: string) => stubOf(pod) as unknown as FeedRpc;
const podOf = (pod: string) => PODS.getByName(pod) as unknown as PodRpc;

const metaOf = (user: string): Meta => ({
  principal: { user, client_id: "tests" },
  correlation: "request-0001",
  causation: null,
});

const command = async (pod: string, user: string, order: PodCommand): Promise<PodReply> => {
  const key = { subject: user, command: `pod.${order.type}`, key: null, request: canonicalJson(order) };
  const answer = await podOf(pod).command(order, key, { user, operator: false }, metaOf(user));
  if (!answer.ok) throw new Error(answer.rejection.detail);
  return answer.value.value;
};

/** A pod of olga's; its log holds two events. */
const openPod = async (): Promise<string> => {
  const pod = ids.next("pod", Date.now());
  const order = {
    pod,
    name: "Trip",
    type: "pool",
    currencies: ["EUR"],
    home_currency: "EUR",
    timezone: "UTC",
  } as const;
  const made = await podOf(pod).create({ ...order, currencies: ["EUR"], goal: null }, metaOf("olga"));
  if (!made.ok) throw new Error(made.rejection.detail);
  return pod;
};

/** Two more events. */
const join = async (pod: string, user: string, role: Role = "member"): Promise<void> => {
  const invited = await command(pod, "olga", { type: "invite", role, expires_in_s: 3_600 });
  if (invited.type !== "invitation") throw new Error("no invitation");
  await command(pod, user, { type: "accept", token: invited.token });
};

const rename = (pod: string, name: string) => command(pod, "olga", { type: "rename", name });

const bearer = (user: string, change: { operator?: boolean; token_ends_at?: number } = {}) => ({
  user,
  operator: false,
  token_ends_at: Date.now() + 600_000,
  ...change,
});

type Ended = { code: number; reason: string };

/** A client at the other end of a feed's socket. */
class Listener {
  readonly #socket: WebSocket;
  readonly frames: (ServerFrame | string)[] = [];
  ended: Ended | null = null;

  constructor(socket: WebSocket) {
    this.#socket = socket;
    socket.addEventListener("message", ({ data }) => {
      const text = String(data);
      this.frames.push(text.startsWith("{") ? (JSON.parse(text) as ServerFrame) : text);
    });
    socket.addEventListener("close", ({ code, reason }) => {
      this.ended = { code, reason };
    });
    socket.accept();
  }

  of<T extends ServerFrame["type"]>(type: T) {
    return this.frames.filter(
      (frame): frame is Extract<ServerFrame, { type: T }> => typeof frame !== "string" && frame.type === type,
    );
  }

  get seqs(): number[] {
    return this.of("event").map(({ seq }) => seq);
  }

  send(frame: unknown): void {
    this.#socket.send(typeof frame === "string" ? frame : JSON.stringify(frame));
  }

  close(): void {
    this.#socket.close(1000, "");
  }
}

const listeners: Listener[] = [];
afterEach(() => {
  for (const listener of listeners.splice(0)) if (listener.ended === null) listener.close();
});

const knock = async (pod: string, entry: Entry): Promise<Response> =>
  stubOf(pod).fetch("http://feed/", { headers: { upgrade: "websocket", [ENTRY_HEADER]: JSON.stringify(entry) } });

const listen = async (pod: string, user: string, after = 0, change: Parameters<typeof bearer>[1] = {}) => {
  const { webSocket } = await knock(pod, { after, bearer: bearer(user, change) });
  if (webSocket === null) throw new Error("the feed was not opened");
  const listener = new Listener(webSocket);
  listeners.push(listener);
  return listener;
};

const refusalOf = async (pod: string, entry: Entry): Promise<string> => {
  const response = await knock(pod, entry);
  return response.webSocket === null ? ((await response.json()) as Refused).rejection.code : "let in";
};

const ticketFor = async (pod: string, user: string): Promise<string> => {
  const issued = await feedOf(pod).issueTicket(bearer(user));
  if (!issued.ok) throw new Error(issued.rejection.detail);
  return issued.value.ticket;
};

const seatsOf = (pod: string): Promise<Seat[]> =>
  runInDurableObject(stubOf(pod), (_, state) =>
    state.getWebSockets().map((socket) => socket.deserializeAttachment() as Seat),
  );

/** Changes the seats of sockets as they lie in their attachments, and has the feed read them anew. */
const reseat = async (pod: string, change: (seat: Seat) => Partial<Seat>, user?: string): Promise<void> => {
  await runInDurableObject(stubOf(pod), (_, state) => {
    for (const socket of state.getWebSockets(user)) {
      const seat = socket.deserializeAttachment() as Seat;
      socket.serializeAttachment({ ...seat, ...change(seat) });
    }
  });
  await evictDurableObject(stubOf(pod), { webSockets: "hibernate" });
};

const rowsOf = <T>(stub: DurableObjectStub, sql: string): Promise<T[]> =>
  runInDurableObject(stub, (_, state) => state.storage.sql.exec(sql).toArray() as T[]);

/** Whether the pod tells its feed of what it commits. */
const isWatched = async (pod: string): Promise<boolean> =>
  (await rowsOf(PODS.getByName(pod), "SELECT 1 FROM timers WHERE kind = 'feed'")).length > 0;

const upto = (last: number, first = 1) => Array.from({ length: last - first + 1 }, (_, index) => first + index);
const soon = (check: () => void | Promise<void>) => vi.waitFor(check, { timeout: 10_000, interval: 10 });

describe("listening", () => {
  test("begins with hello, goes on from the event after the one named, and follows the log as it grows", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const listener = await listen(pod, "bob", 1);
    await soon(() => expect(listener.seqs).toEqual([2, 3, 4]));
    await rename(pod, "Porto");
    await soon(() => expect(listener.seqs).toEqual([2, 3, 4, 5]));
    const rows = await podOf(pod).eventsSince(0, 10);
    expect(listener.frames[0]).toEqual({ type: "hello", epoch: rows[0]?.hash.slice(0, 16), seq: 4 });
    expect(listener.of("event").map(({ event }) => event)).toEqual(rows.slice(1).map(({ event }) => event));
  });

  test("beyond the log's head is told to go back to it", async () => {
    const pod = await openPod();
    const listener = await listen(pod, "olga", 99);
    await rename(pod, "Porto");
    await soon(() => expect(listener.seqs).toEqual([3]));
    expect(listener.frames.slice(0, 2)).toMatchObject([
      { type: "hello", seq: 2 },
      { type: "resync", from: 2 },
    ]);
  });

  test("is refused to strangers and for pods that are not there in the same words, and under a token that has ended", async () => {
    const pod = await openPod();
    const stranger: Entry = { after: 0, bearer: bearer("eve") };
    const here = (await (await knock(pod, stranger)).json()) as Refused;
    const nowhere = (await (await knock(ids.next("pod", Date.now()), stranger)).json()) as Refused;
    expect(here.rejection.code).toBe("not_found");
    expect(nowhere).toEqual(here);
    expect(await isWatched(pod)).toBe(false);
    const late: Entry = { after: 0, bearer: bearer("olga", { token_ends_at: Date.now() - 1 }) };
    expect(await refusalOf(pod, late)).toBe("unauthenticated");
  });

  test("goes on for a socket whose feed has slept: its place and its user are in its attachment", async () => {
    const pod = await openPod();
    const listener = await listen(pod, "olga");
    await soon(() => expect(listener.seqs).toEqual([1, 2]));
    await evictDurableObject(stubOf(pod), { webSockets: "hibernate" });
    listener.send("ping");
    await soon(() => expect(listener.frames).toContain("pong"));
    listener.send({ type: "ack", seq: 2 });
    await rename(pod, "Porto");
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3]));
    expect(await seatsOf(pod)).toMatchObject([{ user: "olga", sent: 3, acked: 2 }]);
    await evictDurableObject(stubOf(pod), { webSockets: "hibernate" });
    await rename(pod, "Faro");
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3, 4]));
  });
});

describe("whoever may no longer read", () => {
  test("gets the event that says so and nothing after it, on every socket, and the others go on", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const phone = await listen(pod, "bob");
    const laptop = await listen(pod, "bob", 3);
    const olga = await listen(pod, "olga", 4);
    await command(pod, "olga", { type: "remove", user: "bob" });
    await rename(pod, "Without Bob");
    await soon(() => expect(olga.seqs).toEqual([5, 6]));
    await soon(() => expect([phone.ended, laptop.ended].map((ended) => ended?.code)).toEqual([CLOSE.notAMember, 4003]));
    expect([phone.seqs, laptop.seqs]).toEqual([upto(5), [4, 5]]);
    await soon(() => expect(olga.of("presence").at(-1)).toEqual({ type: "presence", user: "bob", state: "offline" }));
    expect(await refusalOf(pod, { after: 0, bearer: bearer("bob") })).toBe("not_found");
  });

  test("learns of nobody's comings and goings while still on the way to that event", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    await join(pod, "eve");
    const bob = await listen(pod, "bob", 6);
    const olga = await listen(pod, "olga", 6);
    // As if his window were full: he has not come to the removal when it is told.
    await reseat(pod, ({ ends_at }) => ({ acked: 5, stalled_at: ends_at }), "bob");
    await command(pod, "olga", { type: "remove", user: "bob" });
    await soon(() => expect(olga.seqs).toEqual([7]));
    await listen(pod, "eve", 6);
    await soon(() => expect(olga.of("presence").map(({ user }) => user)).toEqual(["bob", "eve"]));
    bob.send({ type: "ack", seq: 6 });
    await soon(() => expect(bob.ended?.code).toBe(CLOSE.notAMember));
    expect([bob.seqs, bob.of("presence").filter(({ user }) => user === "eve")]).toEqual([[7], []]);
  });

  test("before, and may again, reads the whole history: an old removal closes nothing", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    await command(pod, "olga", { type: "remove", user: "bob" });
    await join(pod, "bob", "viewer");
    const listener = await listen(pod, "bob");
    await soon(() => expect(listener.seqs).toEqual(upto(7)));
    await rename(pod, "Again");
    await soon(() => expect(listener.seqs).toEqual(upto(8)));
  });

  test("is no operator: their right to read comes from no role", async () => {
    const pod = await openPod();
    await join(pod, "root");
    const listener = await listen(pod, "root", 4, { operator: true });
    await command(pod, "olga", { type: "remove", user: "root" });
    await rename(pod, "Without root");
    await soon(() => expect(listener.seqs).toEqual([5, 6]));
  });
});

describe("a token", () => {
  test("ends with its time: the alarm closes the socket", async () => {
    const pod = await openPod();
    const listener = await listen(pod, "olga", 0, { token_ends_at: Date.now() + 200 });
    await soon(() => expect(listener.ended).toEqual({ code: CLOSE.tokenEnded, reason: "token ended" }));
  });

  test("is renewed by a ticket of the same person, without a drop", async () => {
    const pod = await openPod();
    const end = Date.now() + 300;
    const listener = await listen(pod, "olga", 0, { token_ends_at: end });
    listener.send({ type: "auth", ticket: await ticketFor(pod, "olga") });
    await soon(() => expect(listener.of("auth")).toHaveLength(1));
    await soon(() => expect(Date.now()).toBeGreaterThan(end));
    await runDurableObjectAlarm(stubOf(pod));
    await rename(pod, "Porto");
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3]));
    expect(listener.ended).toBeNull();
  });

  test("that has ended is renewed all the same while its alarm is late; unless something was to go out before", async () => {
    const pod = await openPod();
    const [renews, ends] = [await listen(pod, "olga"), await listen(pod, "olga")];
    await soon(() => expect([renews.seqs, ends.seqs]).toEqual([upto(2), upto(2)]));
    await reseat(pod, () => ({ ends_at: Date.now() - 1 }));
    renews.send({ type: "auth", ticket: await ticketFor(pod, "olga") });
    await soon(() => expect(renews.of("auth")).toHaveLength(1));
    await rename(pod, "Porto");
    await soon(() => expect(ends.ended).toEqual({ code: CLOSE.tokenEnded, reason: "token ended" }));
    await soon(() => expect(renews.seqs).toEqual(upto(3)));
    expect([ends.seqs, renews.ended]).toEqual([upto(2), null]);
  });

  test("is not renewed by somebody else's ticket, nor by one that is spent", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const listener = await listen(pod, "olga");
    const before = await seatsOf(pod);
    const spent = await ticketFor(pod, "olga");
    expect(await refusalOf(pod, { after: 0, ticket: spent })).toBe("let in");
    for (const ticket of [await ticketFor(pod, "bob"), spent, "x"]) listener.send({ type: "auth", ticket });
    await soon(() => expect(listener.of("error").map(({ code }) => code)).toEqual(Array(3).fill("unauthenticated")));
    expect((await seatsOf(pod)).map(({ ends_at }) => ends_at)).toContain(before[0]?.ends_at);
  });
});

describe("a ticket", () => {
  test("opens the feed once, as the person it was issued to", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const ticket = await ticketFor(pod, "bob");
    const entry: Entry = { after: 4, ticket };
    expect(await refusalOf(pod, entry)).toBe("let in");
    expect((await seatsOf(pod)).map(({ user }) => user)).toEqual(["bob"]);
    expect([await refusalOf(pod, entry), await feedOf(pod).spendTicket(ticket)]).toEqual(["unauthenticated", false]);
  });

  test("is stored by its hash alone, opens no other pod, and does not outlive its minute", async () => {
    const pod = await openPod();
    const ticket = await ticketFor(pod, "olga");
    const other = await openPod();
    await ticketFor(other, "olga");
    expect(await refusalOf(other, { after: 0, ticket })).toBe("unauthenticated");
    const rows = await rowsOf<{ expires_at: number }>(stubOf(pod), "SELECT * FROM tickets");
    expect(JSON.stringify(rows)).not.toContain(ticket);
    await rowsOf(stubOf(pod), "UPDATE tickets SET expires_at = expires_at - 60000");
    expect(await refusalOf(pod, { after: 0, ticket })).toBe("unauthenticated");
  });

  test("of somebody who has left since is spent for nothing", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const ticket = await ticketFor(pod, "bob");
    await command(pod, "bob", { type: "remove", user: "bob" });
    expect(await refusalOf(pod, { after: 0, ticket })).toBe("not_found");
  });

  test("shown to a feed that never issued one brings nothing into being", async () => {
    const nowhere = ids.next("pod", Date.now());
    expect(await refusalOf(nowhere, { after: 0, ticket: "A".repeat(43) })).toBe("unauthenticated");
    expect(
      await rowsOf(stubOf(nowhere), "SELECT name FROM sqlite_master WHERE name NOT LIKE '\\_cf%' ESCAPE '\\'"),
    ).toEqual([]);
  });

  test(`is refused to whoever has ${FEED_LIMITS.tickets} unspent, until they die`, async () => {
    const pod = await openPod();
    for (let count = 0; count < FEED_LIMITS.tickets; count++) await ticketFor(pod, "olga");
    expect(await feedOf(pod).issueTicket(bearer("olga"))).toMatchObject({ rejection: { code: "rate_limited" } });
    expect(await feedOf(pod).issueTicket(bearer("bob"))).toMatchObject({ ok: true });
    await rowsOf(stubOf(pod), "UPDATE tickets SET expires_at = expires_at - 60000");
    expect(await feedOf(pod).issueTicket(bearer("olga"))).toMatchObject({ ok: true });
  }, 60_000);
});

describe("a slow client", () => {
  test("gets a window of events, is waited for, and closed with the last seq it got; who acknowledges goes on", async () => {
    const pod = await openPod();
    for (let count = 0; count < FEED_LIMITS.window; count++) await rename(pod, `Trip ${count}`);
    const [slow, quick, late] = [await listen(pod, "olga"), await listen(pod, "olga"), await listen(pod, "olga", 2)];
    await soon(() => expect(quick.seqs).toHaveLength(FEED_LIMITS.window));
    quick.send({ type: "ack", seq: FEED_LIMITS.window });
    await soon(() => expect(quick.seqs).toEqual(upto(FEED_LIMITS.window + 2)));
    await soon(() => expect(slow.ended).toEqual({ code: CLOSE.tooSlow, reason: String(FEED_LIMITS.window) }));
    expect(slow.seqs).toEqual(upto(FEED_LIMITS.window));
    expect(late.seqs).toEqual(upto(FEED_LIMITS.window + 2, 3));
    expect([quick.ended, late.ended]).toEqual([null, null]);
    const again = await listen(pod, "olga", Number(slow.ended?.reason));
    await soon(() => expect(again.seqs).toEqual([FEED_LIMITS.window + 1, FEED_LIMITS.window + 2]));
  }, 60_000);

  test("cannot acknowledge what it has not got", async () => {
    const pod = await openPod();
    const listener = await listen(pod, "olga");
    await soon(() => expect(listener.seqs).toEqual([1, 2]));
    listener.send({ type: "ack", seq: 1_000_000 });
    listener.send({ type: "ack", seq: 1 });
    listener.send({ type: "cheer" });
    await soon(() => expect(listener.of("error")).toHaveLength(1));
    expect(await seatsOf(pod)).toMatchObject([{ sent: 2, acked: 2 }]);
  });

  test.each([
    ["binary", new Uint8Array([1]), CLOSE.notText],
    ["too long", "x".repeat(FEED_LIMITS.frame + 1), CLOSE.tooLarge],
  ])("whose frame is %s is closed", async (_, frame, code) => {
    const pod = await openPod();
    const { webSocket } = await knock(pod, { after: 0, bearer: bearer("olga") });
    if (webSocket === null) throw new Error("not opened");
    const listener = new Listener(webSocket);
    webSocket.send(frame);
    await soon(() => expect(listener.ended?.code).toBe(code));
  });
});

describe("presence", () => {
  test("tells a member's first socket and the last, and the newcomer who is there; asleep or awake", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const olga = await listen(pod, "olga", 4);
    const bob = await listen(pod, "bob", 4);
    const tablet = await listen(pod, "bob", 4);
    await listen(pod, "root", 4, { operator: true });
    await soon(() => expect(olga.of("presence")).toEqual([{ type: "presence", user: "bob", state: "online" }]));
    expect([bob, tablet].map((one) => one.of("presence"))).toEqual(
      Array(2).fill([{ type: "presence", user: "olga", state: "online" }]),
    );
    bob.close();
    await soon(async () =>
      expect((await seatsOf(pod)).filter(({ user, over }) => user === "bob" && !over)).toHaveLength(1),
    );
    await evictDurableObject(stubOf(pod), { webSockets: "hibernate" });
    tablet.close();
    await soon(() => expect(olga.of("presence").map(({ state }) => state)).toEqual(["online", "offline"]));
  });
});

describe("the pod", () => {
  test("tells its feed while somebody listens, and no longer once nobody does", async () => {
    const pod = await openPod();
    expect(await isWatched(pod)).toBe(false);
    const listener = await listen(pod, "olga");
    expect(await isWatched(pod)).toBe(true);
    await rename(pod, "Porto");
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3]));
    expect(await isWatched(pod)).toBe(true);
    listener.close();
    await soon(async () => expect((await seatsOf(pod)).filter(({ over }) => !over)).toEqual([]));
    await rename(pod, "Faro");
    await soon(async () => expect(await isWatched(pod)).toBe(false));
    const again = await listen(pod, "olga", 3);
    await rename(pod, "Braga");
    await soon(() => expect(again.seqs).toEqual([4, 5]));
  });

  /** A listener whose pod, having forgotten them, has told nothing of its third event. */
  const untold = async () => {
    const pod = await openPod();
    const listener = await listen(pod, "olga");
    await soon(() => expect(listener.seqs).toEqual([1, 2]));
    await rowsOf(PODS.getByName(pod), "DELETE FROM timers WHERE kind = 'feed'");
    await evictDurableObject(PODS.getByName(pod));
    await rename(pod, "Porto");
    return { pod, listener };
  };

  test("that forgot to tell is asked: the feed looks by itself", async () => {
    const { pod, listener } = await untold();
    await runDurableObjectAlarm(stubOf(pod));
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3]));
  });

  test("that wakes while it is watched makes good what was not told", async () => {
    const { pod, listener } = await untold();
    await rowsOf(PODS.getByName(pod), "INSERT INTO timers (kind, key, due_at) VALUES ('feed', '', 9000000000000)");
    await evictDurableObject(PODS.getByName(pod));
    await podOf(pod).head();
    await soon(() => expect(listener.seqs).toEqual([1, 2, 3]));
  });

  test("of hundreds of listeners tells each every event once and in order, however they came, and waits for no slow one", async () => {
    const pod = await openPod();
    await join(pod, "bob");
    const slow = await listen(pod, "bob");
    await soon(() => expect(slow.seqs).toEqual(upto(4)));
    // As if a whole window of events had gone out to him since he last acknowledged one.
    await reseat(pod, ({ sent }) => ({ acked: sent - FEED_LIMITS.window }), "bob");
    const crowd = await Promise.all(Array.from({ length: 200 }, (_, index) => listen(pod, "olga", index % 3)));
    await Promise.all(Array.from({ length: 40 }, (_, index) => rename(pod, `Trip ${index}`)));
    await soon(() => {
      for (const [index, listener] of crowd.entries()) expect(listener.seqs).toEqual(upto(44, (index % 3) + 1));
    });
    await soon(() => expect(slow.ended).toEqual({ code: CLOSE.tooSlow, reason: "4" }));
    expect(slow.seqs).toEqual(upto(4));
  });

  test("whose feed was reset meanwhile tells the new one, and a client that comes back misses nothing", async () => {
    const pod = await openPod();
    const before = await listen(pod, "olga");
    await soon(() => expect(before.seqs).toEqual([1, 2]));
    await evictDurableObject(stubOf(pod), { webSockets: "close" });
    await Promise.all([rename(pod, "Porto"), rename(pod, "Faro")]);
    const after = await listen(pod, "olga", 2);
    await rename(pod, "Braga");
    await soon(() => expect(after.seqs).toEqual([3, 4, 5]));
    expect(before.seqs).toEqual([1, 2]);
  });
});
