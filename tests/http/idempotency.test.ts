import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Api, poll } from "../support/client.ts";
import { type Server, startServer, token } from "../support/server.ts";
import {
  type Charge,
  charge,
  eur,
  fundWallet,
  must,
  type OpenPod,
  openPod,
  operator,
  person,
} from "../support/story.ts";

let server: Server;
let admin: Api;
let pod: OpenPod;
beforeAll(async () => {
  server = await startServer({ env: { CROWDPAY_CLOCK: "manual" } });
  admin = await operator(server);
  pod = await openPod(server, { members: { bob: "member", vera: "viewer" } });
});
afterAll(() => server?.[Symbol.asyncDispose]());

type Raw = {
  status: number;
  /** The body as it came. */
  text: string;
  location: string | null;
  replayed: string | null;
};
type Problem = { code: string; field?: string; errors?: { pointer: string }[] };
type List<T> = { data: T[]; next: string | null };

/** A POST whose answer is kept to the byte. */
const post = async (user: string, path: string, body: unknown, key?: string, wait = 20): Promise<Raw> => {
  const response = await fetch(new URL(path, server.url), {
    method: "POST",
    headers: {
      authorization: `Bearer ${await token(server.stateDir, user)}`,
      "content-type": "application/json",
      prefer: `wait=${wait}`,
      ...(key === undefined ? {} : { "idempotency-key": key }),
    },
    body: JSON.stringify(body),
  });
  const { status, headers } = response;
  return {
    status,
    text: await response.text(),
    location: headers.get("location"),
    replayed: headers.get("idempotency-replayed"),
  };
};

const from = (instrument: string, amount = "12.00") => ({
  amount: eur(amount),
  source: { type: "instrument", token: instrument },
});
const fromWallet = (amount: string) => ({ amount: eur(amount), source: { type: "wallet" } });
const chargesOf = (one: Pick<OpenPod, "id">) => `/v1/pods/${one.id}/charges`;
const json = <T>({ text }: Raw): T => JSON.parse(text) as T;

/** The pod's charges, once there are as many as expected. */
const countCharges = async (one: OpenPod, expected: number): Promise<void> => {
  await poll(
    async () => must(await one.owner.get<List<Charge>>(`${chargesOf(one)}?limit=200`), 200).data.length,
    (count) => count >= expected,
  );
  const list = must(await one.owner.get<List<Charge>>(`${chargesOf(one)}?limit=200`), 200);
  expect(list.data.length).toBe(expected);
};

const readCharge = async (id: string): Promise<Charge> => must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200);

/** Asks twice under one key and expects the second answer to be the first, to the byte. */
const expectKept = async (user: string, path: string, body: unknown, key: string, status: number): Promise<Raw> => {
  const first = await post(user, path, body, key);
  expect([first.status, first.replayed]).toEqual([status, null]);
  expect(await post(user, path, body, key)).toEqual({ ...first, replayed: "true" });
  return first;
};

describe("a retried charge is answered to the byte what it was answered first", () => {
  test("when it succeeded: the money has moved once", async () => {
    const own = await openPod(server);
    const first = await expectKept("alice", chargesOf(own), from("tok_ok"), "kept-201", 201);
    expect(json<Charge>(first).status).toBe("succeeded");
    expect(first.location).toBe(`/v1/charges/${json<Charge>(first).id}`);
    await countCharges(own, 1);
    const read = must(await own.owner.get<{ balances: { posted: string }[] }>(`/v1/pods/${own.id}`), 200);
    expect(read.balances.map(({ posted }) => posted)).toEqual(["11.82"]);
  });

  test("when it failed", async () => {
    const first = await expectKept("alice", chargesOf(pod), from("tok_declined"), "kept-failed", 201);
    expect(json<Charge>(first)).toMatchObject({ status: "failed", failure: { code: "payment_declined" } });
  });

  test("when the wallet was empty, though it is full by now; a new key pays", async () => {
    const first = await expectKept("bob", chargesOf(pod), fromWallet("5.00"), "kept-empty", 422);
    expect(json(first)).toMatchObject({ code: "insufficient_funds", available: eur("0.00") });
    await fundWallet(admin, "bob", "5.00");
    expect(await post("bob", chargesOf(pod), fromWallet("5.00"), "kept-empty")).toEqual({ ...first, replayed: "true" });
    expect(await post("bob", chargesOf(pod), fromWallet("5.00"), "after-topping-up")).toMatchObject({ status: 201 });
  });

  test("when the risk rules declined it", async () => {
    const first = await expectKept("alice", chargesOf(pod), from("tok_ok", "50000.00"), "kept-declined", 422);
    expect(json<Problem>(first).code).toBe("risk_declined");
  });

  test("when the pod was frozen, though it is active by now", async () => {
    const own = await openPod(server);
    must(await own.owner.post(`/v1/pods/${own.id}/freeze`, {}), 200);
    const first = await expectKept("alice", chargesOf(own), from("tok_ok"), "kept-frozen", 422);
    expect(json<Problem>(first).code).toBe("pod_not_active");
    must(await own.owner.post(`/v1/pods/${own.id}/unfreeze`, {}), 200);
    expect(await post("alice", chargesOf(own), from("tok_ok"), "kept-frozen")).toEqual({ ...first, replayed: "true" });
    await post("alice", chargesOf(own), from("tok_ok"), "unfrozen");
    await countCharges(own, 1);
  });
});

describe("a key whose call was refused for what can be put right is free again", () => {
  test("after a malformed body", async () => {
    const bad = await post("alice", chargesOf(pod), { ...from("tok_ok"), amount: { amount: 1 } }, "free-400");
    expect(bad.status).toBe(400);
    expect(await post("alice", chargesOf(pod), from("tok_ok"), "free-400")).toMatchObject({
      status: 201,
      replayed: null,
    });
  });

  test("after an instrument the connector does not know, which leaves no charge", async () => {
    const own = await openPod(server);
    const bad = await post("alice", chargesOf(own), from("tok_nobody"), "free-token");
    expect([bad.status, json<Problem>(bad).errors?.[0]?.pointer]).toEqual([400, "/source/token"]);
    expect(await post("alice", chargesOf(own), from("tok_ok"), "free-token")).toMatchObject({
      status: 201,
      replayed: null,
    });
    await countCharges(own, 1);
  });

  test("after a pod that was none of the caller's business", async () => {
    const own = await openPod(server);
    expect((await post("carl", chargesOf(own), from("tok_ok"), "free-404")).status).toBe(404);
    const invited = must(
      await own.owner.post<{ token: string }>(`/v1/pods/${own.id}/invitations`, { role: "viewer" }),
      201,
    );
    const carl = await person(server, "carl");
    must(await carl.post(`/v1/invitations/${invited.token}/accept`, {}), 200);
    expect((await post("carl", chargesOf(own), from("tok_ok"), "free-404")).status).toBe(403);
    must(await own.owner.patch(`/v1/pods/${own.id}/members/carl`, { role: "member" }), 200);
    expect(await post("carl", chargesOf(own), from("tok_ok"), "free-404")).toMatchObject({
      status: 201,
      replayed: null,
    });
  });
});

describe("an answer of 202 stays 202, and shows the charge as it is now", () => {
  test("while it is processing and when it has succeeded", async () => {
    const first = await post("alice", chargesOf(pod), from("tok_slow"), "kept-202", 0);
    expect([first.status, first.replayed, json<Charge>(first).status]).toEqual([202, null, "processing"]);
    const { id } = json<Charge>(first);
    const again = await post("alice", chargesOf(pod), from("tok_slow"), "kept-202", 0);
    expect([again.status, again.replayed, json<Charge>(again).id]).toEqual([202, "true", id]);
    const ended = await poll(
      () => readCharge(id),
      ({ status }) => status !== "processing",
    );
    expect(ended.status).toBe("succeeded");
    const late = await post("alice", chargesOf(pod), from("tok_slow"), "kept-202");
    expect([late.status, late.replayed, json(late)]).toEqual([202, "true", ended]);
    expect(late.location).toBe(`/v1/charges/${id}`);
  });

  test("while it waits for review and when that has declined it", async () => {
    const first = await post("alice", chargesOf(pod), from("tok_ok", "5000.00"), "kept-review");
    expect([first.status, json<Charge>(first).status]).toEqual([202, "requires_review"]);
    const { id } = json<Charge>(first);
    must(await admin.post(`/v1/charges/${id}/review`, { decision: "decline", note: "not today" }), 200);
    const late = await post("alice", chargesOf(pod), from("tok_ok", "5000.00"), "kept-review");
    expect([late.status, late.replayed, json(late)]).toEqual([202, "true", await readCharge(id)]);
    expect(json<Charge>(late).status).toBe("failed");
  });
});

describe("a key used for another command names the first field that differs", () => {
  const whole = { ...from("tok_ok", "12"), description: "for the boat" };
  const others: [string, object][] = [
    ["/amount/amount", { ...whole, amount: eur("12.01") }],
    ["/amount/currency", { ...whole, amount: { amount: "12", currency: "USD" } }],
    ["/source/token", { ...whole, source: { type: "instrument", token: "tok_declined" } }],
    ["/source/token", { ...whole, source: { type: "wallet" } }],
    ["/description", { ...whole, description: "for the house" }],
    ["/description", from("tok_ok", "12")],
  ];
  let first: Raw;
  beforeAll(async () => {
    first = await post("alice", chargesOf(pod), whole, "bound");
    expect(first.status).toBe(201);
  });

  test.each(others)("%s", async (field, other) => {
    const { status, text, replayed } = await post("alice", chargesOf(pod), other, "bound");
    expect([status, replayed, JSON.parse(text)]).toEqual([
      422,
      null,
      expect.objectContaining({ code: "idempotency_mismatch", field }),
    ]);
  });

  test("and the same command in other words is the same command", async () => {
    const again = { ...first, replayed: "true" };
    expect(await post("alice", chargesOf(pod), { ...whole, amount: eur("12.00") }, "bound")).toEqual(again);
    expect(await post("alice", chargesOf(pod), { ...whole, settle_currency: "EUR" }, "bound")).toEqual(again);
    const reordered = { description: whole.description, source: whole.source, amount: whole.amount };
    expect(await post("alice", chargesOf(pod), reordered, "bound")).toEqual(again);
  });

  test("of a pod, an invitation and a freeze too", async () => {
    const making = { name: "Bound", type: "pool", currencies: ["EUR", "USD"] };
    const made = await expectKept("alice", "/v1/pods", making, "bound-pod", 201);
    const { id } = json<{ id: string }>(made);
    const fieldOf = async (path: string, body: unknown, key: string): Promise<unknown> => {
      const other = await post("alice", path, body, key);
      return [other.status, json<Problem>(other).field];
    };
    expect(await fieldOf("/v1/pods", { ...making, name: "Unbound" }, "bound-pod")).toEqual([422, "/name"]);
    expect(await fieldOf("/v1/pods", { ...making, timezone: "Europe/Lisbon" }, "bound-pod")).toEqual([
      422,
      "/timezone",
    ]);
    const spelledOut = { ...making, timezone: "UTC", home_currency: "EUR" };
    expect(await post("alice", "/v1/pods", spelledOut, "bound-pod")).toEqual({ ...made, replayed: "true" });

    const inviting = `/v1/pods/${id}/invitations`;
    await expectKept("alice", inviting, { role: "member" }, "bound-invitation", 201);
    expect(await fieldOf(inviting, { role: "viewer" }, "bound-invitation")).toEqual([422, "/role"]);
    expect(await fieldOf(inviting, { role: "member", expires_in: 60 }, "bound-invitation")).toEqual([
      422,
      "/expires_in",
    ]);

    await expectKept("alice", `/v1/pods/${id}/freeze`, { reason: "a dispute" }, "bound-freeze", 200);
    expect(await fieldOf(`/v1/pods/${id}/freeze`, { reason: "a feud" }, "bound-freeze")).toEqual([422, "/reason"]);
  });
});

test("two commands at once under one key are one charge, and the other is told so", async () => {
  const own = await openPod(server);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) =>
      post("alice", chargesOf(own), from("tok_ok", index % 2 === 0 ? "20.00" : "21.00"), "two-at-once"),
    ),
  );
  const first = answers.find(({ status, replayed }) => status === 201 && replayed === null) ?? expect.unreachable();
  const { id, amount } = json<Charge>(first);
  for (const [index, answer] of answers.entries()) {
    const same = amount.amount === (index % 2 === 0 ? "20.00" : "21.00");
    const { code, field } = json<Partial<Problem>>(answer);
    if (answer.status === 201) expect([same, json<Charge>(answer).id]).toEqual([true, id]);
    else if (answer.status === 409) expect([same, code]).toEqual([true, "idempotency_in_progress"]);
    else expect([same, answer.status, code, field]).toEqual([false, 422, "idempotency_mismatch", "/amount/amount"]);
  }
  await countCharges(own, 1);
});

test("a caller who hangs up and asks again is charged once", async () => {
  const own = await openPod(server);
  const authorization = `Bearer ${await token(server.stateDir, "alice")}`;
  const hangUp = async (afterMs: number): Promise<void> => {
    const gone = fetch(new URL(chargesOf(own), server.url), {
      method: "POST",
      headers: { authorization, "content-type": "application/json", "idempotency-key": "hung-up" },
      body: JSON.stringify(from("tok_slow")),
      signal: AbortSignal.timeout(afterMs),
    });
    await gone.catch(() => undefined);
  };
  for (const afterMs of [200, 20, 5]) await hangUp(afterMs);
  const answer = await poll(
    () => post("alice", chargesOf(own), from("tok_slow"), "hung-up"),
    ({ status }) => status !== 409,
  );
  expect([201, 202]).toContain(answer.status);
  const ended = await poll(
    async () => must(await own.owner.get<Charge>(`/v1/charges/${json<Charge>(answer).id}`), 200),
    ({ status }) => status !== "processing",
  );
  expect(ended.status).toBe("succeeded");
  await countCharges(own, 1);
  const read = must(await own.owner.get<{ balances: { posted: string }[] }>(`/v1/pods/${own.id}`), 200);
  expect(read.balances.map(({ posted }) => posted)).toEqual(["11.82"]);
});

describe("the key itself", () => {
  const under = async (key: string | undefined): Promise<[number, string | undefined]> => {
    const { status, text } = await post("alice", chargesOf(pod), from("tok_declined"), key);
    return [status, (JSON.parse(text) as Partial<Problem>).code];
  };

  test("is one key, in quotation marks or without", async () => {
    const bare = await post("alice", chargesOf(pod), from("tok_declined"), "quoted-1");
    const again = { ...bare, replayed: "true" };
    expect(await post("alice", chargesOf(pod), from("tok_declined"), '"quoted-1"')).toEqual(again);
    const quoted = await post("alice", chargesOf(pod), from("tok_declined"), '"with\\"mark"');
    expect(await post("alice", chargesOf(pod), from("tok_declined"), 'with"mark')).toEqual({
      ...quoted,
      replayed: "true",
    });
  });

  test("may be 255 visible characters long", async () => {
    expect(await under("k".repeat(255))).toEqual([201, undefined]);
    expect(await under("!~")).toEqual([201, undefined]);
  });

  test("is asked for where money moves", async () => {
    expect(await under(undefined)).toEqual([400, "idempotency_key_missing"]);
  });

  test.each([
    ["nothing", ""],
    ["256 characters", "k".repeat(256)],
    ["256 characters in quotation marks", `"${"k".repeat(256)}"`],
    ["a space in it", "two words"],
    ["a space in quotation marks", '"two words"'],
    ["a quotation mark that does not end", '"half'],
    ["nothing in quotation marks", '""'],
    ["letters beyond ASCII", "schlüssel"],
  ])("is malformed when it is %s", async (_, key) => {
    expect(await under(key)).toEqual([400, "invalid_request"]);
  });
});

describe("nobody meets another's key", () => {
  test("neither another person, nor another pod, nor another command", async () => {
    const other = await openPod(server);
    const paths: [string, string, unknown][] = [
      ["alice", chargesOf(pod), from("tok_ok", "1.00")],
      ["bob", chargesOf(pod), from("tok_ok", "2.00")],
      ["alice", chargesOf(other), from("tok_ok", "3.00")],
      ["alice", "/v1/pods", { name: "Same key", type: "split", currencies: ["USD"] }],
      ["bob", "/v1/pods", { name: "Same key too", type: "goal", currencies: ["CHF"] }],
      ["alice", `/v1/pods/${pod.id}/invitations`, { role: "viewer" }],
      ["alice", `/v1/pods/${other.id}/invitations`, { role: "member" }],
      ["alice", `/v1/pods/${other.id}/freeze`, {}],
      ["alice", `/v1/pods/${other.id}/unfreeze`, {}],
    ];
    const firsts: Raw[] = [];
    for (const [user, path, body] of paths) firsts.push(await post(user, path, body, "everybody-s-key"));
    expect(firsts.map(({ status, replayed }) => [status, replayed])).toEqual([
      [201, null],
      [201, null],
      [201, null],
      [201, null],
      [201, null],
      [201, null],
      [201, null],
      [200, null],
      [200, null],
    ]);
    for (const [index, [user, path, body]] of paths.entries()) {
      expect(await post(user, path, body, "everybody-s-key")).toEqual({ ...firsts[index], replayed: "true" });
    }
  });

  test("nor one's own, for another invitation to the same pod", async () => {
    const own = await openPod(server);
    const invite = async () =>
      must(await own.owner.post<{ token: string }>(`/v1/pods/${own.id}/invitations`, { role: "member" }), 201).token;
    const [first, second] = [await invite(), await invite()];
    expect((await post("dora", `/v1/invitations/${first}/accept`, {}, "in-again")).status).toBe(200);
    must(await (await person(server, "dora")).delete(`/v1/pods/${own.id}/members/me`), 204);
    expect(await post("dora", `/v1/invitations/${second}/accept`, {}, "in-again")).toMatchObject({
      status: 200,
      replayed: null,
    });
  });
});

describe("a key is honoured where none is asked for", () => {
  test("twenty calls at once make one pod", async () => {
    const body = { name: "Made once", type: "pool", currencies: ["EUR"] };
    const answers = await Promise.all(Array.from({ length: 20 }, () => post("maker", "/v1/pods", body, "made-once")));
    expect(new Set(answers.map(({ status, text }) => `${status} ${text}`)).size).toBe(1);
    expect(answers.filter(({ replayed }) => replayed === null).length).toBe(1);
    const maker = await person(server, "maker");
    const list = await poll(
      async () => must(await maker.get<List<{ id: string }>>("/v1/pods"), 200).data,
      ({ length }) => length > 0,
    );
    expect(list.map(({ id }) => id)).toEqual([json<{ id: string }>(answers[0] as Raw).id]);
  });

  test("an invitation's token is the same again, and opens the pod once", async () => {
    const own = await openPod(server);
    const inviting = `/v1/pods/${own.id}/invitations`;
    const first = await expectKept("alice", inviting, { role: "member", expires_in: 3600 }, "one-token", 201);
    const { token: invitation } = json<{ token: string }>(first);

    const accepting = `/v1/invitations/${invitation}/accept`;
    const joined = await expectKept("erik", accepting, {}, "one-joining", 200);
    expect(json(joined)).toEqual({ pod: own.id, user: "erik", role: "member" });
    expect((await post("erik", accepting, {}, "another-joining")).status).toBe(409);
    expect((await post("erik", accepting, {})).status).toBe(409);

    const events = must(
      await own.owner.get<List<{ event: { type: string } }>>(`/v1/pods/${own.id}/events?limit=200`),
      200,
    );
    const types = events.data.map(({ event }) => event.type).filter((type) => /invited|joined/.test(type));
    expect(types).toEqual(["member.joined", "member.invited", "member.joined"]);
  });

  test("a retried freeze answers as the first, and freezes nothing that was unfrozen since", async () => {
    const own = await openPod(server);
    const first = await expectKept("alice", `/v1/pods/${own.id}/freeze`, { reason: "one" }, "one-freeze", 200);
    must(await own.owner.post(`/v1/pods/${own.id}/unfreeze`, {}), 200);
    expect(await post("alice", `/v1/pods/${own.id}/freeze`, { reason: "one" }, "one-freeze")).toEqual({
      ...first,
      replayed: "true",
    });
    const now = must(await own.owner.get<{ status: string }>(`/v1/pods/${own.id}`), 200);
    expect(now.status).toBe("active");
    must(await charge(own.owner, own, { amount: "1.00", from: "tok_ok", key: "still-active" }), 201);
  });

  test("a cancel, a review or an operator's word that came too late stays a no under its key, to the byte", async () => {
    const { id, saga } = json<Charge & { saga: string }>(
      await post("alice", chargesOf(pod), from("tok_ok", "5000.00"), "too-late"),
    );
    must(await admin.post(`/v1/charges/${id}/review`, { decision: "decline", note: "no" }, { key: "in-time" }), 200);
    await expectKept("alice", `/v1/charges/${id}/cancel`, {}, "late-cancel", 409);
    for (const [path, body] of [
      [`/v1/charges/${id}/review`, { decision: "decline", note: "no again" }],
      [`/v1/sagas/${saga}/retry`, { note: "on" }],
    ] as const) {
      const [first, again] = [
        await admin.post(path, body, { key: "late" }),
        await admin.post(path, body, { key: "late" }),
      ];
      expect([first.status, again.status, again.headers.get("idempotency-replayed")]).toEqual([409, 409, "true"]);
      expect(again.body).toEqual(first.body);
    }
  });

  test("a retried cancel and a retried review answer what they came to", async () => {
    const waiting = async (key: string) =>
      json<Charge>(await post("alice", chargesOf(pod), from("tok_ok", "5000.00"), key)).id;
    const cancelled = await waiting("to-cancel");
    await expectKept("alice", `/v1/charges/${cancelled}/cancel`, {}, "one-cancel", 200);
    await expectKept("alice", `/v1/charges/${cancelled}/cancel`, {}, "another-cancel", 409);

    const reviewed = await waiting("to-review");
    const note = { decision: "approve", note: "known to us" };
    const first = await admin.post<Charge>(`/v1/charges/${reviewed}/review`, note, { key: "one-review" });
    const again = await admin.post<Charge>(`/v1/charges/${reviewed}/review`, note, { key: "one-review" });
    expect([first.status, first.body.status]).toEqual([200, "succeeded"]);
    expect([again.status, again.body]).toEqual([200, first.body]);
    expect([first, again].map(({ headers }) => headers.get("idempotency-replayed"))).toEqual([null, "true"]);
    const other = { decision: "decline", note: "known to us" };
    expect(await admin.post(`/v1/charges/${reviewed}/review`, other, { key: "one-review" })).toMatchObject({
      status: 422,
      body: { code: "idempotency_mismatch", field: "/decision" },
    });
  });
});

test("a key is kept for thirty days, and then stands for a new charge", async () => {
  const own = await openPod(server);
  const first = await post("alice", chargesOf(own), from("tok_ok"), "thirty-days");
  const invited = await post("alice", `/v1/pods/${own.id}/invitations`, { role: "viewer" }, "thirty-days");
  must(await admin.post("/v1/test/clock", { advance: "P29D" }), 200);
  expect(await post("alice", chargesOf(own), from("tok_ok"), "thirty-days")).toEqual({ ...first, replayed: "true" });
  must(await admin.post("/v1/test/clock", { advance: "P2D" }), 200);
  const later = await post("alice", chargesOf(own), from("tok_ok", "13.00"), "thirty-days");
  expect([later.status, later.replayed]).toEqual([201, null]);
  const anew = await post("alice", `/v1/pods/${own.id}/invitations`, { role: "viewer" }, "thirty-days");
  expect([anew.status, anew.replayed, anew.text === invited.text]).toEqual([201, null, false]);
  await countCharges(own, 2);
});
