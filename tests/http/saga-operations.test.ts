import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { sign } from "../../sandbox/psp/webhooks.ts";
import { type Answer, type Api, api, poll } from "../support/client.ts";
import { type Server, startServer } from "../support/server.ts";
import { charge as askFor, type Charge, must, type OpenPod, openPod, operator } from "../support/story.ts";

type Step = { name: string; status: string; attempts: number };
type Word = { action: string; by: string; note: string | null; at: string; provider_ref?: string | null };
type Saga = {
  id: string;
  status: string;
  subject: string;
  created_at: string;
  steps: Step[];
  actions: string[];
  parked_reason?: string;
  pending_approval?: { by: string; verdict: string; at: string };
  operations?: Word[];
  strays?: { provider_ref: string; amount: { amount: string; currency: string }; saga: string }[];
};
type Problem = { code: string; errors?: { pointer: string }[]; field?: string };
type List<T> = { data: T[]; next: string | null };
type Booked = { reference: string; status: string; amount: { amount: string; currency: string } };

let server: Server;
/** Two operators. */
let ann: Api;
let ben: Api;
let secret: string;
beforeAll(async () => {
  server = await startServer();
  [ann, ben] = await Promise.all([operator(server, "ann"), operator(server, "ben")]);
  const secrets = JSON.parse(readFileSync(join(server.stateDir, "secrets.json"), "utf8")) as Record<string, string>;
  secret = secrets.WEBHOOK_SECRET_SANDBOX ?? "";
});
afterAll(() => server?.[Symbol.asyncDispose]());

let keys = 0;
const charge = async (pod: OpenPod, amount: string, from: string): Promise<Charge> =>
  must(await askFor(pod.owner, pod, { amount, from, key: `key-${keys++}`, wait: 1 }), 202);
const sagaOf = async ({ saga }: Pick<Charge, "saga">): Promise<Saga> =>
  must(await ann.get<Saga>(`/v1/sagas/${saga}`), 200);
const chargeNow = async (pod: OpenPod, { id }: Charge): Promise<Charge> =>
  must(await pod.owner.get<Charge>(`/v1/charges/${id}`), 200);

type Said = Answer<Saga & Problem>;
const say = (by: Api, { saga }: Charge, action: string, body: object, key?: string): Promise<Said> =>
  by.post(`/v1/sagas/${saga}/${action}`, body, key === undefined ? {} : { key });
const expectConflict = ({ status, body }: Said): void => expect([status, body.code]).toEqual([409, "conflict"]);

/** A charge that its provider captured and says nothing of, as far as its first step at the provider. */
const unanswered = async (pod: OpenPod, amount: string): Promise<Charge> => {
  const made = await charge(pod, amount, "tok_no_answer");
  if (made.status === "requires_review") {
    must(await ann.post(`/v1/charges/${made.id}/review`, { decision: "approve", note: "known to us" }), 200);
  }
  await poll(
    () => sagaOf(made),
    ({ actions }) => actions.includes("resolve"),
  );
  return made;
};

const bookedOf = async ({ id }: Charge): Promise<Booked> => {
  const { data } = must(await api(server.sandboxUrl).get<List<Booked>>(`/books?charge=${id}`), 200);
  return data[0] ?? expect.unreachable();
};
/** What somebody who has looked at the provider's books can say. */
const evidence = async (made: Charge) => ({
  step: "capture",
  verdict: "succeeded",
  provider_ref: (await bookedOf(made)).reference,
  note: "seen in the provider's books",
});

const eventsOf = async (pod: OpenPod, made: Charge): Promise<{ type: string; reason?: string }[]> => {
  type Row = { event: { type: string; data: { charge?: string; reason?: string } } };
  const { data } = must(await pod.owner.get<List<Row>>(`/v1/pods/${pod.id}/events?limit=200`), 200);
  return data
    .filter(({ event }) => event.data.charge === made.id && event.type.startsWith("saga."))
    .map(({ event }) => ({
      type: event.type,
      ...(event.data.reason === undefined ? {} : { reason: event.data.reason }),
    }));
};
const creditsOf = async (account: string): Promise<number> =>
  Number(must(await ann.get<{ credits_posted: string }>(`/v1/ledger/accounts/${account}`), 200).credits_posted);
const expectBalanced = async (): Promise<void> => {
  const trial = must(await ann.get<{ balanced: boolean }>("/v1/ledger/trial-balance?wait=fresh"), 200);
  expect(trial.balanced).toBe(true);
};
const expectMoneyIn = async (pod: OpenPod, posted: string): Promise<void> => {
  const { balances } = must(await pod.owner.get<{ balances: unknown }>(`/v1/pods/${pod.id}`), 200);
  expect(balances).toEqual([{ currency: "EUR", posted, pending: "0.00", pending_in: "0.00", available: posted }]);
};

describe("a charge that its provider captured at another amount", () => {
  let pod: OpenPod;
  let made: Charge;
  let suspense: number;
  beforeAll(async () => {
    suspense = await creditsOf("suspense:EUR").catch(() => 0);
    pod = await openPod(server, { owner: "parker" });
    made = await charge(pod, "20.00", "tok_wrong_amount");
  });

  test("is parked: the operator sees why, since when and what can be done, and finds it", async () => {
    const saga = await sagaOf(made);
    expect(saga).toMatchObject({ status: "parked", actions: ["retry", "resolve"], subject: "parker" });
    expect(saga.parked_reason).toBe("amount_mismatch: the provider captured 120.00 EUR");
    const found = (query: string) =>
      poll(
        async () => must(await ann.get<List<Saga>>(`/v1/sagas?${query}`), 200).data.map(({ id }) => id),
        (ids) => ids.includes(made.saga),
      );
    await found("status=parked");
    await found("status=parked&kind=charge&subject=parker");
    const begunBefore = async (time: string): Promise<string[]> => {
      const query = `status=parked&subject=parker&older_than=${encodeURIComponent(time)}`;
      return must(await ann.get<List<Saga>>(`/v1/sagas?${query}`), 200).data.map(({ id }) => id);
    };
    expect(await begunBefore(saga.created_at)).toEqual([]);
    expect(await begunBefore(new Date(Date.parse(saga.created_at) + 1).toISOString())).toEqual([made.saga]);
    const [listed] = must(await ann.get<List<Saga>>("/v1/sagas?subject=parker"), 200).data;
    expect(listed?.actions).toEqual(["retry", "resolve"]);
  });

  test("is told to its pod by a code, and a retry that changes nothing is told as well", async () => {
    const parked = { type: "saga.parked", reason: "amount_mismatch" };
    await poll(
      () => eventsOf(pod, made),
      (events) => events.length === 1,
    );
    expect(await eventsOf(pod, made)).toEqual([parked]);
    const retried = must(await say(ann, made, "retry", { note: "the provider says it is mended" }), 200);
    expect(retried.operations).toMatchObject([
      { action: "retry", by: "ann", note: "the provider says it is mended", at: expect.any(String) },
    ]);
    const again = await poll(
      () => sagaOf(made),
      ({ status }) => status === "parked",
    );
    expect(again.steps.find(({ name }) => name === "capture")).toMatchObject({ status: "parked", attempts: 1 });
    const told = await poll(
      () => eventsOf(pod, made),
      (events) => events.length > 1 && events.at(-1)?.type === "saga.parked",
    );
    expect(told.at(-1)).toEqual(parked);
  });

  test("cannot go back by itself, nor be called a success", async () => {
    expectConflict(await say(ann, made, "compensate", {}));
    expectConflict(await say(ann, made, "resolve", await evidence(made)));
    expectConflict(await say(ann, made, "resolve", { ...(await evidence(made)), step: "reserve" }));
  });

  test("fails when it is declined, and what was captured is in suspense, once", async () => {
    const booked = await bookedOf(made);
    const declined = must(
      await say(ann, made, "resolve", { step: "capture", verdict: "declined", note: "not ours" }),
      200,
    );
    expect(declined.strays).toMatchObject([{ provider_ref: booked.reference, amount: booked.amount }]);
    const ended = await poll(
      () => chargeNow(pod, made),
      ({ status }) => status === "failed",
    );
    expect(ended.failure).toEqual({ code: "upstream_unavailable" });
    const stray = declined.strays?.[0]?.saga ?? expect.unreachable();
    await poll(
      () => sagaOf({ saga: stray }),
      ({ status }) => status === "completed",
    );
    expect(await creditsOf("suspense:EUR")).toBe(suspense + 120);
    await expectMoneyIn(pod, "0.00");
    await expectBalanced();
    for (const action of ["retry", "compensate"]) expectConflict(await say(ben, made, action, {}));
  });
});

describe("a charge whose provider says nothing", () => {
  let pod: OpenPod;
  beforeAll(async () => {
    pod = await openPod(server, { owner: "patient" });
  });

  test("succeeds by an operator's evidence", async () => {
    const made = await unanswered(pod, "20.00");
    const { provider_ref: _, ...bare } = await evidence(made);
    const without = await say(ann, made, "resolve", bare);
    expect([without.status, without.body.errors?.map(({ pointer }) => pointer)]).toEqual([400, ["/provider_ref"]]);
    must(await say(ann, made, "resolve", await evidence(made)), 200);
    await poll(
      () => chargeNow(pod, made),
      ({ status }) => status === "succeeded",
    );
    const saga = await sagaOf(made);
    expect(saga).toMatchObject({ status: "completed", actions: [] });
    expect(saga.operations).toMatchObject([{ action: "resolve", by: "ann", ...(await evidence(made)) }]);
    await expectMoneyIn(pod, "19.70");
    expectConflict(await say(ben, made, "resolve", await evidence(made)));
  });

  test("of a thousand succeeds when a second operator says the very same", async () => {
    const made = await unanswered(pod, "1000.00");
    const word = await evidence(made);
    const first = must(await say(ann, made, "resolve", word, "ann-1"), 202);
    expect(first.pending_approval).toMatchObject({ by: "ann", verdict: "succeeded", at: expect.any(String) });
    const replay = await say(ann, made, "resolve", word, "ann-1");
    expect([replay.status, replay.headers.get("idempotency-replayed")]).toEqual([202, "true"]);
    const other = await say(ann, made, "resolve", { ...word, note: "something else" }, "ann-1");
    expect([other.status, other.body.code, other.body.field]).toEqual([422, "idempotency_mismatch", "/note"]);
    must(await say(ann, made, "resolve", word), 202);
    expectConflict(await say(ben, made, "resolve", { step: "capture", verdict: "declined", note: "I doubt it" }));
    expectConflict(await say(ben, made, "resolve", { ...word, provider_ref: "psp_other" }));
    expect((await chargeNow(pod, made)).status).toBe("processing");
    must(await say(ben, made, "resolve", word, "ben-1"), 200);
    await poll(
      () => chargeNow(pod, made),
      ({ status }) => status === "succeeded",
    );
    const saga = await sagaOf(made);
    expect(saga.operations?.map(({ action, by }) => `${action} ${by}`)).toEqual([
      "review ann",
      "resolve ann",
      "resolve ben",
    ]);
    expect(saga.pending_approval).toBeUndefined();
    const late = await say(ben, made, "resolve", word, "ben-1");
    expect([late.status, late.headers.get("idempotency-replayed")]).toEqual([200, "true"]);
  });

  test("to the cent: of 999.99 one operator is enough", async () => {
    const made = await unanswered(pod, "999.99");
    must(await say(ann, made, "resolve", await evidence(made)), 200);
    await poll(
      () => chargeNow(pod, made),
      ({ status }) => status === "succeeded",
    );
  });

  test("and was declined on an operator's word has its capture in suspense when that comes to light", async () => {
    const made = await unanswered(pod, "30.00");
    const before = await creditsOf("suspense:EUR");
    must(await say(ann, made, "resolve", { step: "capture", verdict: "declined", note: "not in their books" }), 200);
    await poll(
      () => chargeNow(pod, made),
      ({ status }) => status === "failed",
    );
    const { reference, amount } = await bookedOf(made);
    const tell = async (id: string): Promise<number> => {
      const data = {
        id: reference,
        reference: made.id,
        status: "captured",
        amount,
        metadata: { charge: made.id, pod: pod.id },
      };
      const body = JSON.stringify({ type: "payment.captured", timestamp: new Date().toISOString(), data });
      const at = Math.floor(Date.now() / 1000);
      const headers = {
        "webhook-id": id,
        "webhook-timestamp": String(at),
        "webhook-signature": await sign(secret, id, at, body),
      };
      return (await api(server.url).post("/ingress/psp/sandbox", body, { headers })).status;
    };
    for (const id of ["late-1", "late-1", "late-2"]) expect(await tell(id)).toBe(200);
    const { strays } = await sagaOf(made);
    expect(strays).toMatchObject([{ provider_ref: reference, amount }]);
    await poll(
      () => sagaOf({ saga: strays?.[0]?.saga ?? "" }),
      ({ status }) => status === "completed",
    );
    expect(await creditsOf("suspense:EUR")).toBe(before + 30);
    expect((await chargeNow(pod, made)).status).toBe("failed");
    await expectBalanced();
  });
});

describe("a charge before its capture", () => {
  let pod: OpenPod;
  beforeAll(async () => {
    pod = await openPod(server, { owner: "early" });
  });

  test("is taken back by an operator, and by no second one", async () => {
    const made = await charge(pod, "1000.00", "tok_ok");
    expect((await sagaOf(made)).actions).toEqual(["compensate"]);
    expectConflict(await say(ann, made, "retry", {}));
    const both = await Promise.all([
      say(ann, made, "compensate", { note: "asked to" }),
      say(ben, made, "compensate", {}),
    ]);
    expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
    const ended = await poll(
      () => chargeNow(pod, made),
      ({ status }) => status !== "processing",
    );
    expect(ended.status).toBe("cancelled");
    expect((await sagaOf(made)).operations).toHaveLength(1);
    await expectMoneyIn(pod, "0.00");
  });

  test("is cancelled by its payer, whose word is in the journal too", async () => {
    const made = await charge(pod, "1000.00", "tok_ok");
    must(await pod.owner.post(`/v1/charges/${made.id}/cancel`, {}), 200);
    const saga = await sagaOf(made);
    expect(saga).toMatchObject({ status: "compensated", actions: [] });
    expect(saga.operations).toMatchObject([{ action: "cancel", by: "early", note: null }]);
  });
});

test("the house is whole after all of it", async () => {
  const report = must(await ann.post<{ ok: boolean; failures: unknown[] }>("/v1/ledger/verify", {}), 200);
  expect(report).toMatchObject({ ok: true, failures: [] });
});
