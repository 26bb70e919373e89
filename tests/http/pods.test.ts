import { createHash, randomUUID } from "node:crypto";
import { isDeepStrictEqual } from "node:util";
import canonicalize from "canonicalize";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Answer, type Api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import {
  type Charge,
  charge,
  eur,
  type Money,
  must,
  type OpenPod,
  openPod,
  operator,
  person,
  type Role,
  ulid,
} from "../support/story.ts";

let server: Server;
let admin: Api;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  admin = await operator(server);
});
afterAll(() => server?.[Symbol.asyncDispose]());

type Problem = { code: string; detail: string; reason?: string; instance: string };
type List<T> = { data: T[]; next: string | null };
type Pod = {
  id: string;
  name: string;
  status: string;
  members: { user: string; role: Role }[];
  balances: { currency: string; posted: string; pending_in: string; available: string }[];
  seq: number;
  log_head: string;
};
type Event = { type: string; data: Record<string, unknown>; principal: { user: string; client_id: string } } & Record<
  string,
  unknown
>;
type Row = { seq: number; event: Event; prev_hash: string; hash: string };

const read = async (api: Api, pod: Pick<OpenPod, "id">): Promise<Pod> =>
  must(await api.get<Pod>(`/v1/pods/${pod.id}`), 200);
const eventsOf = async (api: Api, pod: Pick<OpenPod, "id">): Promise<Row[]> =>
  must(await api.get<List<Row>>(`/v1/pods/${pod.id}/events?limit=200`), 200).data;
const invite = async (api: Api, pod: Pick<OpenPod, "id">, role: Role, expires_in?: number): Promise<string> => {
  const body = { role, ...(expires_in === undefined ? {} : { expires_in }) };
  return must(await api.post<{ token: string }>(`/v1/pods/${pod.id}/invitations`, body), 201).token;
};
const accept = async (user: string, token: string): Promise<Answer<Problem>> =>
  (await person(server, user)).post<Problem>(`/v1/invitations/${token}/accept`, {});
const memberPath = (pod: Pick<OpenPod, "id">, user: string): string => `/v1/pods/${pod.id}/members/${user}`;

describe("a new pod", () => {
  test("has its owner, its currencies and no money", async () => {
    const alice = await person(server, "alice");
    const body = { name: "Lisbon trip", type: "goal", currencies: ["EUR", "JPY"] };
    const made = await alice.post<Pod & { created_at: string }>("/v1/pods", body);
    expect([made.status, made.headers.get("location")]).toEqual([201, `/v1/pods/${made.body.id}`]);
    expect(made.body).toEqual({
      id: expect.stringMatching(/^pod_[0-9A-HJKMNP-TV-Z]{26}$/),
      ...body,
      status: "active",
      home_currency: "EUR",
      timezone: "UTC",
      members: [{ user: "alice", role: "owner" }],
      balances: [],
      aggregate_balance: { amount: "0.00", currency: "EUR", indicative: true },
      seq: 2,
      log_head: expect.stringMatching(/^[0-9a-f]{64}$/),
      created_at: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
    });
    const zero = { posted: "0.00", pending: "0.00", pending_in: "0.00", available: "0.00" };
    const none = { posted: "0", pending: "0", pending_in: "0", available: "0" };
    expect(await read(alice, made.body)).toEqual({
      ...made.body,
      balances: [
        { currency: "EUR", ...zero },
        { currency: "JPY", ...none },
      ],
    });
  });

  test("may have another home currency, one of its own, and a time zone", async () => {
    const alice = await person(server, "alice");
    const body = { name: "Tōkyō", type: "pool", currencies: ["EUR", "JPY"], home_currency: "JPY" };
    const made = await alice.post<object>("/v1/pods", { ...body, timezone: "Asia/Tokyo" });
    expect(made).toMatchObject({
      status: 201,
      body: { ...body, timezone: "Asia/Tokyo", aggregate_balance: { amount: "0", currency: "JPY", indicative: true } },
    });
    const abroad = await alice.post<Problem>("/v1/pods", { ...body, home_currency: "USD" });
    expect([abroad.status, abroad.body.code]).toEqual([400, "invalid_request"]);
  });

  test("carries another name at once when it is renamed", async () => {
    const pod = await openPod(server);
    const renamed = must(await pod.owner.patch<Pod>(`/v1/pods/${pod.id}`, { name: "Porto trip" }), 200);
    expect(renamed.name).toBe("Porto trip");
    expect(await read(pod.owner, pod)).toEqual(renamed);
  });
});

const ROLES = ["owner", "admin", "treasurer", "member", "viewer"] as const satisfies readonly Role[];

describe("who may do what", () => {
  type Deed = (as: Api, role: string) => Promise<Answer<unknown>>;
  let pod: OpenPod;
  let frozen: OpenPod;
  let paid: Charge;
  const everybody = Object.fromEntries(ROLES.slice(1).map((role) => [role, role]));
  /** Somebody for each role to change and to remove, so that no deed stands in another's way. */
  const targets = Object.fromEntries(
    ROLES.flatMap((role) => ["changed", "removed"].map((fate): [string, Role] => [`${fate}-by-${role}`, "viewer"])),
  );

  beforeAll(async () => {
    pod = await openPod(server, { owner: "owner", members: { ...everybody, ...targets } });
    frozen = await openPod(server, { owner: "owner", members: everybody });
    paid = must(await charge(pod.owner, pod, { amount: "5.00", from: "tok_ok", key: "paid" }), 201);
  });

  const pay = (as: Api, from: string): Promise<Answer<unknown>> =>
    charge(as, pod, { amount: "1.00", from, key: randomUUID() });

  const deeds: Record<string, { may: readonly Role[]; done: number; deed: Deed }> = {
    "read the pod": { may: ROLES, done: 200, deed: (as) => as.get(`/v1/pods/${pod.id}`) },
    "read its events": { may: ROLES, done: 200, deed: (as) => as.get(`/v1/pods/${pod.id}/events`) },
    "read its entries": { may: ROLES, done: 200, deed: (as) => as.get(`/v1/pods/${pod.id}/entries`) },
    "read its charges": { may: ROLES, done: 200, deed: (as) => as.get(`/v1/pods/${pod.id}/charges`) },
    "read one charge": { may: ROLES, done: 200, deed: (as) => as.get(`/v1/charges/${paid.id}`) },
    "pay from an instrument": {
      may: ["owner", "admin", "treasurer", "member"],
      done: 201,
      deed: (as) => pay(as, "tok_ok"),
    },
    invite: {
      may: ["owner", "admin"],
      done: 201,
      deed: (as) => as.post(`/v1/pods/${pod.id}/invitations`, { role: "viewer" }),
    },
    "change a role below their own": {
      may: ["owner", "admin"],
      done: 200,
      deed: (as, role) => as.patch(memberPath(pod, `changed-by-${role}`), { role: "member" }),
    },
    "remove a role below their own": {
      may: ["owner", "admin"],
      done: 204,
      deed: (as, role) => as.delete(memberPath(pod, `removed-by-${role}`)),
    },
    rename: {
      may: ["owner", "admin"],
      done: 200,
      deed: (as, role) => as.patch(`/v1/pods/${pod.id}`, { name: `named by ${role}` }),
    },
    freeze: { may: ["owner", "admin"], done: 200, deed: (as) => as.post(`/v1/pods/${frozen.id}/freeze`, {}) },
    unfreeze: { may: ["owner"], done: 200, deed: (as) => as.post(`/v1/pods/${frozen.id}/unfreeze`, {}) },
    "make an owner": {
      may: ["owner"],
      done: 200,
      deed: (as, role) => as.patch(memberPath(pod, `changed-by-${role}`), { role: "owner" }),
    },
  };

  test.each(Object.keys(deeds))("%s", async (name) => {
    const { may, done, deed } = deeds[name] ?? expect.unreachable();
    if (name === "unfreeze") must(await frozen.owner.post(`/v1/pods/${frozen.id}/freeze`, {}), 200);
    // From least to most, so that a refusal is never the doing of somebody before.
    for (const role of [...ROLES].reverse()) {
      const { status, body } = await deed(pod.as(role), role);
      const expected = may.includes(role) ? done : 403;
      expect([role, status, JSON.stringify(body)]).toEqual([role, expected, expect.any(String)]);
      if (expected !== 403) continue;
      const problem = body as Problem;
      expect([role, problem.code, problem.reason]).toEqual([role, "forbidden", expect.stringMatching(/^[a-z_.]+$/)]);
    }
    const stranger = await deed(await person(server, "stranger"), "owner");
    expect([stranger.status, (stranger.body as Problem).code]).toEqual([404, "not_found"]);
    const watched = await deed(admin, "owner");
    expect([name, watched.status]).toEqual([name, name.startsWith("read") ? 200 : 403]);
  });

  test("what is forbidden leaves no trace", async () => {
    const before = await read(pod.owner, pod);
    const denied = ["pay from an instrument", "invite", "rename", "remove a role below their own", "make an owner"];
    for (const name of denied) expect((await deeds[name]?.deed(pod.as("viewer"), "viewer"))?.status).toBe(403);
    const { seq, log_head } = await read(pod.owner, pod);
    expect([seq, log_head]).toEqual([before.seq, before.log_head]);
  });

  test("an operator pays for nobody's wallet, and names whom they charge", async () => {
    const body = { amount: eur("2.00"), source: { type: "instrument", token: "tok_ok" } };
    const paying = `/v1/pods/${pod.id}/charges`;
    expect((await admin.post(paying, body, { key: "op-1" })).status).toBe(403);
    const forMember = await admin.post<Charge>(paying, { ...body, payer: "member" }, { key: "op-2" });
    expect([forMember.status, forMember.body.payer]).toEqual([201, "member"]);
    const wallet = { amount: eur("2.00"), source: { type: "wallet" }, payer: "member" };
    expect((await admin.post(paying, wallet, { key: "op-3" })).status).toBe(400);
    expect((await admin.post(paying, { ...body, payer: "stranger" }, { key: "op-4" })).status).toBe(404);
    const asOwner = await pod.owner.post<Problem>(paying, { ...body, payer: "member" }, { key: "op-5" });
    expect([asOwner.status, asOwner.body.reason]).toEqual([403, "payer_is_not_caller"]);
    const told = (await eventsOf(pod.owner, pod)).find(
      ({ event }) => event.type === "charge.succeeded" && event.data.charge === forMember.body.id,
    );
    expect(told?.event.principal.user).toBe("operator");
  });
});

describe("nobody grants or takes a role at or above their own, owners aside", () => {
  let pod: OpenPod;
  beforeAll(async () => {
    const members = { ada: "admin", abe: "admin", theo: "treasurer", max: "member", vera: "viewer" } as const;
    pod = await openPod(server, { owner: "olga", members });
  });
  const roleOf = async (user: string): Promise<Role | undefined> =>
    (await read(pod.owner, pod)).members.find((member) => member.user === user)?.role;

  test.each([
    ["invites an owner", (as: Api) => as.post(`/v1/pods/${pod.id}/invitations`, { role: "owner" })],
    ["invites an admin", (as: Api) => as.post(`/v1/pods/${pod.id}/invitations`, { role: "admin" })],
    ["makes a treasurer an admin", (as: Api) => as.patch(memberPath(pod, "theo"), { role: "admin" })],
    ["makes a viewer an owner", (as: Api) => as.patch(memberPath(pod, "vera"), { role: "owner" })],
    ["demotes another admin", (as: Api) => as.patch(memberPath(pod, "abe"), { role: "viewer" })],
    ["demotes the owner", (as: Api) => as.patch(memberPath(pod, "olga"), { role: "viewer" })],
    ["promotes themselves", (as: Api) => as.patch(memberPath(pod, "me"), { role: "owner" })],
    ["removes another admin", (as: Api) => as.delete(memberPath(pod, "abe"))],
    ["removes the owner", (as: Api) => as.delete(memberPath(pod, "olga"))],
  ] satisfies [string, (as: Api) => Promise<Answer<unknown>>][])("an admin never %s", async (_, deed) => {
    const before = await read(pod.owner, pod);
    const { status, body } = await deed(pod.as("ada"));
    expect([status, (body as Problem).code, (body as Problem).reason]).toEqual([403, "forbidden", expect.any(String)]);
    expect(await read(pod.owner, pod)).toEqual(before);
  });

  test("an admin does all of it below their own", async () => {
    must(await pod.as("ada").patch(memberPath(pod, "vera"), { role: "treasurer" }), 200);
    must(await pod.as("ada").patch(memberPath(pod, "theo"), { role: "member" }), 200);
    expect([await roleOf("vera"), await roleOf("theo")]).toEqual(["treasurer", "member"]);
    must(await pod.as("ada").delete(memberPath(pod, "max")), 204);
    expect(await roleOf("max")).toBeUndefined();
    expect((await pod.as("max").get(`/v1/pods/${pod.id}`)).status).toBe(404);
  });

  test("owners make, unmake and remove owners, and the last of them stays", async () => {
    const conflict = async (answer: Promise<Answer<unknown>>): Promise<void> => {
      const { status, body } = await answer;
      expect([status, (body as Problem).code]).toEqual([409, "conflict"]);
    };
    await conflict(pod.owner.delete(memberPath(pod, "me")));
    await conflict(pod.owner.delete(memberPath(pod, "olga")));
    await conflict(pod.owner.patch(memberPath(pod, "me"), { role: "admin" }));

    must(await pod.owner.patch(memberPath(pod, "abe"), { role: "owner" }), 200);
    must(await pod.as("abe").patch(memberPath(pod, "olga"), { role: "viewer" }), 200);
    expect([await roleOf("abe"), await roleOf("olga")]).toEqual(["owner", "viewer"]);
    await conflict(pod.as("abe").delete(memberPath(pod, "me")));
    must(await pod.as("abe").patch(memberPath(pod, "ada"), { role: "owner" }), 200);
    must(await pod.as("abe").delete(memberPath(pod, "ada")), 204);
    await conflict(pod.as("abe").delete(memberPath(pod, "me")));
    const owners = (await read(pod.as("abe"), pod)).members.filter(({ role }) => role === "owner");
    expect(owners).toEqual([{ user: "abe", role: "owner" }]);
  });

  test("who paid here before and may no longer is refused at once, in the words anybody else is", async () => {
    const circle = await openPod(server, { owner: "gives", members: ["demoted", "removed"] });
    const pay = (user: string, key = ulid()) =>
      charge(circle.as(user), circle, { amount: "1.00", from: "tok_ok", key, wait: 15 });
    const keys = { demoted: ulid(), removed: ulid() };
    for (const user of ["demoted", "removed"] as const) {
      must(await pay(user, keys[user]), 201);
      // A pod's charges run in two shards, and each of them is to have let the payer in.
      for (let paid = 0; paid < 6; paid++) must(await pay(user), 201);
    }
    must(await circle.owner.patch(memberPath(circle, "demoted"), { role: "viewer" }), 200);
    must(await circle.owner.delete(memberPath(circle, "removed")), 204);

    const stranger = await charge(await person(server, "stranger"), circle, {
      amount: "1.00",
      from: "tok_ok",
      key: ulid(),
    });
    const common = ({ status, body }: Answer<unknown>) => {
      const { code, detail, reason } = body as Problem;
      return { status, code, detail, reason };
    };
    for (const key of [keys.removed, ulid(), ulid(), ulid()]) {
      expect(common(await pay("removed", key))).toEqual(common(stranger));
    }
    expect(stranger.status).toBe(404);
    for (const key of [keys.demoted, ulid(), ulid(), ulid()]) {
      expect(common(await pay("demoted", key))).toMatchObject({ status: 403, reason: "role_may_not_charge.create" });
    }
    must(await circle.owner.patch(memberPath(circle, "demoted"), { role: "member" }), 200);
    must(await pay("demoted"), 201);
  });

  test("two last owners who leave at once do not both leave", async () => {
    for (let round = 0; round < 5; round++) {
      const two = await openPod(server, { owner: "left", members: { right: "owner" } });
      const leaving = await Promise.all(["left", "right"].map((user) => two.as(user).delete(memberPath(two, "me"))));
      expect(leaving.map(({ status }) => status).sort()).toEqual([204, 409]);
      const stays = leaving[0]?.status === 409 ? "left" : "right";
      expect((await read(two.as(stays), two)).members).toEqual([{ user: stays, role: "owner" }]);
    }
  });

  test("whoever is no member has no role to change", async () => {
    for (const user of ["nobody", "not@a.user", "%2e%2e"]) {
      expect([user, (await pod.as("abe").patch(memberPath(pod, user), { role: "member" })).status]).toEqual([
        user,
        404,
      ]);
      expect([user, (await pod.as("abe").delete(memberPath(pod, user))).status]).toEqual([user, 404]);
    }
  });
});

test("anyone leaves, and from then on the pod is none of their business", async () => {
  const pod = await openPod(server, { members: { ada: "admin", theo: "treasurer", max: "member", vera: "viewer" } });
  for (const user of ["vera", "max", "theo"]) {
    const left = await pod.as(user).delete(memberPath(pod, "me"));
    expect([user, left.status, left.body]).toEqual([user, 204, ""]);
    expect((await pod.as(user).get(`/v1/pods/${pod.id}`)).status).toBe(404);
    expect((await pod.as(user).delete(memberPath(pod, "me"))).status).toBe(404);
  }
  expect((await pod.as("ada").delete(memberPath(pod, "ada"))).status).toBe(204);
  expect((await read(pod.owner, pod)).members).toEqual([{ user: "alice", role: "owner" }]);
  const told = (await eventsOf(pod.owner, pod))
    .map(({ event }) => event)
    .filter(({ type }) => type === "member.removed");
  expect(told.map(({ data, principal }) => [data.user, data.left, principal.user])).toEqual([
    ["vera", true, "vera"],
    ["max", true, "max"],
    ["theo", true, "theo"],
    ["ada", true, "ada"],
  ]);
});

test("a stranger hears of a pod exactly what they hear of one that is not there", async () => {
  const pod = await openPod(server);
  const waiting = must(await charge(pod.owner, pod, { amount: "1000.00", from: "tok_ok", key: "unseen" }), 202);
  const stranger = await person(server, "stranger");
  const calls: [string, (pod: string, charge: string) => Promise<Answer<Problem>>][] = [
    ["the pod", (id) => stranger.get(`/v1/pods/${id}`)],
    ["its events", (id) => stranger.get(`/v1/pods/${id}/events`)],
    ["its entries", (id) => stranger.get(`/v1/pods/${id}/entries`)],
    ["its charges", (id) => stranger.get(`/v1/pods/${id}/charges`)],
    ["renaming it", (id) => stranger.patch(`/v1/pods/${id}`, { name: "mine" })],
    ["freezing it", (id) => stranger.post(`/v1/pods/${id}/freeze`, {})],
    ["unfreezing it", (id) => stranger.post(`/v1/pods/${id}/unfreeze`, {})],
    ["inviting", (id) => stranger.post(`/v1/pods/${id}/invitations`, { role: "member" })],
    ["its owner's role", (id) => stranger.patch(`/v1/pods/${id}/members/alice`, { role: "viewer" })],
    ["leaving it", (id) => stranger.delete(`/v1/pods/${id}/members/me`)],
    [
      "paying in",
      (id) => {
        const body = { amount: eur("1.00"), source: { type: "instrument", token: "tok_ok" } };
        return stranger.post(`/v1/pods/${id}/charges`, body, { key: randomUUID() });
      },
    ],
    ["its charge", (_, id) => stranger.get(`/v1/charges/${id}`)],
    ["cancelling its charge", (_, id) => stranger.post(`/v1/charges/${id}/cancel`, {})],
  ];
  const unknown = ulid();
  const shard = waiting.id.slice(-2);
  for (const [what, call] of calls) {
    const seen = await Promise.all([
      call(pod.id, waiting.id),
      call(`pod_${unknown}`, `chg_${unknown}${shard}`),
      call("pod_nonsense", "chg_nonsense"),
    ]);
    const words = seen.map(({ status, headers, body: { instance, ...problem } }) => {
      expect(headers.get("x-request-id")).toBe(instance);
      return [what, status, problem];
    });
    expect(words[0]?.[1]).toBe(404);
    expect([words[1], words[2]]).toEqual([words[0], words[0]]);
  }
});

describe("an invitation", () => {
  test("lets one person in, once, in the role it is for", async () => {
    const pod = await openPod(server);
    const token = await invite(pod.owner, pod, "treasurer");
    // Sixteen random bytes at least, beside the name of whoever keeps it.
    expect(token.split("~")[0]).toBe(pod.id);
    expect(Buffer.from(token.split("~")[1] ?? "", "base64url").length).toBeGreaterThanOrEqual(16);
    const both = await Promise.all([accept("first", token), accept("second", token)]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 410]);
    const winner = both[0]?.status === 200 ? "first" : "second";
    expect(both.find(({ status }) => status === 200)?.body).toEqual({ pod: pod.id, user: winner, role: "treasurer" });
    expect(both.find(({ status }) => status === 410)?.body.code).toBe("invitation_expired");
    expect(await accept(winner, token)).toMatchObject({ status: 409, body: { code: "conflict" } });
    expect(await accept("third", token)).toMatchObject({ status: 410, body: { code: "invitation_expired" } });
    expect((await read(pod.owner, pod)).members).toEqual([
      { user: "alice", role: "owner" },
      { user: winner, role: "treasurer" },
    ]);
  });

  test("is shown once: neither the pod's log nor the server's holds it", async () => {
    const pod = await openPod(server);
    const token = await invite(pod.owner, pod, "member");
    const secret = token.split("~")[1] ?? "";
    expect((await accept("quiet", token)).status).toBe(200);
    expect((await accept("louder", token)).status).toBe(410);
    expect(JSON.stringify(await eventsOf(pod.owner, pod))).not.toContain(secret);
    expect(server.logs).toContain("/v1/invitations/{token}/accept");
    expect(server.logs).not.toContain(secret);
  });

  test("nobody made is not there, whatever pod it names", async () => {
    const pod = await openPod(server);
    const secret = Buffer.alloc(24, 7).toString("base64url");
    const tokens = [`${pod.id}~${secret}`, `pod_${ulid()}~${secret}`, "nonsense", `${pod.id}~`];
    const heard = await Promise.all(tokens.map((token) => accept("guesser", token)));
    const words = heard.map(({ status, body: { instance: _, ...problem } }) => ({ status, ...problem }));
    expect(words[0]).toMatchObject({ status: 404, code: "not_found" });
    expect(words).toEqual(tokens.map(() => words[0]));
  });

  test("dies with its maker's right to invite, and stays dead when that comes back", async () => {
    const pod = await openPod(server, { members: { ada: "admin", abe: "admin" } });
    const [ofAda, ofAbe] = [await invite(pod.as("ada"), pod, "member"), await invite(pod.as("abe"), pod, "member")];
    must(await pod.owner.patch(memberPath(pod, "ada"), { role: "member" }), 200);
    expect(await accept("late", ofAda)).toMatchObject({ status: 410, body: { code: "invitation_expired" } });
    must(await pod.owner.patch(memberPath(pod, "ada"), { role: "admin" }), 200);
    expect((await accept("late", ofAda)).status).toBe(410);
    must(await pod.as("abe").delete(memberPath(pod, "me")), 204);
    expect((await accept("late", ofAbe)).status).toBe(410);
    expect((await accept("late", await invite(pod.as("ada"), pod, "member"))).status).toBe(200);
  });

  test("lives as long as it was made to, a minute at least and thirty days at most", async () => {
    const pod = await openPod(server);
    const inviting = `/v1/pods/${pod.id}/invitations`;
    for (const expires_in of [0, 59, 30 * 86_400 + 1, 1.5, -60]) {
      expect([expires_in, (await pod.owner.post(inviting, { role: "member", expires_in })).status]).toEqual([
        expires_in,
        400,
      ]);
    }
    const [short, long] = [await invite(pod.owner, pod, "member", 60), await invite(pod.owner, pod, "member", 3_600)];
    const made = must(await pod.owner.post<{ expires_at: string }>(inviting, { role: "member" }), 201);
    const days = (Date.parse(made.expires_at) - Date.parse((await clock("PT0S")).now)) / 86_400_000;
    expect(days).toBeCloseTo(7, 2);
    await clock("PT61S");
    expect(await accept("slow", short)).toMatchObject({ status: 410, body: { code: "invitation_expired" } });
    expect((await accept("slow", long)).status).toBe(200);
  });
});

const clock = async (advance: string): Promise<{ now: string }> =>
  must(await admin.post<{ now: string }>("/v1/test/clock", { advance }), 200);

describe("a frozen pod", () => {
  test("takes no new charge, lets those under way end, and goes on about everything but money", async () => {
    const pod = await openPod(server, { members: { ada: "admin", max: "member" } });
    const slow = must(
      await charge(pod.as("max"), pod, { amount: "10.00", from: "tok_slow", key: "slow", wait: 0 }),
      202,
    );
    const frozen = must(await pod.as("ada").post<Pod>(`/v1/pods/${pod.id}/freeze`, { reason: "a dispute" }), 200);
    expect(frozen.status).toBe("frozen");
    for (const user of ["alice", "ada", "max"]) {
      const refused = await charge(pod.as(user), pod, { amount: "1.00", from: "tok_ok", key: "frozen" });
      expect([user, refused.status, (refused.body as unknown as Problem).code]).toEqual([user, 422, "pod_not_active"]);
    }
    expect((await accept("newcomer", await invite(pod.as("ada"), pod, "member"))).status).toBe(200);
    must(await pod.owner.patch(`/v1/pods/${pod.id}`, { name: "Cold pool" }), 200);
    const ended = await poll(
      async () => must(await pod.owner.get<Charge>(`/v1/charges/${slow.id}`), 200),
      ({ status }) => status !== "processing",
    );
    expect(ended.status).toBe("succeeded");

    expect((await pod.as("ada").post(`/v1/pods/${pod.id}/unfreeze`, {})).status).toBe(403);
    must(await pod.owner.post(`/v1/pods/${pod.id}/unfreeze`, { reason: "settled" }), 200);
    expect((await pod.owner.post(`/v1/pods/${pod.id}/unfreeze`, {})).status).toBe(409);
    must(await charge(pod.as("max"), pod, { amount: "1.00", from: "tok_ok", key: "thawed" }), 201);
    const told = (await eventsOf(pod.owner, pod)).map(({ event }) => event);
    expect(told.find(({ type }) => type === "pod.frozen")?.data.reason).toBe("a dispute");
    expect(told.find(({ type }) => type === "pod.unfrozen")?.data.reason).toBe("settled");
  });
});

describe("the log of a pod", () => {
  let pod: OpenPod;
  let rows: Row[];
  let paid: Charge;
  beforeAll(async () => {
    pod = await openPod(server, { members: { max: "member" } });
    const body = {
      amount: eur("120.00"),
      source: { type: "instrument", token: "tok_ok" },
      description: "for Grandmother's ninetieth",
    };
    const headers = { "x-request-id": "request-of-the-log-test" };
    paid = must(await pod.as("max").post<Charge>(`/v1/pods/${pod.id}/charges`, body, { key: "logged", headers }), 201);
    must(await charge(pod.owner, pod, { amount: "3.00", from: "tok_declined", key: "logged" }), 201);
    must(await pod.owner.patch(`/v1/pods/${pod.id}`, { name: "Renamed" }), 200);
    rows = await eventsOf(pod.as("max"), pod);
  });

  test("hashes to its hash in twenty lines of anybody's code", async () => {
    let previous: Buffer = Buffer.alloc(32);
    for (const [index, row] of rows.entries()) {
      const text = canonicalize(row.event) ?? "";
      const hash = createHash("sha256").update(previous).update(text, "utf8").digest();
      expect([row.seq, row.event.seq]).toEqual([index + 1, String(index + 1)]);
      expect([row.prev_hash, row.hash]).toEqual([previous.toString("hex"), hash.toString("hex")]);
      previous = hash;
    }
    const { seq, log_head } = await read(pod.owner, pod);
    expect([seq, log_head]).toEqual([rows.length, previous.toString("hex")]);
  });

  test("notices a cent more in the middle of it", () => {
    const told = rows.find(({ event }) => event.type === "charge.succeeded") ?? expect.unreachable();
    const forged = structuredClone(told.event) as Event & { data: { amount: Money } };
    forged.data.amount.amount = "120.01";
    const hashOf = (event: Event) =>
      createHash("sha256")
        .update(Buffer.from(told.prev_hash, "hex"))
        .update(canonicalize(event) ?? "")
        .digest("hex");
    expect(hashOf(told.event)).toBe(told.hash);
    expect(hashOf(forged)).not.toBe(told.hash);
  });

  test("says of every event what it is, when, by whom and why, and all its integers are strings", () => {
    const numbersIn = (value: unknown): unknown[] => {
      if (typeof value !== "object" || value === null) return typeof value === "number" ? [value] : [];
      return Object.values(value).flatMap(numbersIn);
    };
    const time = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
    for (const { event, ...place } of rows) {
      expect(Object.keys(place).sort()).toEqual(["hash", "prev_hash", "seq"]);
      expect(event).toEqual({
        stream: `pod/${pod.id}`,
        seq: expect.stringMatching(/^[1-9]\d*$/),
        id: expect.stringMatching(/^evt_/),
        type: expect.stringMatching(/^[a-z]+\.[a-z_]+$/),
        version: "1",
        recorded_at: time,
        effective_at: time,
        correlation: expect.stringMatching(/./),
        causation: event.causation === null ? null : expect.stringMatching(/^sag_/),
        principal: { user: expect.stringMatching(/^(alice|max)$/), client_id: "local-cli" },
        data: expect.objectContaining({ pod: pod.id }),
      });
      expect(numbersIn(event)).toEqual([]);
    }
    expect(new Set(rows.map(({ event }) => event.id)).size).toBe(rows.length);
  });

  test("tells the charge, by the request that asked for it, in money as on the wire and ids", () => {
    const about = rows.map(({ event }) => event).filter(({ data }) => data.charge === paid.id);
    expect(about.map(({ type }) => type).filter((type) => type.startsWith("charge."))).toEqual([
      "charge.created",
      "charge.succeeded",
    ]);
    expect(about.find(({ type }) => type === "charge.succeeded")).toMatchObject({
      correlation: "request-of-the-log-test",
      principal: { user: "max" },
      data: { charge: paid.id, saga: paid.saga, payer: "max", amount: eur("120.00"), settled: eur("118.20") },
    });
  });

  test("holds nothing personal: no description, no instrument", () => {
    const text = JSON.stringify(rows);
    for (const secret of ["Grandmother", "tok_ok", "tok_declined", "fp_tok"]) expect(text).not.toContain(secret);
  });
});

describe("a list", () => {
  /** Every page of two; the rows in the order they came. */
  const pages = async <T>(api: Api, path: string): Promise<T[]> => {
    const rows: T[] = [];
    for (let after: string | null = ""; after !== null; ) {
      const cursor: string = after === "" ? "" : `&after=${encodeURIComponent(after)}`;
      const page: List<T> = must(await api.get<List<T>>(`${path}?limit=2${cursor}`), 200);
      expect(page.data.length).toBeLessThanOrEqual(2);
      rows.push(...page.data);
      after = page.next;
    }
    return rows;
  };
  const whole = async <T>(api: Api, path: string): Promise<T[]> => {
    const { data, next } = must(await api.get<List<T>>(`${path}?limit=200`), 200);
    expect(next).toBeNull();
    return data;
  };
  const CHARGES = 5;

  let lister: Api;
  let pod: OpenPod;
  const podIds: string[] = [];
  const chargeIds: string[] = [];
  beforeAll(async () => {
    lister = await person(server, "lister");
    for (let index = 0; index < 5; index++) {
      pod = await openPod(server, { owner: "lister", currencies: ["EUR", "USD"] });
      podIds.unshift(pod.id);
    }
    for (let index = 0; index < CHARGES; index++) {
      const order = { amount: "2.00", currency: index % 2 === 0 ? "EUR" : "USD", from: "tok_ok", key: `list-${index}` };
      chargeIds.unshift(must(await charge(pod.owner, pod, order), 201).id);
    }
    await poll(
      async () => [
        (await whole(lister, "/v1/pods")).length,
        (await whole<Charge>(lister, `/v1/pods/${pod.id}/charges`)).filter(({ status }) => status === "succeeded")
          .length,
        (await whole(lister, `/v1/pods/${pod.id}/entries`)).length,
      ],
      (counts) => String(counts) === String([5, CHARGES, CHARGES]),
    );
  });

  test("of pods is mine alone, newest first, each as its own read shows it", async () => {
    const { rows, reads } = await poll(
      async () => {
        const rows = await pages<Pod>(lister, "/v1/pods");
        return { rows, reads: await Promise.all(rows.map((row) => read(lister, row))) };
      },
      ({ rows, reads }) => isDeepStrictEqual(rows, reads),
    );
    expect(rows).toEqual(reads);
    expect(rows.map(({ id }) => id)).toEqual(podIds);
    expect(await whole(await person(server, "nobody-s-member"), "/v1/pods")).toEqual([]);
  });

  test("of charges is newest first, each as its own read shows it", async () => {
    const rows = await pages<Charge>(lister, `/v1/pods/${pod.id}/charges`);
    expect(rows.map(({ id }) => id)).toEqual(chargeIds);
    for (const row of rows) expect(row).toEqual(must(await lister.get<Charge>(`/v1/charges/${row.id}`), 200));
  });

  test("of entries is oldest first, one for each charge, in one currency or all", async () => {
    type Entry = { account: string; credit: Money | null; debit: Money | null; balance: Money; charge: string };
    const path = `/v1/pods/${pod.id}/entries`;
    const rows = await pages<Entry>(lister, path);
    expect(rows).toEqual(await whole(lister, path));
    expect(rows.map(({ charge }) => charge)).toEqual([...chargeIds].reverse());
    expect(rows.map(({ credit, debit }) => [credit?.amount, debit])).toEqual(
      Array.from({ length: CHARGES }, () => ["1.97", null]),
    );
    const dollars = must(await lister.get<List<Entry>>(`${path}?currency=USD`), 200).data;
    expect(dollars).toEqual(rows.filter(({ account }) => account.endsWith(":USD")));
    expect(dollars.map(({ balance }) => balance)).toEqual([
      { amount: "1.97", currency: "USD" },
      { amount: "3.94", currency: "USD" },
    ]);
  });

  test("of events goes on after the seq it is given", async () => {
    const path = `/v1/pods/${pod.id}/events`;
    const rows = await pages<Row>(lister, path);
    expect(rows).toEqual(await whole(lister, path));
    const { data } = must(await lister.get<List<Row>>(`${path}?after=3&limit=4`), 200);
    expect(data.map(({ seq }) => seq)).toEqual([4, 5, 6, 7]);
    expect(must(await lister.get<List<Row>>(`${path}?after=${rows.length}`), 200)).toEqual({ data: [], next: null });
    expect(must(await lister.get<List<Row>>(`${path}?after=999999`), 200)).toEqual({ data: [], next: null });
  });

  test.each(["limit=0", "limit=201", "limit=-1", "limit=ten", "limit=1.5", "after=%20", "after=not~a~cursor"])(
    "does not guess what is meant by ?%s",
    async (query) => {
      for (const path of ["/v1/pods", `/v1/pods/${pod.id}/charges`, `/v1/pods/${pod.id}/events`]) {
        const { status, body } = await lister.get<Problem>(`${path}?${query}`);
        expect([path, status, body.code]).toEqual([path, 400, "invalid_request"]);
      }
    },
  );
});

describe("one pod and one charge never lag behind what the caller was told", () => {
  test("a balance shows each charge as it is answered", async () => {
    const pod = await openPod(server, { members: ["max"] });
    for (let paid = 1; paid <= 10; paid++) {
      const answered = must(
        await charge(pod.as("max"), pod, { amount: "2.00", from: "tok_ok", key: `seen-${paid}` }),
        201,
      );
      expect(answered.status).toBe("succeeded");
      const [shown, { balances, seq }, events] = await Promise.all([
        pod.owner.get<Charge>(`/v1/charges/${answered.id}`),
        read(pod.owner, pod),
        eventsOf(pod.owner, pod),
      ]);
      expect(shown.body).toEqual(answered);
      const posted = (paid * 1.97).toFixed(2);
      expect(balances).toEqual([{ currency: "EUR", posted, pending: "0.00", pending_in: "0.00", available: posted }]);
      expect([events.length, events.at(-1)?.event.data.charge]).toEqual([seq, answered.id]);
    }
  });

  test("what a charge under way will bring is expected in, and nothing is there yet", async () => {
    const pod = await openPod(server);
    const slow = must(
      await charge(pod.owner, pod, { amount: "200.00", from: "tok_slow", key: "expected", wait: 0 }),
      202,
    );
    const row = { currency: "EUR", posted: "0.00", pending: "0.00", available: "0.00" };
    expect((await read(pod.owner, pod)).balances).toEqual([{ ...row, pending_in: "197.00" }]);
    await poll(
      async () => must(await pod.owner.get<Charge>(`/v1/charges/${slow.id}`), 200).status,
      (status) => status === "succeeded",
    );
    expect((await read(pod.owner, pod)).balances).toEqual([
      { currency: "EUR", posted: "197.00", pending: "0.00", pending_in: "0.00", available: "197.00" },
    ]);
  });

  test("a newcomer reads the pod at once, and a role counts from the moment it was given", async () => {
    const pod = await openPod(server);
    for (const user of ["quick-1", "quick-2", "quick-3"]) {
      expect((await accept(user, await invite(pod.owner, pod, "viewer"))).status).toBe(200);
      const newcomer = await person(server, user);
      expect((await read(newcomer, pod)).members).toContainEqual({ user, role: "viewer" });
      must(await pod.owner.patch(memberPath(pod, user), { role: "member" }), 200);
      must(await charge(newcomer, pod, { amount: "1.00", from: "tok_ok", key: "at-once" }), 201);
      must(await pod.owner.delete(memberPath(pod, user)), 204);
      expect((await newcomer.get(`/v1/pods/${pod.id}`)).status).toBe(404);
    }
  });
});
